//! Other file systems and other sorts of files: tmpfs, overlay, bind mounts, /proc.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Log, World};

const EVERYTHING: &str = "/events?from=start&follow=false";

/// Something mounted, until the end of the test.
struct Mounted(PathBuf);

impl Mounted {
    fn new(words: &[&str], at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let output = Command::new("mount").args(words).arg(at).output().expect("mount");
        assert!(output.status.success(), "mount {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Mounted(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: an agent may have a file open still.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_line_that_a_full_disk_cut_short_is_one_record_when_it_is_finished() {
    let world = World::new();
    let disk = world.path("disk");
    let _mounted = Mounted::new(&["-t", "tmpfs", "-o", "size=64k", "tmpfs"], &disk);
    let ballast = world.file("disk/ballast", vec![b'x'; 60 * 1024]);
    let mut log = world.log("disk/app.log");
    let agent = world.agent(&["app=@/disk/app.log"]);
    let mut stream = agent.stream("/events?from=start");
    stream.goes_on_with(&log.write(2));
    let line = format!("2026-11-22T10:01:00.000Z {}", "long ".repeat(2000));
    let bytes = format!("{line}\n").into_bytes();
    let mut writer = OpenOptions::new().append(true).open(log.path()).unwrap();
    let mut written = 0;
    let full = loop {
        match writer.write(&bytes[written..]) {
            Ok(some) => written += some,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    assert!(written > 0 && written < bytes.len(), "{written} bytes were written");
    fs::remove_file(ballast).unwrap();
    writer.write_all(&bytes[written..]).unwrap();
    assert_eq!(stream.record().data, line);
    stream.goes_on_with(&log.write(2));
}

#[test]
fn a_rotation_to_a_tmpfs_is_known_by_its_content() {
    let world = World::new();
    let _mounted = Mounted::new(&["-t", "tmpfs", "tmpfs"], &world.path("old"));
    let mut log = world.log("app.log");
    let mut agent = world.agent(&["app=@/app.log"]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let records = stream.records(3);
    log.rotate();
    let moved = Command::new("mv").arg(world.path("app.log.1")).arg(world.path("old")).status().unwrap();
    assert!(moved.success());
    stream.goes_on_with(&log.write(2));
    agent.kill();
    agent.restart();
    assert_eq!(agent.lines_after("/events?follow=false", records[0].id()), log.written()[1..]);
    assert_eq!(agent.lines(EVERYTHING), log.written());
}

#[test]
fn a_file_of_an_image_layer_is_followed_when_its_first_write_copies_it_up() {
    let world = World::new();
    world.log("lower/app.log").write(2);
    fs::create_dir(world.path("upper")).unwrap();
    fs::create_dir(world.path("work")).unwrap();
    let folder = world.folder().display();
    let layers = format!("lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work");
    let _mounted = Mounted::new(&["-t", "overlay", "-o", &layers, "overlay"], &world.path("merged"));
    let agent = world.agent(&["app=@/merged/app.log"]);
    let before = agent.lines(EVERYTHING);
    assert_eq!(before.len(), 2);
    let mut stream = agent.stream("/events");
    let mut log = world.log("merged/app.log");
    stream.goes_on_with(&log.write(3));
    log.rotate();
    stream.goes_on_with(&log.write(3));
    assert_eq!(agent.lines(EVERYTHING), [&before, log.written()].concat());
}

#[test]
fn a_writer_that_sees_the_folder_at_another_path_is_followed() {
    let world = World::new();
    fs::create_dir(world.path("there")).unwrap();
    let there = world.path("there").display().to_string();
    let _mounted = Mounted::new(&["--bind", &there], &world.path("here"));
    let agent = world.agent(&["app=@/here/app.log"]);
    let mut stream = agent.stream("/events");
    let mut log = world.log("there/app.log");
    stream.goes_on_with(&log.write(3));
    log.rotate();
    stream.goes_on_with(&log.write(3));
}

#[test]
fn a_file_without_a_size_is_read_as_far_as_it_goes_or_refused_and_disturbs_nobody() {
    let world = World::new();
    symlink("/proc/version", world.path("version.log")).unwrap();
    symlink("/proc/self/mem", world.path("memory.log")).unwrap();
    symlink("/dev/zero", world.path("zero.log")).unwrap();
    let mut log: Log = world.log("app.log");
    let agent = world.agent(&["@/*.log"]);
    let mut stream = agent.stream("/events?log=app.log");
    stream.goes_on_with(&log.write(2));
    assert_eq!(agent.lines("/events?from=start&follow=false&log=app.log"), log.written());
    let version = fs::read_to_string("/proc/version").unwrap();
    assert_eq!(agent.lines("/events?from=start&follow=false&log=version.log"), [version.trim_end()]);
}
