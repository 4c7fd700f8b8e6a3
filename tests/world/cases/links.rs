//! Logs behind symbolic links: switched, several hops long, dangling, going in circles.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::log::gzip;
use crate::harness::{Agent, World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";
const REST: &str = "/events?follow=false";

/// Lets `link` lead to `target` from now on, at one stroke.
fn switch(link: &Path, target: &str) {
    let new = link.with_file_name("new-link");
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

#[test]
fn a_link_that_is_switched_is_a_rotation() {
    let world = World::new();
    let (mut one, mut two) = (world.log("2026-11-22.txt"), world.log("2026-11-23.txt"));
    let link = world.path("current.log");
    symlink("2026-11-22.txt", &link).unwrap();
    let mut agent = world.agent(&["app=@/current.log"]);
    let mut stream = agent.stream("/events?notices=true");
    let mut lines = one.write(3);
    let records = stream.records(3);
    two.write(1);
    one.write(1);
    switch(&link, "2026-11-23.txt");
    assert_eq!(stream.lines(2), [&one.written()[3..], two.written()].concat());
    // A writer that has the old one open still.
    stream.goes_on_with(&one.write(1));
    lines.extend(two.write(1));
    stream.goes_on_with(&two.written()[1..]);
    agent.kill();
    agent.restart();
    let rest = agent.rest_after(REST, records[0].id());
    let data: Vec<_> = rest.iter().filter(|block| block.is_record()).map(|block| block.data.clone()).collect();
    // What is behind a link that leads elsewhere now can't be known; what is lost is told.
    assert!(rest[0].is("gap") && rest[0].json()["reason"] == "gone", "{rest:?}");
    assert_eq!(data, two.written());
}

#[test]
fn a_folder_that_is_switched_behind_a_link_is_a_rotation() {
    let world = World::new();
    let (mut one, mut two) = (world.log("..2026_a/app.log"), world.log("..2026_b/app.log"));
    symlink("..2026_a", world.path("..data")).unwrap();
    symlink("..data/app.log", world.path("app.log")).unwrap();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&one.write(3));
    switch(&world.path("..data"), "..2026_b");
    two.line("2026-11-22T11:00:00.000Z in the other folder");
    stream.goes_on_with(two.written());
}

#[test]
fn a_file_three_links_away_is_followed_through_its_rotations() {
    let world = World::new();
    let mut log = world.log("docker/0123/0123-json.log");
    fs::create_dir_all(world.path("pods/shop_web_1/web")).unwrap();
    fs::create_dir_all(world.path("containers")).unwrap();
    symlink(log.path(), world.path("pods/shop_web_1/web/0.log")).unwrap();
    symlink(world.path("pods/shop_web_1/web/0.log"), world.path("containers/web.log")).unwrap();
    symlink("containers/web.log", world.path("web.log")).unwrap();
    let mut agent = world.agent(&["web=@/web.log"]);
    let mut stream = agent.stream("/events");
    let records = {
        log.write(3);
        stream.records(3)
    };
    log.rotate();
    stream.goes_on_with(&log.write(3));
    log.rotate();
    stream.goes_on_with(&log.write(3));
    agent.kill();
    log.rotate();
    log.write(1);
    agent.restart();
    assert_eq!(agent.lines_after(REST, records[0].id()), log.written()[1..]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_link_in_a_circle_is_reported_and_disturbs_nobody() {
    let world = World::new();
    symlink("b.log", world.path("a.log")).unwrap();
    symlink("a.log", world.path("b.log")).unwrap();
    let mut log = world.log("app.log");
    let agent = world.agent(&["circle=@/a.log", "app=@/app.log"]);
    let mut stream = agent.stream("/events?log=app");
    stream.goes_on_with(&log.write(2));
    let complaint = |agent: &Agent| {
        let logs = agent.logs();
        logs.iter().find(|log| log["name"] == "circle")?["error"].as_str().map(str::to_owned)
    };
    let error = eventually("an error of the log", || complaint(&agent));
    assert!(error.contains("symbolic links"), "{error}");
    fs::remove_file(world.path("b.log")).unwrap();
    let mut found = world.log("b.log");
    let lines = found.write(2);
    assert_eq!(agent.stream("/events?log=circle&from=start").lines(2), lines);
}

#[test]
fn kubelets_names_are_one_log_and_a_restarted_container_is_another() {
    let world = World::new();
    let mut log = world.log("0.log");
    log.write(2);
    fs::rename(log.path(), world.path("0.log.20261122-100000")).unwrap();
    gzip(&world.path("0.log.20261122-100000"));
    log.create_anew();
    log.write(2);
    fs::rename(log.path(), world.path("0.log.20261122-110000")).unwrap();
    log.create_anew();
    log.write(2);
    let mut second = world.log("1.log");
    second.write(2);
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.log_names(), ["0.log", "1.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false&log=0.log"), log.written());
    assert_eq!(agent.lines("/events?from=start&follow=false&log=1.log"), second.written());
    let mut stream = agent.stream("/events?log=0.log");
    fs::rename(log.path(), world.path("0.log.20261122-120000")).unwrap();
    log.create_anew();
    stream.goes_on_with(&log.write(2));
}

#[test]
fn a_folder_that_is_switched_and_removed_between_two_looks_is_read_to_its_end() {
    let world = World::new();
    let mut one = world.log("..2026_a/app.log");
    symlink("..2026_a", world.path("..data")).unwrap();
    symlink("..data/app.log", world.path("app.log")).unwrap();
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    one.write(3);
    let first = stream.records(3)[0].id().to_owned();
    agent.signal("STOP");
    one.write(2);
    let two = ["2026-11-23T10:00:00.000Z two", "2026-11-23T10:00:00.001Z two"].map(str::to_owned);
    world.file("..2026_b/app.log", format!("{}\n", two.join("\n")));
    switch(&world.path("..data"), "..2026_b");
    fs::remove_dir_all(world.path("..2026_a")).unwrap();
    agent.signal("CONT");
    stream.goes_on_with(&one.written()[3..]);
    let new = stream.records(2);
    assert_eq!(new.iter().map(|record| record.data.clone()).collect::<Vec<_>>(), two);
    assert_eq!(agent.lines_after(REST, &first), [&one.written()[1..], &two].concat());
    agent.restart();
    let rest = agent.rest_after(REST, &first);
    assert!(rest[0].is("gap") && rest[0].json()["reason"] == "gone", "{rest:?}");
    assert_eq!(agent.lines(EVERYTHING), two);
}

#[test]
fn a_chain_of_links_that_leads_elsewhere_from_its_middle_on_is_a_rotation() {
    let world = World::new();
    let (mut one, mut two) = (world.log("docker/01/01.log"), world.log("docker/02/02.log"));
    for folder in ["pods/web", "containers"] {
        fs::create_dir_all(world.path(folder)).unwrap();
    }
    symlink("../../docker/01/01.log", world.path("pods/web/current.log")).unwrap();
    symlink("../pods/web/current.log", world.path("containers/web.log")).unwrap();
    let agent = world.agent(&["web=@/containers/web.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&one.write(3));
    switch(&world.path("pods/web/current.log"), "../../docker/02/02.log");
    let late = one.write(1);
    stream.goes_on_with(&late);
    stream.goes_on_with(&two.write(2));
    // Rotated files are looked for beside the new target from now on.
    agent.signal("STOP");
    for _ in 0..2 {
        two.rotate();
        two.write(2);
    }
    agent.signal("CONT");
    stream.goes_on_with(&two.written()[2..]);
    assert_eq!(agent.lines(EVERYTHING), [one.written(), two.written()].concat());
}

#[test]
fn dangling_links_into_a_folder_that_is_not_there_are_waited_for_again_and_again() {
    let world = World::new();
    symlink("a/b/real.log", world.path("hop.log")).unwrap();
    symlink("hop.log", world.path("current.log")).unwrap();
    let mut agent = world.agent(&["current=@/current.log"]);
    let mut stream = agent.stream("/events");
    let hello = stream.hello().id().to_owned();
    let mut real = world.log("a/b/real.log");
    stream.goes_on_with(&real.write(3));
    agent.restart();
    assert_eq!(agent.lines_after(REST, &hello), real.written());
    let mut stream = agent.stream("/events");
    fs::remove_dir_all(world.path("a")).unwrap();
    eventually("the log vanished", || (agent.logs()[0]["present"] == false).then_some(()));
    assert!(agent.logs()[0]["error"].is_null(), "{:?}", agent.logs());
    let mut again = world.log("a/b/real.log");
    again.line("2026-11-23T10:00:00.000Z another");
    stream.goes_on_with(again.written());
}

#[test]
fn a_log_whose_place_a_link_to_itself_takes_is_heard_on_and_its_successor_followed() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(2));
    log.move_away();
    symlink("app.log", log.path()).unwrap();
    let error = eventually("an error of the log", || agent.logs()[0]["error"].as_str().map(str::to_owned));
    assert!(error.contains("symbolic links"), "{error}");
    stream.goes_on_with(&log.write(1));
    fs::remove_file(log.path()).unwrap();
    log.create_anew();
    stream.goes_on_with(&log.write(2));
    eventually("no error any more", || agent.logs()[0]["error"].is_null().then_some(()));
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn rotation_and_compression_by_kubelet_are_no_seam_and_ids_survive_a_crash_among_them() {
    let world = World::new();
    let mut log = world.log("pod/web/0.log");
    let mut agent = world.agent(&["@/pod/web/*.log"]);
    let mut stream = agent.stream("/events");
    let mut records = Vec::new();
    for time in ["20260101-120000", "20260101-130000", "20260101-140000"] {
        log.write(3);
        records.extend(stream.records(3));
        let rotated = world.path(&format!("pod/web/0.log.{time}"));
        fs::rename(log.path(), &rotated).unwrap();
        log.create_anew();
        // It compresses all but the newest, into a temporary file first.
        let plain = fs::read_dir(world.path("pod/web")).unwrap().map(|entry| entry.unwrap().path());
        let plain = plain.filter(|path| path.extension().is_some_and(|end| end.as_encoded_bytes().contains(&b'-')));
        for older in plain.filter(|path| *path != rotated).collect::<Vec<_>>() {
            let work = older.with_file_name("compressing");
            fs::copy(&older, &work).unwrap();
            gzip(&work);
            let name = older.to_str().unwrap();
            fs::rename(work.with_file_name("compressing.gz"), format!("{name}.tmp")).unwrap();
            assert_eq!(agent.log_names(), ["0.log"]);
            fs::rename(format!("{name}.tmp"), format!("{name}.gz")).unwrap();
            fs::remove_file(older).unwrap();
        }
    }
    log.write(2);
    records.extend(stream.records(2));
    let mut second = world.log("pod/web/1.log");
    stream.goes_on_with(&second.write(2));
    assert_eq!(agent.log_names(), ["0.log", "1.log"]);
    assert_eq!(fs::read_dir(world.path("pod/web")).unwrap().count(), 5, "two archives, one rotated file and two logs");
    for _ in 0..2 {
        for (place, record) in records.iter().enumerate() {
            assert_eq!(agent.lines_after("/events?follow=false&log=0.log", record.id()), log.written()[place + 1..]);
        }
        agent.restart();
    }
}
