//! The other addresses: health, version, the list of logs, the first page.

use crate::harness::{World, eventually, get};

#[test]
fn health_and_readiness_say_yes_while_it_serves() {
    let world = World::new();
    let agent = world.agent(&["app=@/not-there-yet.log"]);
    eventually("it is ready", || (agent.get("/readyz").status() == 200).then_some(()));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(agent.get(path).status(), 200, "{path}");
        assert_eq!(agent.send(&get(path).method("HEAD")).status(), 200, "HEAD {path}");
    }
}

#[test]
fn version_says_which_build_it_is() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let text = agent.get("/version").text();
    assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
}

#[test]
fn a_shell_gets_commands_that_work() {
    let world = World::new();
    world.log("app.log").write(3);
    let agent = world.agent(&["app=@/app.log"]);
    let response = agent.send(&get("/").header("Accept", "*/*").header("User-Agent", "curl/8.0"));
    assert_eq!(response.status(), 200);
    assert!(response.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let page = response.text();
    assert!(page.contains("curl -N") && page.contains("/tail") && page.contains("/events"), "{page}");
    assert!(page.contains(&agent.address().to_string()), "ready to paste: {page}");
}

#[test]
fn every_address_says_which_methods_it_answers() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    for (path, allowed) in [
        ("/events", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/login", "GET, HEAD, OPTIONS, POST"),
        ("/logout", "POST"),
    ] {
        let response = agent.send(&get(path).method("DELETE"));
        assert_eq!((response.status(), response.header("allow")), (405, Some(allowed)), "{path}");
        assert!(response.text().contains(allowed));
        if path != "/logout" {
            let response = agent.send(&get(path).method("OPTIONS"));
            assert_eq!((response.status(), response.header("allow")), (204, Some(allowed)), "{path}");
        }
    }
}

#[test]
fn a_browser_gets_a_page() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log"]);
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let response = agent.send(&get("/").header("Accept", accept));
    assert_eq!(response.status(), 200);
    assert!(response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(response.header("vary").is_some_and(|vary| vary.to_lowercase().contains("accept")));
    assert!(response.text().to_lowercase().contains("<!doctype html>"));
}

#[test]
fn no_other_site_may_read_the_logs_unless_it_is_allowed_to() {
    let world = World::new();
    world.log("app.log").write(1);
    let ask = get("/events?from=start&follow=false").header("Origin", "https://ops.example");
    let closed = world.agent(&["app=@/app.log"]);
    assert_eq!(closed.send(&ask).header("access-control-allow-origin"), None);
    let open = world.agent(&["app=@/app.log", "--allow-origin", "https://ops.example"]);
    assert_eq!(open.send(&ask).header("access-control-allow-origin"), Some("https://ops.example"));
}
