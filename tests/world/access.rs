//! Who may read, from where: addresses, hosts, origins, tokens.

use crate::harness::World;

#[test]
fn listening_elsewhere_than_on_loopback_without_a_token_must_be_meant() {
    let world = World::new();
    world.file("tokens", "a-token-that-is-long-enough\n");
    let check = |args: &[&str]| {
        let output = world.setup(&[&["check", "app=@/app.log"], args].concat()).run();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for elsewhere in ["0.0.0.0:7878", "[::]:7878", "192.0.2.1:0", "logs.example:80"] {
        let (code, said) = check(&["--listen", elsewhere]);
        assert_eq!(code, Some(2), "{elsewhere}");
        for right in [elsewhere, "--token-file", "--insecure", "127.0.0.1"] {
            assert!(said.contains(right), "{said}");
        }
        assert_eq!(check(&["--listen", elsewhere, "--insecure"]).0, Some(0));
        assert_eq!(check(&["--listen", elsewhere, "--insecure=false"]).0, Some(2));
        assert_eq!(check(&["--listen", elsewhere, "--token-file", "@/tokens"]).0, Some(0));
    }
    for here in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:0", "localhost:0", "unix:@/socket"] {
        assert_eq!(check(&["--listen", here]), (Some(0), String::new()), "{here}");
    }
    world.file("sidetail.toml", "listen = \"0.0.0.0:0\"\ninsecure = true\n");
    assert_eq!(check(&["--config", "@/sidetail.toml"]).0, Some(0));
    let served = world.setup(&["app=@/app.log", "--insecure", "--listen", "0.0.0.0:0"]).listen_unsaid().start();
    assert!(served.address().ip().is_unspecified());
    let refused = world.setup(&["app=@/app.log", "--listen", "0.0.0.0:0"]).run();
    assert!(refused.status.code() == Some(2) && refused.stdout.is_empty(), "{refused:?}");
}
