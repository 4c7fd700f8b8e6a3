//! Other people's parsers and validators, as `tests/tools` installs them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `program` with `args`, gives it `input` and returns what it says; fails where it fails.
pub fn tool(program: &str, args: &[&str], input: &str) -> String {
    let (success, said) = tried(program, args, input);
    assert!(success, "{program} {args:?}: {said}");
    said
}

/// The same, and whether it succeeded.
pub fn tried(program: &str, args: &[&str], input: &str) -> (bool, String) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin").join(program);
    let program = if own.exists() { own } else { program.into() };
    let mut command = Command::new(&program);
    command
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}; run tests/tools once", program.display()));
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("writing to it");
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
