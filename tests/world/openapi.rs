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

#[test]
fn what_the_document_says_of_any_request_is_so() {
    let world = World::new();
    world.log("app.log").write(30);
    world.file("web.log", "{\"level\":\"warn\",\"msg\":\"größer\"}\n\0\u{FEFF}\r\n");
    let agent = world.agent(&["@/*.log", "--heartbeat", "60s"]);
    world.file("schemathesis.toml", "hooks = \"tests.world.openapi_hooks\"\n");
    let url = format!("http://{}", agent.address());
    let config = world.path("schemathesis.toml").display().to_string();
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,negative_data_rejection,unsupported_method";
    let words = ["--config-file", &config, "run", DOCUMENT, "--url", &url, "--checks", checks, "--max-examples", "40"];
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
    assert!(said.contains("No issues found"), "{said}");
    assert_eq!(agent.get("/healthz").status(), 200);
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
