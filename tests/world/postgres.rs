//! A real PostgreSQL with all its logs side by side: text of several lines, CSV, JSON. It rotates by opening files of new
//! names, so each is a log of its own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::agent::set_mode;
use crate::harness::{Agent, Block, World, eventually, is_root};

const STATEMENTS: usize = 60;
const ROTATIONS: usize = 3;

const CONFIG: &str = r#"
[[log]]
name = "text"
path = "@/db/log/*.log"
multiline = "auto"

[[log]]
name = "csv"
path = "@/db/log/*.csv"
multiline = { start = '^\d{4}-\d{2}-\d{2} ' }

[[log]]
name = "json"
path = "@/db/log/*.json"
"#;

/// How Debian has it, but for statements, JSON, and a zone that is not UTC.
const OPTIONS: &str = "-c listen_addresses='' -c unix_socket_directories=@/db -c logging_collector=on \
    -c log_destination=stderr,csvlog,jsonlog -c log_directory=@/db/log -c log_rotation_size=0 -c log_statement=all \
    -c log_line_prefix='%m [%p] %q%u/%d ' -c log_timezone=Europe/Berlin -c log_file_mode=0644 -c fsync=off";

/// A running server; stopped when dropped.
struct Postgres<'a> {
    world: &'a World,
    programs: PathBuf,
}

impl<'a> Postgres<'a> {
    fn start(world: &'a World) -> Self {
        let programs = std::fs::read_dir("/usr/lib/postgresql").expect("the Debian package postgresql");
        let programs = programs.map(|entry| entry.expect("a version").path().join("bin")).find(|bin| bin.join("initdb").exists());
        let postgres = Postgres { world, programs: programs.expect("initdb") };
        let folder = world.path("db");
        std::fs::create_dir(&folder).expect("a folder for the server");
        if is_root() {
            set_mode(world.folder(), 0o711);
            assert!(Command::new("chown").arg("postgres").arg(&folder).status().expect("chown").success());
        }
        postgres.run("initdb", &["-D", "@/db/data", "-A", "trust", "-N", "-U", "postgres"]);
        postgres.run("pg_ctl", &["-D", "@/db/data", "-w", "-s", "-l", "@/db/start", "-o", OPTIONS, "start"]);
        postgres
    }

    /// Runs one of its programs, never as root.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut words = Vec::new();
        if is_root() {
            words.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(String::from));
        }
        words.push(self.programs.join(program).display().to_string());
        let at = self.world.folder().to_str().expect("UTF-8");
        words.extend(args.iter().map(|arg| arg.replace('@', at)));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/").stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, args: &[&str]) {
        // The server keeps what it inherits: its output is no pipe that somebody waits for.
        let status = self.command(program, args).stdout(Stdio::null()).stderr(Stdio::null()).status().expect(program);
        assert!(status.success(), "{program}: {status}");
    }

    fn query(&self, text: &str) -> Output {
        self.command("psql", &["-h", "@/db", "-U", "postgres", "-qc", text]).output().expect("psql")
    }

    /// Lets it go on in a file of a new name: its names change each second.
    fn rotate(&self) {
        let before = self.files(".log");
        eventually("a log of a new name", || {
            assert!(self.query("select pg_rotate_logfile()").status.success());
            (self.files(".log") > before).then_some(())
        });
    }

    /// How many of its logs end so.
    fn files(&self, end: &str) -> usize {
        let entries = std::fs::read_dir(self.world.path("db/log")).expect("its logs");
        entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(end))).count()
    }
}

impl Drop for Postgres<'_> {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl", &["-D", "@/db/data", "-m", "immediate", "-s", "stop"]).status();
    }
}

/// The number in `statement 012`, in a record that is one.
fn number(record: &Value) -> Option<usize> {
    let line = record["line"].as_str()?;
    let (before, after) = line.split_once("/* statement ")?;
    (!before.contains("STATEMENT:")).then(|| after[..3].parse().ok())?
}

fn history(agent: &Agent, log: &str) -> Vec<Value> {
    agent.events(&format!("/events?log={log}/*&from=start&follow=false&data=json")).iter().map(Block::json).collect()
}

fn time(record: &Value) -> Timestamp {
    record["time"].as_str().expect("a time").parse().expect("RFC 3339")
}

#[test]
fn statements_of_postgresql_are_whole_in_its_three_logs_and_its_new_names_lose_nothing() {
    let began = Timestamp::now();
    let world = World::new();
    let postgres = Postgres::start(&world);
    let config = CONFIG.replace('@', world.folder().to_str().expect("UTF-8"));
    world.file("sidetail.toml", config);
    let agent = world.agent(&["--config", "@/sidetail.toml"]);
    let mut live = agent.stream("/events?log=text/*&data=json&match=statement%20%5B0-9%5D");
    for number in 0..STATEMENTS {
        let text = format!("select /* statement {number:03} */\n  'two lines',\n\n  'ERROR, FATAL'");
        assert!(postgres.query(&text).status.success());
        if number % 10 == 5 {
            assert!(!postgres.query(&format!("select /* failing {number:03} */\n 1/0")).status.success());
        }
        if number % (STATEMENTS / ROTATIONS) == 15 {
            postgres.rotate();
        }
    }
    assert_eq!([".log", ".csv", ".json"].map(|end| postgres.files(end)), [1 + ROTATIONS; 3]);

    let mut came: Vec<Value> = Vec::new();
    while came.len() < STATEMENTS {
        came.push(live.record().json());
    }
    let mut numbers: Vec<usize> = came.iter().filter_map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..STATEMENTS).collect::<Vec<_>>(), "live");

    let mut times = Vec::new();
    for (log, format) in [("text", "plain"), ("csv", "plain"), ("json", "json")] {
        let records = eventually(&format!("the whole {log}"), || {
            let records = history(&agent, log);
            (records.iter().filter_map(number).max() == Some(STATEMENTS - 1)).then_some(records)
        });
        assert!(
            agent
                .logs()
                .iter()
                .filter(|known| known["name"].as_str().unwrap().starts_with(log))
                .all(|known| known["format"] == format)
        );
        let mut statements: Vec<&Value> = records.iter().filter(|record| number(record).is_some()).collect();
        statements.sort_by_key(|record| number(record));
        assert_eq!(
            statements.iter().filter_map(|record| number(record)).collect::<Vec<_>>(),
            (0..STATEMENTS).collect::<Vec<_>>()
        );
        for record in &statements {
            assert_eq!(record["level"], "info", "{record}");
            assert!(record["line"].as_str().unwrap().contains("'ERROR, FATAL'"), "whole: {record}");
            assert!((began..=Timestamp::now()).contains(&time(record)), "{record}");
        }
        times.push(statements.into_iter().map(time).collect::<Vec<_>>());
        let failed: Vec<&Value> = records.iter().filter(|record| record["level"] == "error").collect();
        assert_eq!(failed.len(), STATEMENTS / 10, "{log}: {failed:?}");
        assert!(failed.iter().all(|record| record["line"].as_str().unwrap().contains("division by zero")));
        if log == "json" {
            let fields = &failed[0]["fields"];
            assert_eq!((&fields["state_code"], &fields["user"]), (&"22012".into(), &"postgres".into()));
            assert!(fields["statement"].as_str().unwrap().starts_with("select /* failing 005 */\n"));
        }
    }
    assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "the same times in all of them: {times:?}");
}
