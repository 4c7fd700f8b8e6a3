//! Processor time and memory of processes, from /proc. A process that is gone has used nothing.

use std::fs;

/// How long a tick of /proc/PID/stat is, in seconds.
const TICK_SECONDS: f64 = 0.01;
/// How large a page of /proc/PID/statm is, in KiB.
const PAGE_KIB: u64 = 4;

/// `root` and all processes below it.
pub fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let children = threads(all[at]).filter_map(|thread| fs::read_to_string(format!("{thread}/children")).ok());
        let children: Vec<u32> = children.flat_map(|text| numbers(&text)).collect();
        all.extend(children);
        at += 1;
    }
    all
}

/// Processor seconds of these processes up to now, to the nanosecond; of threads that have ended, to the tick.
pub fn cpu_seconds(processes: &[u32]) -> f64 {
    processes.iter().map(|&process| process_seconds(process)).sum()
}

fn process_seconds(process: u32) -> f64 {
    let schedules = threads(process).filter_map(|thread| fs::read_to_string(format!("{thread}/schedstat")).ok());
    let exact = schedules.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum::<u64>() as f64 / 1e9;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    let rough = ticks as f64 * TICK_SECONDS;
    if rough > exact + 4.0 * TICK_SECONDS { rough } else { exact }
}

/// Resident memory of these processes, in KiB.
pub fn resident_kib(processes: &[u32]) -> u64 {
    let sizes = processes.iter().filter_map(|process| fs::read_to_string(format!("/proc/{process}/statm")).ok());
    sizes.filter_map(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).sum::<u64>() * PAGE_KIB
}

/// Processor seconds that others than this process and those it has started and waited for have used up to now; what the
/// machine's host has taken away is among them. To the tick.
pub fn others_seconds() -> f64 {
    let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
    let all: Vec<u64> =
        machine.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
    // User, nice, system, idle, waiting, interrupts, soft interrupts, stolen.
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&at| all.get(at)).sum();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let own: u64 = fields.skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    busy.saturating_sub(own) as f64 * TICK_SECONDS
}

fn threads(process: u32) -> impl Iterator<Item = String> {
    let folder = fs::read_dir(format!("/proc/{process}/task"));
    folder.into_iter().flatten().flatten().map(|thread| thread.path().to_string_lossy().into_owned())
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}
