//! `sidetail schema`: the config file's JSON Schema, asked by a validator of other people.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::World;
use crate::harness::tools::tried;

fn schema() -> String {
    let output = World::new().setup(&["schema"]).run();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).expect("text")
}

/// Whether the configs are as the schema says, each on its own.
fn valid(configs: &[String]) -> Vec<bool> {
    const VALIDATE: &str = "
import json, sys, tomllib, jsonschema
schema, configs = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([validator.is_valid(tomllib.loads(config)) for config in configs]))";
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    let (success, said) = tried("python3", &["-c", VALIDATE], &serde_json::json!([schema, configs]).to_string());
    assert!(success, "{said}");
    serde_json::from_str(&said).expect("a list")
}

/// Whether `sidetail check` takes a config.
fn checked(config: &str) -> bool {
    let world = World::new();
    world.file("sidetail.toml", config);
    world.setup(&["check", "--config", "@/sidetail.toml", "x=/nowhere/x.log"]).run().status.success()
}

/// The configs of the examples, and those in the documentation.
fn good() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_dir(root.join("examples")).expect("examples").map(|entry| entry.expect("an entry").path());
    let mut configs: Vec<String> = examples.filter_map(|folder| fs::read_to_string(folder.join("sidetail.toml")).ok()).collect();
    assert!(configs.len() >= 5);
    for page in ["README.md", "docs/formats.md"] {
        let page = fs::read_to_string(root.join(page)).expect("a page");
        configs.extend(page.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())));
    }
    configs.push(
        "listen = \"unix:/run/s\"\nbase_path = \"/x\"\nheartbeat = \"1m 30s\"\nmax-line = 1024\nhot_tail = \"0B\"\nhold-bytes = 0\n\
         max-subscribers = \"7\"\nallow-origin = [\"https://a.example\"]\ntimezone = \"Europe/Berlin\"\nlog-level = \"debug\"\n\
         log-format = \"json\"\nwatch = \"poll\"\ngrace = \"0s\"\n[[log]]\npath = \"/x/*.log\"\nrotated = \"/old\"\nformat = \"cri\"\n\
         multiline = { continuation = '^ ' }\n[[drop]]\nlog = [\"x\", \"a*\"]\nlevel = \"warning\"\nmax_level = \"fatal\"\n\
         fields = { status = '^5' }\nkeep = \"10/m\"\n[[event]]\nname = \"a\"\nmatch = '(?P<b>x)'\ndata = \"captures\"\nkeep = \"1/7\"\n"
            .into(),
    );
    configs
}

#[test]
fn the_configs_of_the_examples_and_the_documentation_are_as_it_says() {
    let configs = good();
    for (config, valid) in configs.iter().zip(valid(&configs)) {
        assert!(valid, "{config}");
        assert!(checked(config), "{config}");
    }
}

#[test]
fn what_the_parser_refuses_the_schema_refuses() {
    let bad = [
        "listen = 7\n",
        "listen = \"nowhere\"\n",
        "lissten = \"127.0.0.1:0\"\n",
        "heartbeat = \"banana\"\n",
        "heartbeat = \"0s\"\n",
        "heartbeat = 15\n",
        "max-line = \"many\"\n",
        "max-line = 1\n",
        "max-line = true\n",
        "max-subscribers = 0\n",
        "hot-tail = \"8MB\"\n",
        "hot-tail = -1\n",
        "watch = \"often\"\n",
        "log-level = \"loud\"\n",
        "log-format = \"xml\"\n",
        "base-path = \"x\"\n",
        "allow-origin = [\"*\"]\n",
        "config = \"x\"\n",
        "[[log]]\nname = \"app\"\n",
        "[[log]]\nname = \"a b\"\npath = \"/x\"\n",
        "[[log]]\npath = \"/x\"\nformat = \"csv\"\n",
        "[[log]]\npath = \"/x\"\nmultiline = \"yes\"\n",
        "[[log]]\npath = \"/x\"\nmultiline = { start = 'a', continuation = 'b' }\n",
        "[[drop]]\nmatches = 'x'\n",
        "[[drop]]\nmatch = 'x'\nkeep = \"2/3\"\n",
        "[[redact]]\nwith = 'x'\n",
        "[[event]]\nname = \"gap\"\nmatch = 'x'\n",
        "[[event]]\nname = \"a b\"\nmatch = 'x'\n",
        "[[event]]\nname = \"a\"\nmatch = 'x'\ndata = \"all\"\n",
        "[log]\npath = \"/x\"\n",
    ]
    .map(str::to_owned);
    for (config, valid) in bad.iter().zip(valid(&bad)) {
        assert!(!valid, "{config}");
        assert!(!checked(config), "{config}");
    }
}

/// The keys that the parser names when it is given another.
fn keys(table: &str) -> BTreeSet<String> {
    let world = World::new();
    world.file("sidetail.toml", format!("{table}nonsense = 1\n"));
    let output = world.setup(&["check", "--config", "@/sidetail.toml"]).run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = said.split_once("expected one of ").unwrap_or_else(|| panic!("{said}")).1;
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn it_has_exactly_the_keys_that_the_parser_has_and_says_what_each_is() {
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    let tables = ["log", "drop", "redact", "event"].map(|name| (format!("[[{name}]]\n"), table(&schema, name)));
    for (header, table) in tables.iter().map(|(header, table)| (header.as_str(), *table)).chain([("", &schema)]) {
        let properties = table["properties"].as_object().expect("properties");
        let own: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(own, keys(header), "{header}");
        for (key, value) in properties {
            assert!(value["description"].is_string(), "{header}{key}: {value}");
        }
        assert_eq!(table["additionalProperties"], false, "{header}");
    }
}

/// The schema of a table of the config file.
fn table<'a>(schema: &'a Value, name: &str) -> &'a Value {
    let items = &schema["properties"][name]["items"];
    let reference = items["$ref"].as_str().unwrap_or_else(|| panic!("{items}"));
    schema.pointer(reference.trim_start_matches('#')).expect("a definition")
}
