//! HTTPS: the certificate that the options name, asked by curl.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::World;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn with_a_certificate_the_stream_is_served_over_https() {
    let world = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = world.file("cert.pem", made.cert.pem());
    let key = world.file("key.pem", made.signing_key.serialize_pem());
    let mut log = world.log("app.log");
    log.write(3);
    let mut agent = Command::new(env!("CARGO_BIN_EXE_sidetail"));
    agent.args(["--listen", "127.0.0.1:0", "--tls-cert"]).arg(&certificate).arg("--tls-key").arg(&key).arg(log.path());
    let mut agent = Running(agent.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(agent.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let port = address.trim().strip_prefix("https://127.0.0.1:").unwrap_or_else(|| panic!("{address:?}"));

    let url = format!("https://localhost:{port}tail?from=start&follow=false");
    let output = Command::new("curl").args(["-sS", "-m", "20", "--cacert"]).arg(&certificate).arg(&url).output().expect("curl");
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines, log.written(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_certificate_without_its_key_or_that_is_none_is_refused_with_its_name() {
    let world = World::new();
    let none = world.file("none.pem", "no certificate");
    let run = |args: &[&str]| {
        let output = world.setup(args).run();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let none = none.to_str().unwrap();
    let (code, said) = run(&["check", "--tls-cert", none, "app=@/app.log"]);
    assert!(code == Some(2) && said.contains("tls-cert and tls-key belong together"), "{said}");
    let (code, said) = run(&["check", "--tls-cert", none, "--tls-key", none, "app=@/app.log"]);
    assert!(code == Some(2) && said.contains("none.pem"), "{said}");
}
