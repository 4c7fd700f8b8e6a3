//! Which logs there are: files, globs and folders, that exist or appear later, one log for each logical file.

use std::fs;

use crate::harness::log::gzip;
use crate::harness::{Stream, World, eventually};

#[test]
fn a_bare_path_is_named_after_its_file() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    let agent = world.agent(&["@/app.log"]);
    assert_eq!(agent.log_names(), ["app.log"]);
    assert_eq!(agent.lines("/events?log=app.log&from=start&follow=false"), log.written());
}

#[test]
fn a_relative_path_means_the_working_folder() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    let agent = world.agent(&["app.log"]);
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(2), log.written());
    log.rotate();
    let new = log.write(1);
    assert_eq!(stream.lines(1), new);
}

#[test]
fn a_glob_gives_one_log_for_each_file_under_its_name() {
    let world = World::new();
    for name in ["access.log", "error.log", "notes.txt"] {
        world.log(&format!("web/{name}")).line(name);
    }
    let agent = world.agent(&["web=@/web/*.log"]);
    assert_eq!(agent.log_names(), ["web/access.log", "web/error.log"]);
}

#[test]
fn a_folder_means_its_log_files() {
    let world = World::new();
    for name in ["a.log", "b.log", "c.txt", "d.log.1"] {
        world.log(&format!("logs/{name}")).line(name);
    }
    let agent = world.agent(&["@/logs"]);
    let names = agent.log_names();
    assert!(["a.log", "b.log"].iter().all(|name| names.iter().any(|known| known.ends_with(name))), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("c.txt")), "{names:?}");
    assert_eq!(agent.lines("/events?log=*a.log&from=start&follow=false"), ["a.log"]);
}

#[test]
fn rotated_files_are_no_logs_of_their_own() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(3);
    gzip(log.path());
    fs::rename(world.path("app.log.gz"), world.path("app.log-20261122.gz")).unwrap();
    log.create_anew();
    log.write(3);
    log.rotate();
    log.write(3);
    let agent = world.agent(&["@/app.log*"]);
    assert_eq!(agent.log_names(), ["app.log"]);
    let everything = agent.events("/events?from=start&follow=false");
    let mut lines: Vec<_> = everything.iter().map(|record| record.data.clone()).collect();
    lines.sort();
    assert_eq!(lines, log.written());
}

#[test]
fn a_file_that_appears_later_is_followed_from_its_first_byte() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    let mut log = world.log("app.log");
    log.write(5);
    assert_eq!(stream.lines(5), log.written());
}

#[test]
fn a_glob_that_matches_nothing_yet_can_be_followed_already() {
    let world = World::new();
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events");
    let mut log = world.log("a.log");
    log.write(5);
    assert_eq!(stream.lines(5), log.written());
}

#[test]
fn files_that_appear_later_join_the_streams_that_are_open() {
    let world = World::new();
    world.log("a.log").write(1);
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events");
    for name in ["b.log", "c.log", "d.log"] {
        let mut log = world.log(name);
        log.write(3);
        assert_eq!(stream.lines(3), log.written());
    }
    assert_eq!(agent.log_names(), ["a.log", "b.log", "c.log", "d.log"]);
}

#[test]
fn a_log_that_appears_while_the_client_is_away_is_not_missed() {
    let world = World::new();
    let mut a = world.log("a.log");
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events");
    a.write(1);
    let id = stream.record().id().to_owned();
    drop(stream);
    let mut b = world.log("b.log");
    b.write(3);
    agent.knows("b.log");
    assert_eq!(agent.lines_after("/events?follow=false", &id), b.written());
}

#[test]
fn a_folder_that_appears_later_is_found_however_deep() {
    let world = World::new();
    let agent = world.agent(&["deep=@/var/log/app/*.log", "one=@/run/x/y/one.log"]);
    let mut stream = agent.stream("/events");
    for name in ["var/log/app/a.log", "run/x/y/one.log", "var/log/app/b.log"] {
        let mut log = world.log(name);
        log.write(2);
        assert_eq!(stream.lines(2), log.written(), "{name}");
    }
    assert_eq!(agent.log_names(), ["deep/a.log", "deep/b.log", "one"]);
}

#[test]
fn a_folder_removed_and_made_again_is_followed_again() {
    let world = World::new();
    let mut log = world.log("logs/a.log");
    let agent = world.agent(&["@/logs/*.log"]);
    let mut stream = agent.stream("/events");
    log.write(2);
    assert_eq!(stream.lines(2), log.written());
    fs::remove_dir_all(world.path("logs")).unwrap();
    let mut again = world.log("logs/b.log");
    again.write(2);
    assert_eq!(stream.lines(2), again.written());
}

