//! `docs/openapi.yaml` and the program say the same: the document is a valid one, and schemathesis makes requests of it, right
//! and wrong ones, and looks whether the answers are what it says.

use std::path::Path;

use crate::harness::tools::tool;
use crate::harness::{Agent, World, get};

const DOCUMENT: &str = "docs/openapi.yaml";

#[test]
fn the_document_is_valid_openapi() {
    let said = tool("openapi-spec-validator", &[DOCUMENT], "");
    assert!(said.contains("OK"), "{said}");
}

/// Holds an agent with these options to the document, with requests as `hooks` makes them, so many of each kind.
fn holds_to_the_document(world: &World, options: &[&str], hooks: &str, examples: &str) -> Agent {
    world.log("app.log").write(30);
    world.file("web.log", "{\"level\":\"warn\",\"msg\":\"größer\"}\n\0\u{FEFF}\r\n");
    let agent = world.agent(&[&["@/*.log", "--heartbeat", "60s"], options].concat());
    world.file("schemathesis.toml", format!("hooks = \"tests.world.{hooks}\"\n"));
    let url = format!("http://{}", agent.address());
    let config = world.path("schemathesis.toml").display().to_string();
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,negative_data_rejection,unsupported_method";
    let words = ["--config-file", &config, "run", DOCUMENT, "--url", &url, "--checks", checks, "--max-examples", examples];
    let bounded = [
        "--seed",
        "8",
        "--no-color",
        "--request-timeout",
        "10",
        "--phases",
        "examples,fuzzing",
        "--suppress-health-check",
        "all",
    ];
    let said = tool("schemathesis", &[&words[..], &bounded].concat(), "");
    // It warns where all is refused, as it is to who has no token.
    let all = said.lines().find_map(|line| line.trim().strip_suffix(" passed")?.split_once(" generated, "));
    assert!(all.is_some_and(|(generated, passed)| generated == passed && passed != "0"), "{said}");
    assert_eq!(agent.get("/healthz").status(), 200);
    agent
}

/// How often requests were refused, as the metrics say to who has the token.
fn refused(agent: &Agent, token: &str, reason: &str) -> u64 {
    let metrics = agent.send(&get("/metrics").token(token)).text();
    let told = metrics.lines().find_map(|line| line.strip_prefix(&format!("sidetail_refusals_total{{reason=\"{reason}\"}} ")));
    told.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count of {reason} in {metrics}"))
}

#[test]
fn what_the_document_says_of_any_request_is_so() {
    holds_to_the_document(&World::new(), &[], "openapi_hooks", "40");
}

#[test]
fn what_the_document_says_is_so_where_tokens_are_asked_for() {
    let world = World::new();
    world.file("tokens", "schemathesis of-schemathesis-only app.log\noncall of-somebody-else\n");
    let agent = holds_to_the_document(&world, &["--token-file", "@/tokens"], "openapi_callers", "15");
    for reason in ["unauthorized", "other-site", "bad-request"] {
        assert!(refused(&agent, "of-somebody-else", reason) > 5, "{reason}");
    }
}

/// After ten of them nothing is taken from the address; the probes answer all the same.
#[test]
fn what_the_document_says_is_so_for_who_guesses_tokens() {
    let world = World::new();
    world.file("tokens", "oncall of-somebody-else\n");
    let agent = holds_to_the_document(&world, &["--token-file", "@/tokens"], "openapi_callers", "10");
    assert_eq!(agent.send(&get("/logs").token("of-somebody-else")).status(), 429);
}

/// Every parameter that the program knows is in the document, and the other way round.
#[test]
fn the_document_has_every_parameter() {
    let world = World::new();
    let agent: Agent = world.agent(&["app=@/app.log"]);
    let refused = agent.send(&get("/events?no-such-parameter=1")).json();
    let detail = refused["detail"].as_str().expect("a sentence").to_owned();
    let known: Vec<&str> = detail.rsplit("there are ").next().expect("a list").split(", ").collect();
    assert!(known.len() > 10, "{detail}");
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT)).expect("the document");
    for name in known {
        assert!(document.contains(&format!("{{ name: {name}, in: query")), "{name} is not in {DOCUMENT}");
    }
}
