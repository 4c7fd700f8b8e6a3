//! Where it takes long to find a stream's start: the client is not left without a sign, and there is an end to it.

use std::fs::{self, File};
use std::io::Read;

use crate::harness::log::gzip;
use crate::harness::{Agent, Log, World, get};

/// A log with a compressed archive that takes about so many reads.
fn archived(reads: usize) -> (World, Log) {
    let world = World::new();
    let mut log = world.log("app.log");
    let mut noise = [0; 16 * 1024];
    for number in 0..4 * reads {
        File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut noise)).expect("noise");
        let noise: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
        log.line(&format!("2026-11-22T10:00:00.{number:03}Z {noise}"));
    }
    log.rotate();
    gzip(&world.path("app.log.1"));
    log.write(1);
    assert!(fs::metadata(world.path("app.log.1.gz")).expect("an archive").len() > (reads as u64) << 16);
    (world, log)
}

/// An agent for which every read of the archive takes so many milliseconds.
fn slow(world: &World, delay: u32) -> Agent {
    let path = world.path("app.log.1.gz").display().to_string();
    let inject = format!("inject=pread64:delay_enter={}", delay * 1000);
    let words = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", &path, "-e", "trace=pread64", "-e", &inject];
    world.setup(&["app=@/app.log", "--heartbeat", "1s"]).wrapped(&words).start()
}

#[test]
fn while_a_start_is_looked_for_heartbeats_come() {
    let (world, _log) = archived(16);
    let agent = slow(&world, 150);
    let mut response = agent.send(&get("/events?tail=1&match=10:00:00.000Z"));
    assert_eq!((response.status(), response.header("Sidetail-Cursor")), (200, None));
    assert_eq!(response.some().expect("no cut").expect("no end"), b":\n");
}

#[test]
fn an_id_that_takes_too_long_to_find_is_told_as_a_gap_of_its_own_kind() {
    let (world, log) = archived(64);
    let agent = world.agent(&["app=@/app.log"]);
    let blocks = agent.events("/events?from=start&follow=false");
    let last_of_archive = blocks[blocks.len() - 2].id().to_owned();
    drop(agent);
    let agent = slow(&world, 200);
    let mut response = agent.send(&get("/events").header("Last-Event-ID", &last_of_archive));
    let mut came = String::new();
    while !came.contains("data: 2026") {
        came += &String::from_utf8(response.some().expect("no cut").expect("no end")).expect("text");
    }
    assert!(came.contains(r#""reason":"budget""#) && came.contains(r#""certain":false"#), "{came}");
    assert!(came.contains(log.written().last().expect("a line")), "{came}");
}
