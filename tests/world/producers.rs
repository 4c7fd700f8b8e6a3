//! Real programs that write and rotate logs by themselves: Python's logging with both of its rotating handlers.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Block, World};

/// Runs a Python program in the world's folder to its end.
fn python(world: &World, program: &str) {
    let output = Command::new("python3").arg("-c").arg(program).current_dir(world.folder()).stdin(Stdio::null()).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What all records of the log say that `handler` wrote: numbered ones, each tenth with an exception.
fn records(handler: &str, pause: &str) -> Vec<Value> {
    let world = World::new();
    let path = world.path("app.log").display().to_string();
    world.file("sidetail.toml", format!("[[log]]\nname = \"app\"\npath = \"{path}\"\nmultiline = \"auto\"\n"));
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let program = format!(
        "import logging, logging.handlers, time\n\
         handler = logging.handlers.{handler}\n\
         logging.basicConfig(level=logging.DEBUG, handlers=[handler],\n\
             format='%(asctime)s - %(name)s - %(levelname)s - %(message)s')\n\
         log = logging.getLogger('app.db')\n\
         levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]\n\
         for number in range(200):\n\
         \x20   log.log(levels[number % 5], 'record %03d', number)\n\
         \x20   if number % 10 == 0:\n\
         \x20       try:\n\
         \x20           1 / 0\n\
         \x20       except ZeroDivisionError:\n\
         \x20           log.exception('failed at %03d', number)\n\
         \x20   {pause}\n"
    );
    python(&world, &program);
    assert!(world.listing().len() > 4, "it rotated: {:?}", world.listing());
    agent.events("/events?from=start&follow=false&data=json").iter().map(Block::json).collect()
}

fn assert_all(records: &[Value]) {
    let line = |record: &Value| record["line"].as_str().expect("a line").to_owned();
    let numbered: Vec<&Value> = records.iter().filter(|record| line(record).contains(" - record ")).collect();
    assert_eq!(numbered.len(), 200);
    let levels = ["debug", "info", "warn", "error", "fatal"];
    for (number, record) in numbered.iter().enumerate() {
        assert!(line(record).ends_with(&format!("record {number:03}")), "{record}");
        assert_eq!(record["level"], levels[number % 5]);
        assert!(record["time"].is_string(), "{record}");
    }
    let failed: Vec<&Value> = records.iter().filter(|record| line(record).contains(" - failed at ")).collect();
    assert_eq!(failed.len(), 20);
    for record in &failed {
        assert_eq!(record["level"], "error");
        let line = line(record);
        assert!(line.contains("\nTraceback (most recent call last):\n") && line.ends_with("ZeroDivisionError: division by zero"));
    }
    assert_eq!(records.len(), 220);
}

#[test]
fn pythons_rotating_file_handler_loses_nothing_and_its_traces_are_one_record() {
    assert_all(&records("RotatingFileHandler('app.log', maxBytes=4000, backupCount=50)", "pass"));
}

#[test]
fn pythons_timed_rotating_file_handler_loses_nothing_and_its_traces_are_one_record() {
    assert_all(&records("TimedRotatingFileHandler('app.log', when='S', interval=1)", "time.sleep(0.02)"));
}