#[test]
fn logs_says_which_files_each_log_has() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(4);
    log.rotate();
    log.write(2);
    let agent = world.agent(&["app=@/app.log", "later=@/later.log"]);
    let logs = agent.logs();
    let app = logs.iter().find(|log| log["name"] == "app").expect("the log app");
    let generations = app["generations"].as_array().unwrap_or_else(|| panic!("no generations in {app}"));
    let files: Vec<_> = generations.iter().map(|generation| generation["file"].to_string()).collect();
    assert!(files.iter().any(|file| file.contains("app.log.1")) && files.len() == 2, "{files:?}");
    let sizes: u64 = generations.iter().filter_map(|generation| generation["size"].as_u64()).sum();
    assert_eq!(sizes as usize, log.written().iter().map(|line| line.len() + 1).sum::<usize>(), "{app}");
    assert!(app["error"].is_null() && logs.iter().any(|log| log["name"] == "later"), "{logs:?}");
}

#[test]
fn a_link_is_followed_and_a_dangling_one_waited_for() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    symlink("real-2026.txt", world.path("current.log")).unwrap();
    let agent = world.agent(&["current=@/current.log"]);
    let mut stream = agent.stream("/events");
    let mut real = world.log("real-2026.txt");
    real.write(3);
    assert_eq!(stream.lines(3), real.written());
}

#[test]
fn identical_content_in_two_logs_is_two_logs() {
    let world = World::new();
    for name in ["a.log", "b.log"] {
        world.file(name, "2026-11-22T10:00:00.001Z the same line\n");
    }
    let agent = world.agent(&["@/*.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false").len(), 2);
    let (a, b) = (agent.events("/events?log=a.log&tail=1&follow=false"), agent.events("/events?log=b.log&tail=1&follow=false"));
    assert_ne!(a[0].id()[..5], b[0].id()[..5]);
}

#[test]
fn many_files_at_once_are_all_found() {
    let world = World::new();
    let agent = world.agent(&["many=@/many/*.log"]);
    for number in 0..50 {
        world.log(&format!("many/{number:03}.log")).write(2);
    }
    eventually("all 50 logs", || (agent.log_names().len() == 50).then_some(()));
    let lines = Stream::open(agent.get("/events?from=start&follow=false")).rest();
    assert_eq!(lines.iter().filter(|block| block.is_record()).count(), 100);
}

#[test]
fn a_path_that_turns_out_to_be_a_folder_means_its_logs_and_leaves_nothing_behind() {
    let world = World::new();
    let agent = world.agent(&["@/later"]);
    assert_eq!(agent.log_names(), ["later"]);
    let mut log = world.log("later/z.log");
    log.write(2);
    agent.knows("z.log");
    eventually("the path is no log of its own any more", || (agent.log_names() == ["z.log"]).then_some(()));
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
}

#[test]
fn a_file_that_gets_another_name_in_its_folder_is_not_followed_twice() {
    let world = World::new();
    let mut log = world.log("app.log");
    log.write(2);
    let agent = world.agent(&["@"]);
    let mut stream = agent.stream("/events?from=start");
    assert_eq!(stream.lines(2), log.written());
    std::fs::rename(log.path(), world.path("app-renamed.log")).unwrap();
    log.create_anew();
    log.write(1);
    assert_eq!(stream.lines(1), log.written()[2..]);
    assert_eq!(agent.log_names(), ["app.log"]);
    assert_eq!(agent.lines("/events?from=start&follow=false"), log.written());
}

/// In a user namespace that knows root only all other users look the same, so nobody can tell whose link it is.
#[test]
fn a_link_of_a_user_that_is_not_known_here_leads_nowhere() {
    use std::os::unix::fs::{chown, lchown, symlink};

    let world = World::new();
    let secret = world.file("secret", "of another\n");
    chown(&secret, Some(1002), Some(1002)).expect("giving it away");
    symlink(&secret, world.path("app.log")).expect("a link");
    lchown(world.path("app.log"), Some(1001), Some(1001)).expect("giving it away");
    for (wrapper, whose) in
        [(&[][..], "of user 1001"), (&["unshare", "--user", "--map-root-user"], "of a user that is not known here")]
    {
        let agent = world.setup(&["app=@/app.log"]).wrapped(wrapper).start();
        let error = agent.get("/logs").json()["logs"][0]["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(whose), "{error}");
        assert!(agent.lines("/events?from=start&follow=false").is_empty());
    }
}
