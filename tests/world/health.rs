//! `sidetail health`: what a container's health check asks.

use std::os::unix::net::UnixListener;
use std::process::Output;

use crate::harness::{World, eventually};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asks with these arguments until the answer is yes: an agent is ready a moment after it serves.
fn healthy(world: &World, args: &[&str]) {
    eventually(&format!("health {args:?}"), || {
        let output = world.setup(&[&["health"], args].concat()).run();
        (output.status.code() == Some(0)).then(|| assert_eq!(said(&output), "ok\n"))
    });
}

#[test]
fn it_asks_the_agent_of_the_same_flags_environment_and_file() {
    let world = World::new();
    let agent = world.agent(&["app=@/app.log", "--base-path", "/x"]);
    let address = agent.address().to_string();
    healthy(&world, &["--listen", &address, "--base-path", "/x"]);
    healthy(&world, &[&format!("http://{address}/x/")]);
    healthy(&world, &[&format!("http://{address}/x/livez")]);
    let by_env = world.setup(&["health"]).env("SIDETAIL_LISTEN", &address).env("SIDETAIL_BASE_PATH", "/x");
    assert_eq!(by_env.run().status.code(), Some(0));
    let any = format!("0.0.0.0:{}", agent.address().port());
    // An error in the rest of a config is no illness: the agent runs on with what it read before.
    world.file("sidetail.toml", format!("listen = \"{any}\"\nbase-path = \"/x\"\nheartbeat = \"banana\"\n"));
    healthy(&world, &["--config", "@/sidetail.toml"]);
    let elsewhere = world.setup(&["health", "--listen", &address]).run();
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(said(&elsewhere).contains("404"), "{}", said(&elsewhere));
}

#[test]
fn it_asks_over_a_unix_socket_and_over_tls() {
    let world = World::new();
    let _agent = world.setup(&["app=@/app.log", "--listen", "unix:@/socket"]).listen_unsaid().start();
    healthy(&world, &["--listen", "unix:@/socket"]);
    healthy(&world, &["unix:@/socket"]);
    let certified = rcgen::generate_simple_self_signed(["sidetail.test".to_owned()]).expect("a certificate");
    world.file("cert.pem", certified.cert.pem());
    world.file("key.pem", certified.signing_key.serialize_pem());
    let tls = ["--tls-cert", "@/cert.pem", "--tls-key", "@/key.pem"];
    let agent = world.agent(&[&["app=@/app.log"], &tls[..]].concat());
    let address = agent.address().to_string();
    healthy(&world, &[&["--listen", &address], &tls[..]].concat());
    healthy(&world, &[&format!("https://{address}/")]);
}

#[test]
fn no_answer_a_wrong_one_and_none_in_time_are_1_with_a_sentence() {
    let world = World::new();
    let silent = UnixListener::bind(world.path("silent")).expect("a socket");
    for (args, word) in [
        (vec!["--listen", "127.0.0.1:1"], "refused"),
        (vec!["unix:@/nowhere"], "nowhere"),
        (vec!["unix:@/silent", "--timeout", "200ms"], "no answer in time"),
    ] {
        let output = world.setup(&[&["health"], &args[..]].concat()).run();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{args:?}: {}", said(&output));
    }
    drop(silent);
    let wrong = world.setup(&["health", "127.0.0.1:1"]).run();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("http://127.0.0.1:7878/"), "{}", said(&wrong));
}
