//! Options: by flag, by environment, by file, in that order; and what a wrong one is answered with.

use std::process::Output;

use crate::harness::World;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `sidetail check` on a config and gives its exit code and what it said on standard error.
fn check(config: &str) -> (Option<i32>, String) {
    let world = World::new();
    world.file("broken.toml", config);
    let output = world.setup(&["check", "--config", "@/broken.toml"]).run();
    (output.status.code(), stderr(&output))
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_beats_the_file() {
    let world = World::new();
    world.file("sidetail.toml", "listen = \"127.0.0.2:0\"\n");
    let by_file = world.setup(&["--config", "@/sidetail.toml", "@/app.log"]).listen_unsaid();
    let by_env = by_file.clone().env("SIDETAIL_LISTEN", "127.0.0.3:0");
    let by_flag = world.setup(&["--config", "@/sidetail.toml", "--listen", "127.0.0.4:0", "@/app.log"]);
    let by_flag = by_flag.listen_unsaid().env("SIDETAIL_LISTEN", "127.0.0.3:0");
    for (setup, address) in [(by_file, "127.0.0.2"), (by_env, "127.0.0.3"), (by_flag, "127.0.0.4")] {
        let agent = setup.start();
        assert_eq!(agent.address().ip().to_string(), address);
        assert_eq!(agent.get("/healthz").status(), 200);
    }
}

#[test]
fn the_config_file_can_be_named_by_the_environment() {
    let world = World::new();
    world.log("app.log").line("hello");
    let log = format!("[[log]]\nname = \"from-file\"\npath = \"{}\"\n", world.path("app.log").display());
    let config = world.file("sidetail.toml", log);
    let agent = world.setup(&[]).env("SIDETAIL_CONFIG", config.to_str().unwrap()).start();
    assert_eq!(agent.log_names(), ["from-file"]);
}

#[test]
fn an_option_in_the_environment_takes_effect() {
    let world = World::new();
    let agent = world.setup(&["app=@/app.log"]).env("SIDETAIL_RETRY", "40s").start();
    let retry = agent.stream("/events").hello().retry.expect("a retry");
    assert!((20_000..=80_000).contains(&retry), "{retry}");
    let agent = world.setup(&["app=@/app.log", "--retry", "4s"]).env("SIDETAIL_RETRY", "40s").start();
    let retry = agent.stream("/events").hello().retry.expect("a retry");
    assert!((2_000..=8_000).contains(&retry), "{retry}");
}

#[test]
fn the_base_path_stands_before_every_address() {
    let world = World::new();
    world.log("app.log").line("hello");
    let agent = world.agent(&["app=@/app.log", "--base-path", "/x"]);
    assert_eq!(agent.lines("/x/events?from=start&follow=false"), ["hello"]);
    assert_eq!(agent.get("/events").status(), 404);
}

#[test]
fn check_explains_a_good_config_and_touches_nothing() {
    let world = World::new();
    world.file("sidetail.toml", "heartbeat = \"7s\"\n[[log]]\nname = \"app\"\npath = \"/nowhere/app.log\"\n");
    let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(said.contains("/nowhere/app.log") && said.contains("7s"), "{said}");
    assert_eq!(world.listing(), ["sidetail.toml"]);
}

#[test]
fn check_names_file_line_and_key_of_what_is_wrong() {
    for (config, line, key) in [
        ("# a comment\nlisten = 7\n", "2", "listen"),
        ("heartbeat = \"banana\"\n", "1", "heartbeat"),
        ("\n\nlissten = \"127.0.0.1:0\"\n", "3", "lissten"),
        ("[[event]]\nname = \"update\"\nmatch = 'price ('\n", "3", "match"),
        ("[[event]]\nname = \"gap\"\nmatch = 'x'\n", "2", "name"),
        ("[[drop]]\nmatches = 'x'\n", "2", "matches"),
        ("[[log]]\nname = \"app\"\n", "1", "path"),
        ("max-line = \"many\"\n", "1", "max-line"),
        ("[[log\n", "1", ""),
    ] {
        let (code, said) = check(config);
        assert_eq!(code, Some(2), "{config:?}: {said}");
        assert!(said.contains("broken.toml"), "the file, for {config:?}: {said}");
        assert!(
            said.contains(&format!(":{line}")) || said.contains(&format!("line {line}")),
            "line {line}, for {config:?}: {said}"
        );
        assert!(said.contains(key), "the key {key}, for {config:?}: {said}");
    }
}

#[test]
fn a_broken_config_is_refused_by_the_agent_too() {
    let world = World::new();
    world.file("broken.toml", "heartbeat = \"banana\"\n");
    let output = world.setup(&["--config", "@/broken.toml", "--listen", "127.0.0.1:0", "@/app.log"]).run();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("heartbeat"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_with_2_and_names_what_is_wrong() {
    let world = World::new();
    for (args, word) in [
        (vec!["--nope"], "--nope"),
        (vec!["--heartbeat", "banana", "@/app.log"], "heartbeat"),
        (vec!["--max-line=-3", "@/app.log"], "max-line"),
        (vec!["--watch", "sometimes", "@/app.log"], "watch"),
        (vec!["--listen", "nowhere", "@/app.log"], "listen"),
        (vec!["--config", "@/missing.toml"], "missing.toml"),
        (vec![], "log"),
    ] {
        let output = world.setup(&args).run();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_wrong_value_in_the_environment_is_named_too() {
    let world = World::new();
    let output = world.setup(&["check", "@/app.log"]).env("SIDETAIL_HEARTBEAT", "banana").run();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).to_lowercase().contains("heartbeat"), "{}", stderr(&output));
}

#[test]
fn an_address_in_use_ends_the_agent_with_1_and_says_so() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = world.setup(&["--listen", &address, "@/app.log"]).run();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn help_and_version_and_completions_and_man_go_to_standard_output() {
    let world = World::new();
    for (args, word) in [
        (vec!["--help"], "--listen"),
        (vec!["--version"], env!("CARGO_PKG_VERSION")),
        (vec!["completions", "bash"], "sidetail"),
        (vec!["man"], ".TH"),
    ] {
        let output = world.setup(&args).run();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{args:?}");
    }
}

/// The words of a text that look like options, and the commands that `--help` lists.
fn words(help: &str) -> Vec<String> {
    let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|word| !word.is_empty());
    let bare = |word: &str| word.split('[').next().unwrap_or(word).trim_end_matches([',', '.']).to_owned();
    options.chain(commands).map(bare).collect()
}

#[test]
fn man_page_and_completions_know_every_option_and_command() {
    let world = World::new();
    let said = |args: &[&str]| String::from_utf8(world.setup(args).run().stdout).expect("text");
    let wanted = words(&said(&["--help"]));
    for word in ["--listen", "--log-format", "health", "schema", "check", "test-rules"] {
        assert!(wanted.contains(&word.to_owned()), "{word} in {wanted:?}");
    }
    let man = said(&["man"]).replace('\\', "");
    for (name, text) in [("man", man), ("bash", said(&["completions", "bash"])), ("zsh", said(&["completions", "zsh"]))] {
        for word in &wanted {
            assert!(text.contains(word.as_str()), "{word} in {name}");
        }
    }
    let fish = said(&["completions", "fish"]);
    for word in &wanted {
        let option = word.strip_prefix("--").map_or(word.clone(), |name| format!("-l {name}"));
        assert!(fish.contains(&option), "{option}");
    }
    for section in ["SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
        assert!(said(&["man"]).contains(&format!(".SH {section}\n")), "{section}");
    }
}
