//! Somebody who may write into the folder of a log and means ill: what a name leads to is looked at where it is opened, and
//! nothing that stands in the place of a log holds up another.

use std::fs;
use std::os::unix::fs::{FileExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::harness::{Agent, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";
const SECRET: &str = "2026-11-22T09:00:00.000Z a secret that stands elsewhere";

/// A folder `logs` for everybody, and beside it what is nobody's business.
fn shared() -> World {
    let world = World::new();
    // The older file first: one that is made later is taken for a copy.
    world.file("elsewhere/app.log.2", format!("2026-11-22T08:00:00.000Z older, {SECRET}\n"));
    for name in ["secret", "secret.2", "secret.3", "secret.4", "secret.5", "elsewhere/app.log"] {
        world.file(name, format!("{SECRET}\n"));
    }
    fs::create_dir(world.path("logs")).unwrap();
    world
}

fn link(world: &World, target: &str, name: &str) {
    symlink(target, world.path(name)).unwrap();
}

/// What is wrong with the log called `name`, as `/logs` says.
fn complaint(agent: &Agent, name: &str) -> String {
    eventually(&format!("an error of {name} in /logs"), || {
        let error = agent.logs().iter().find(|log| log["name"] == name)?["error"].as_str().map(str::to_owned);
        error.filter(|error| !error.is_empty())
    })
}

/// A pipe, a socket, a device or a folder, put at `path` at one stroke where the system has one.
fn put(kind: &str, path: &Path) {
    let new = path.with_file_name("being-made");
    let made = |program: &str, words: &[&str]| {
        assert!(Command::new(program).arg(&new).args(words).status().expect(program).success(), "{program} {words:?}");
    };
    match kind {
        "FIFO" => made("mkfifo", &[]),
        "device" => made("mknod", &["c", "1", "5"]),
        "directory" => fs::create_dir(&new).unwrap(),
        "socket" => drop(UnixListener::bind(&new).unwrap()),
        other => panic!("no idea how to make a {other}"),
    }
    if kind == "directory" {
        fs::remove_file(path).unwrap();
    }
    fs::rename(new, path).unwrap();
}

#[test]
fn links_out_of_the_folder_are_refused_aloud_where_they_are_to_stay_inside() {
    let world = shared();
    let mut log = world.log("logs/app.log");
    log.write(2);
    let mut deep = world.log("logs/deep/web.log");
    deep.write(2);
    link(&world, "../secret", "logs/out.log");
    link(&world, "../elsewhere", "logs/folder");
    link(&world, "deep/web.log", "logs/in.log");
    let folder = world.path("logs/deep");
    symlink(folder, world.path("logs/again")).unwrap();
    let agent = world.agent(&["@/logs/*.log", "d=@/logs/again", "e=@/logs/folder/*.log", "--follow-symlinks", "inside"]);
    let why = complaint(&agent, "out.log");
    assert!(why.contains("leads out of") && why.contains("--follow-symlinks"), "{why}");
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=out.log")), [""; 0]);
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=in.log")), deep.written());
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=app.log")), log.written());
    // A folder that the operator names is where it leads.
    assert_eq!(agent.lines(&format!("{EVERYTHING}&log=e/app.log")).last().unwrap(), SECRET);
    let mut stream = agent.stream("/events?log=app.log");
    stream.goes_on_with(&log.write(2));
}

#[test]
fn a_folder_in_the_middle_of_a_pattern_that_leads_out_is_refused_where_links_stay_inside() {
    let world = shared();
    let mut log = world.log("logs/one/app.log");
    log.write(2);
    link(&world, "../elsewhere", "logs/two");
    let agent = world.agent(&["@/logs/*/*.log", "--follow-symlinks", "inside"]);
    assert!(complaint(&agent, "two/app.log").contains("leads out of"));
    assert_eq!(agent.lines(EVERYTHING), log.written());
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(1));
}

#[test]
fn rotated_files_that_are_links_out_of_the_folder_are_none_where_links_stay_inside() {
    let world = shared();
    let mut log = world.log("logs/app.log");
    log.write(2);
    log.rotate();
    log.write(2);
    link(&world, "../secret", "logs/app.log.2");
    link(&world, "../elsewhere", "logs/old");
    let agent = world.agent(&["@/logs/*.log", "--follow-symlinks", "inside"]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
    let trusting = world.agent(&["@/logs/*.log"]);
    // How files of two folders follow each other nobody can tell: there may be a gap.
    let told = trusting.stream(EVERYTHING).rest();
    assert!(told.iter().any(|block| block.data == SECRET), "by default links lead anywhere: {told:?}");
}

/// A user that is neither root nor the one whom the agent runs as.
const WRITER: Option<u32> = Some(64_321);

#[test]
fn links_that_the_writer_of_a_log_planted_do_not_lead_to_what_is_not_its_own() {
    let world = shared();
    let mut log = world.log("logs/app.log");
    log.write(2);
    log.rotate();
    log.write(2);
    let planted = |target: &str, name: &str| {
        link(&world, target, name);
        lchown(world.path(name), WRITER, None).expect("only root may");
    };
    planted("../secret", "logs/one.log");
    planted(&world.path("secret.2").display().to_string(), "logs/two.log");
    planted("../elsewhere", "logs/folder");
    planted("../logs/../secret.5", "logs/app.log.2");
    // By way of a link of root's.
    // It does not exist, and rotated ones of it do.
    planted("../not-there", "logs/dangling.log");
    world.file("not-there.1", format!("{SECRET}\n"));
    planted("../secret.3", "logs/step");
    link(&world, "step", "logs/three.log");
    // What is its own anyway, or lies in the same folder, and what root links to.
    world.file("own/app.log", "2026-11-22T09:00:00.000Z its own\n");
    chown(world.path("own/app.log"), WRITER, None).expect("only root may");
    planted("../own/app.log", "logs/own.log");
    world.file("logs/dated", "2026-11-22T09:00:00.000Z of today\n");
    planted("dated", "logs/current.log");
    link(&world, "../secret.4", "logs/rooted.log");
    let agent = world.agent(&["@/logs/*.log", "@/logs/*/app.log"]);
    for name in ["one.log", "two.log", "three.log", "folder/app.log"] {
        let why = complaint(&agent, name);
        assert!(why.contains("of user 64321") && why.contains("of user 0"), "{name}: {why}");
        let text = agent.get(&format!("/tail?from=start&follow=false&log={name}")).text();
        assert!(!text.contains("secret"), "{name}: {text}");
        let told = |said: &str| said.lines().filter(|line| line.contains(&format!("log={name} "))).count();
        eventually("it is said", || (told(&agent.stderr()) > 0).then_some(()));
    }
    let lines = |name: &str| agent.lines(&format!("{EVERYTHING}&log={name}"));
    assert_eq!(lines("dangling.log"), [""; 0]);
    assert_eq!(lines("own.log"), ["2026-11-22T09:00:00.000Z its own"]);
    assert_eq!(lines("rooted.log").last().expect("a line"), SECRET);
    let text = agent.get("/tail?from=start&follow=false&log=app.log").text();
    assert_eq!(text.lines().collect::<Vec<_>>(), log.written());
    assert_eq!(lines("current.log"), ["2026-11-22T09:00:00.000Z of today"]);
}

#[test]
fn what_the_operator_names_as_the_folder_of_rotated_files_may_be_anywhere() {
    let world = shared();
    let mut log = world.log("logs/app.log");
    log.write(2);
    log.rotate();
    log.write(1);
    fs::create_dir(world.path("archive")).unwrap();
    fs::rename(world.path("logs/app.log.1"), world.path("archive/app.log.1")).unwrap();
    link(&world, "../secret", "archive/app.log.2");
    let config = "follow-symlinks = \"inside\"\n[[log]]\npath = \"logs/app.log\"\nrotated = \"archive\"\n";
    world.file("sidetail.toml", config);
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

/// Swaps a log's file for links of `maker` and back, all the time, under an agent with these options whose every opening
/// comes late; nothing that is not the maker's own may be read by it.
fn swapped(options: &[&str], maker: Option<u32>) {
    let world = shared();
    world.file("own/app.log", "2026-11-22T09:00:00.000Z its own\n");
    chown(world.path("own/app.log"), maker, None).expect("only root may");
    let mut good = world.log("logs/good.log");
    let late = "inject=openat,openat2,readlinkat:delay_enter=1000";
    let words = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=openat,openat2,readlinkat", "-e", late];
    let agent = world.setup(&[&["@/logs/*.log"], options].concat()).wrapped(&words).start();
    let mut stream = agent.stream("/events?from=start&log=good.log");
    let swaps = || {
        for round in 0..2000 {
            let (new, path) = (world.path("being-made"), world.path("logs/evil.log"));
            match round % 4 {
                0 | 2 => fs::write(&new, format!("2026-11-22T10:00:00.000Z {round} as it should be\n")).unwrap(),
                1 => symlink("../secret", &new).unwrap(),
                _ => symlink("../own/app.log", &new).unwrap(),
            }
            lchown(&new, maker, None).expect("only root may");
            fs::rename(new, path).unwrap();
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let swapping = scope.spawn(swaps);
        agent.knows("evil.log");
        while !swapping.is_finished() {
            // Each request makes the follower look.
            let text = agent.get("/tail?from=start&follow=false&log=evil.log").text();
            assert!(!text.contains("secret"), "{text}");
            stream.goes_on_with(&good.write(1));
        }
    });
}

#[test]
fn a_file_swapped_for_a_link_between_look_and_open_never_leads_out() {
    swapped(&["--follow-symlinks", "inside"], None);
}

#[test]
fn a_file_swapped_for_a_link_of_its_writer_never_leads_to_what_is_not_its_own() {
    swapped(&["--follow-symlinks", "any"], WRITER);
}

/// `/var/log/containers/NAME.log` leads to `/var/log/pods/…/0.log`, which leads to where the runtime writes.
#[test]
fn links_as_kubernetes_makes_them_are_followed_by_default() {
    let world = World::new();
    let mut log = world.log("var/lib/docker/containers/c0ffee/c0ffee-json.log");
    let entry = |text: &str, second: u32| {
        format!("{{\"log\":\"{text}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:{second:02}.000000000Z\"}}")
    };
    log.line(&entry("one", 1));
    let pods = "var/log/pods/shop_web-5d8_0b7c3a52-9a1e-4c55-8d11-2f6c1a9be001/nginx";
    fs::create_dir_all(world.path(pods)).unwrap();
    fs::create_dir_all(world.path("var/log/containers")).unwrap();
    fs::create_dir_all(world.path("mnt")).unwrap();
    symlink(log.path(), world.path("mnt/0.log")).unwrap();
    symlink(world.path("mnt/0.log"), world.path(pods).join("0.log")).unwrap();
    let container = format!("var/log/containers/web-5d8_shop_nginx-{}.log", "c0ffee42".repeat(8));
    symlink(world.path(pods).join("0.log"), world.path(&container)).unwrap();
    for pattern in ["@/var/log/containers", "@/var/log/pods/*/*/*.log"] {
        let agent = world.agent(&[pattern]);
        assert_eq!(agent.log_names(), ["shop/web-5d8/nginx"]);
        assert!(agent.lines(EVERYTHING).starts_with(&["one".to_owned()]));
        let mut stream = agent.stream("/events");
        log.line(&entry("two", 2));
        assert_eq!(stream.record().data, "two");
    }
    let strict = world.agent(&["@/var/log/pods/*/*/*.log", "--follow-symlinks", "inside"]);
    assert!(complaint(&strict, "shop/web-5d8/nginx").contains("leads out of"));
}

#[test]
fn what_is_no_file_in_the_place_of_a_log_that_is_followed_is_told_and_the_next_file_is_followed() {
    for kind in ["FIFO", "device", "directory", "socket"] {
        let world = World::new();
        let (mut log, mut other) = (world.log("app.log"), world.log("other.log"));
        let agent = world.agent(&["@/app.log", "@/other.log"]);
        let mut stream = agent.stream("/events?log=app.log");
        let mut beside = agent.stream("/events?log=other.log");
        stream.goes_on_with(&log.write(2));
        put(kind, log.path());
        assert!(complaint(&agent, "app.log").contains(kind), "{}", complaint(&agent, "app.log"));
        // The writer has the file open still.
        stream.goes_on_with(&log.write(1));
        beside.goes_on_with(&other.write(1));
        if kind == "directory" {
            fs::remove_dir(log.path()).unwrap();
        } else {
            fs::remove_file(log.path()).unwrap();
        }
        log.create_anew();
        stream.goes_on_with(&log.write(2));
    }
}

#[test]
fn files_of_the_kernel_hold_nobody_up() {
    let world = World::new();
    let mut log = world.log("app.log");
    for (name, target) in [("kmsg", "/proc/kmsg"), ("mem", "/proc/self/mem"), ("zero", "/dev/zero"), ("tty", "/dev/tty")] {
        symlink(target, world.path(&format!("{name}.log"))).unwrap();
    }
    symlink("/proc/self/fd/0", world.path("stdin.log")).unwrap();
    symlink("/proc/self/environ", world.path("environ.log")).unwrap();
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events?log=app.log");
    for _ in 0..5 {
        stream.goes_on_with(&log.write(2));
    }
    assert!(complaint(&agent, "zero.log").contains("a device"));
    assert_eq!(agent.get("/healthz").status(), 200);
}

#[test]
fn a_terabyte_of_nothing_is_passed_over_and_holds_nobody_up() {
    let world = World::new();
    let mut log = world.log("app.log");
    let hole = |name: &str, first: &str, last: &str| {
        let path = world.file(name, first);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(last.as_bytes(), 1 << 40).unwrap();
    };
    hole("before.log", "", "2026-11-22T10:00:00.000Z behind the hole\n");
    hole("within.log", "2026-11-22T10:00:00.000Z before the hole\n", "\n2026-11-22T10:00:01.000Z behind the hole\n");
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false&log=before.log"), ["2026-11-22T10:00:00.000Z behind the hole"]);
    let mut within = agent.stream("/events?from=start&log=within.log");
    assert_eq!(within.record().data, "2026-11-22T10:00:00.000Z before the hole");
    let mut stream = agent.stream("/events?log=app.log");
    for _ in 0..5 {
        stream.goes_on_with(&log.write(2));
    }
    assert_eq!(agent.get("/healthz").status(), 200);
}
