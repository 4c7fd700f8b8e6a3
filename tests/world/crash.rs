//! `kill -9` and a new start: ids are a function of the files, so nothing has to be remembered.

use crate::harness::{Agent, Log, Stream, World};

fn started(setup: impl FnOnce(&World) -> Agent) -> (World, Log, Agent, Stream) {
    let world = World::new();
    let log = world.log("app.log");
    let agent = setup(&world);
    let stream = agent.stream("/events");
    (world, log, agent, stream)
}

#[test]
fn a_client_survives_the_crash_of_its_agent() {
    let (_world, mut log, mut agent, mut stream) = started(|world| world.agent(&["app=@/app.log"]));
    log.write(10);
    let records = stream.records(10);
    agent.kill();
    assert!(stream.try_next().is_err(), "a crash is a cut, not an end");
    log.write(5);
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after("/events?follow=false", record.id()), log.written()[place + 1..]);
    }
}

#[test]
fn a_crash_with_rotations_in_between_loses_nothing() {
    let (_world, mut log, mut agent, mut stream) = started(|world| world.agent(&["app=@/app.log"]));
    log.write(10);
    let records = stream.records(10);
    agent.kill();
    log.write(3);
    log.rotate();
    log.write(3);
    log.rotate();
    log.write(3);
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.resume("/events", record.id()).lines(18 - place), log.written()[place + 1..]);
    }
}

#[test]
fn ids_from_both_sides_of_a_rotation_survive_a_crash() {
    let (_world, mut log, mut agent, mut stream) = started(|world| world.agent(&["app=@/app.log"]));
    log.write(4);
    let mut records = stream.records(4);
    log.rotate();
    log.write(4);
    records.extend(stream.records(4));
    agent.kill();
    log.rotate();
    log.write(4);
    agent.restart();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(agent.lines_after("/events?follow=false", record.id()), log.written()[place + 1..]);
    }
}

#[test]
fn the_agent_comes_back_on_the_same_port_at_once() {
    let setup = |world: &World| world.setup(&["app=@/app.log"]).on_a_port_of_its_own().start();
    let (_world, mut log, mut agent, mut stream) = started(setup);
    let before = agent.address();
    log.write(2);
    let id = stream.records(2)[0].id().to_owned();
    agent.restart();
    assert_eq!(agent.address(), before);
    assert_eq!(agent.lines_after("/events?follow=false", &id), log.written()[1..]);
}

#[test]
fn every_hello_survives_a_crash() {
    let (_world, mut log, mut agent, stream) = started(|world| world.agent(&["app=@/app.log"]));
    let first = stream.hello().id().to_owned();
    log.write(3);
    let second = agent.resume("/events?limit=3", &first).records(3)[1].id().to_owned();
    for _ in 0..3 {
        agent.restart();
        assert_eq!(agent.resume("/events", &second).hello().id(), second);
        assert_eq!(agent.lines_after("/events?follow=false", &first), log.written());
    }
}

#[test]
fn a_stopped_agent_leaves_the_folder_as_it_was() {
    let (world, mut log, mut agent, mut stream) = started(|world| world.agent(&["app=@/app.log"]));
    log.write(3);
    stream.records(3);
    log.rotate();
    log.write(1);
    stream.records(1);
    agent.signal("TERM");
    agent.ended();
    assert_eq!(world.listing(), ["app.log", "app.log.1"]);
}
