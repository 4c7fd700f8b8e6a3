//! Logs behind symbolic links: switched, several hops long, dangling, going in circles.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{World, eventually};

const EVERYTHING: &str = "/events?from=start&follow=false";

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
    let rest = agent.rest_after("/events?follow=false", records[0].id());
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
    stream.goes_on_with(&two.write(3));
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
    assert_eq!(agent.lines_after("/events?follow=false", records[0].id()), log.written()[1..]);
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
    let complaint = |agent: &crate::harness::Agent| {
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
    crate::harness::log::gzip(&world.path("0.log.20261122-100000"));
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
