//! The five uses of Server-Sent Events in `examples/`, each as it stands: its writer, its config, its page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Block, Stream, World};

/// A program that writes a log until the end of the test.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The example's stream under its own config, from the first line of its own writer on.
fn with_stream(name: &str, check: impl FnOnce(&mut Stream)) {
    let world = World::new();
    let config = example(name).join("sidetail.toml").display().to_string();
    let agent = world.agent(&["--config", &config, "log=@/use.log"]);
    let mut stream = agent.stream("/events");
    let mut command = Command::new(example(name).join("write"));
    let _writer = Writer(command.arg(world.path("use.log")).arg("0.05").stdin(Stdio::null()).spawn().expect("the writer"));
    check(&mut stream);
    // Every event that the page listens to is one of the config or of sidetail's own, and nothing is passed over.
    let page = fs::read_to_string(example(name).join("index.html")).expect("the page");
    for part in ["new EventSource(", "onmessage", "addEventListener(", "onerror"] {
        assert!(page.contains(part), "{name}: no {part} in the page");
    }
    let rules = fs::read_to_string(example(name).join("sidetail.toml")).expect("the config");
    for listened in page.split("addEventListener('").skip(1).filter_map(|rest| rest.split('\'').next()) {
        assert!(listened == "gap" || rules.contains(&format!("name = \"{listened}\"")), "{name}: nobody sends {listened}");
    }
}

fn next(stream: &mut Stream, event: Option<&str>) -> Block {
    loop {
        let block = stream.next().expect("an event");
        assert!(!block.is("gap"), "{block:?}");
        if block.event.as_deref() == event {
            return block;
        }
    }
}

#[test]
fn a_live_feed_gives_every_line_to_onmessage_and_drafts_to_nobody() {
    with_stream("feed", |stream| {
        let lines = stream.lines(7);
        let expected: Vec<_> = (1..=7).map(|n| format!("Headline {n}: the quick brown fox")).collect();
        assert_eq!(lines, expected);
    });
}

#[test]
fn notifications_are_events_of_their_own_with_user_and_text() {
    with_stream("notifications", |stream| {
        let told = next(stream, Some("notification")).json();
        assert_eq!(told, serde_json::json!({"user": "ann", "text": "order 3 has shipped"}));
        assert!(next(stream, None).data.contains("INFO order 4 accepted"));
    });
}

#[test]
fn the_progress_of_a_task_is_its_percentages_and_its_end() {
    with_stream("progress", |stream| {
        for percent in (0..=100).step_by(10) {
            assert_eq!(next(stream, Some("progress")).json()["percent"], percent);
        }
        next(stream, Some("done"));
    });
}

#[test]
fn a_stock_ticker_sends_updates_with_numbers() {
    with_stream("stocks", |stream| {
        let update = next(stream, Some("update"));
        assert_eq!(update.data, r#"{"symbol":"ACME","price":150.17}"#);
        assert_eq!(next(stream, Some("update")).json()["symbol"], "INIT");
    });
}

#[test]
fn log_streaming_goes_on_through_rotations_names_what_is_grave_and_keeps_secrets() {
    with_stream("logs", |stream| {
        for number in 1..=25 {
            let line = next(stream, None).data;
            assert!(line.contains(&format!("request {number} password=*** ")), "{line}");
            if number % 4 == 0 {
                assert!(next(stream, Some("error-record")).data.contains(&format!("request {number} failed")));
            }
        }
    });
}
