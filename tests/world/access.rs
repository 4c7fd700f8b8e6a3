//! Who may read, from where: addresses, hosts, origins, tokens, browsers that log in.

use crate::harness::client::{Request, Response};
use crate::harness::{Agent, Stream, World, eventually, get, post};

const ALL: &str = "0123456789abcdef-all";
const APP: &str = "0123456789abcdef-app";
const TOKENS: &str = "# name token logs\noncall 0123456789abcdef-all\napp 0123456789abcdef-app app web-*\n";
const HISTORY: &str = "from=start&follow=false";

/// An agent of the logs app, db and web-1, each with one line that is its name.
fn guarded(world: &World, more: &[&str]) -> Agent {
    for name in ["app", "db", "web-1"] {
        world.log(&format!("{name}.log")).line(name);
    }
    world.file("tokens", TOKENS);
    world.agent(&[&["app=@/app.log", "db=@/db.log", "web-1=@/web-1.log", "--token-file", "@/tokens"], more].concat())
}

fn detail(response: Response) -> String {
    response.json()["detail"].as_str().expect("a sentence").to_owned()
}

#[test]
fn listening_elsewhere_than_on_loopback_without_a_token_must_be_meant() {
    let world = World::new();
    world.file("tokens", TOKENS);
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

#[test]
fn a_name_that_a_stranger_may_have_given_to_our_address_is_not_answered() {
    let world = World::new();
    world.log("app.log").write(1);
    let agent = world.agent(&["app=@/app.log", "--allow-host", "logs.example,*.team.example"]);
    let status = |target: &str, host: &str| agent.send(&get(target).host(host)).status();
    for target in ["/tail?follow=false", "/logs", "/", "/metrics", "/nothing"] {
        assert_eq!(status(target, "evil.example:7878"), 421, "{target}");
    }
    assert!(detail(agent.send(&get("/logs").host("evil.example"))).contains("--allow-host"));
    for ours in ["localhost:7878", "127.0.0.1", "[::1]:1", "192.0.2.7", "logs.example", "a.team.example:80", "LOGS.example."] {
        assert_eq!(status("/logs", ours), 200, "{ours}");
    }
    assert_eq!(status("/livez", "whatever"), 200, "probes ask under any name");
    assert_eq!(agent.send(&get("http://evil.example/logs").host("localhost")).status(), 421);
    // Whoever sends a token was not led here by DNS.
    let agent = guarded(&world, &[]);
    assert_eq!(agent.send(&get("/logs").host("any.example").token(ALL)).status(), 200);
}

#[test]
fn a_page_of_another_site_gets_nothing_unless_its_origin_is_named() {
    let world = World::new();
    world.log("app.log").write(1);
    let agent = world.agent(&["app=@/app.log", "--allow-origin", "https://ops.example"]);
    let status = |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(get("/logs"), |request, (name, value)| request.header(name, value));
        agent.send(&request).status()
    };
    let own = format!("http://{}", agent.address());
    assert_eq!(status(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(status(&[("Sec-Fetch-Site", "same-site")]), 403, "another port is another origin");
    assert_eq!(status(&[("Origin", "https://evil.example")]), 403);
    assert_eq!(status(&[("Origin", "null")]), 403);
    assert_eq!(status(&[("Origin", &own)]), 200);
    assert_eq!(status(&[("Sec-Fetch-Site", "same-origin"), ("Origin", &own)]), 200);
    assert_eq!(status(&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]), 200, "a link to here");
    assert_eq!(status(&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://ops.example")]), 200);
}

#[test]
fn a_named_origin_may_send_an_id_and_a_token() {
    let world = World::new();
    let agent = guarded(&world, &["--allow-origin", "https://ops.example"]);
    let ask = |origin: &str| {
        let ask = get("/events").method("OPTIONS").header("Origin", origin).header("Access-Control-Request-Method", "GET");
        agent.send(&ask.header("Access-Control-Request-Headers", "last-event-id, authorization"))
    };
    let allowed = ask("https://ops.example");
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://ops.example"));
    let headers = allowed.header("access-control-allow-headers").expect("headers").to_lowercase();
    assert!(headers.contains("last-event-id") && headers.contains("authorization"), "{headers}");
    assert_eq!(ask("https://evil.example").header("access-control-allow-origin"), None);
    let read = get("/logs").header("Origin", "https://ops.example").token(ALL);
    assert_eq!(agent.send(&read).header("access-control-allow-origin"), Some("https://ops.example"));
}

#[test]
fn every_answer_says_what_browsers_are_to_keep_to() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let html = |target: &str| get(target).header("Accept", "text/html").token(ALL);
    let answers = [
        get("/livez"),
        get("/logs"),
        get("/logs").token(ALL),
        get("/nothing").token(ALL),
        get("/tail?follow=false").token(ALL),
        get("/events").method("DELETE").token(ALL),
        html("/"),
        html("/login"),
        get("/assets/page.js"),
    ];
    for answer in answers.iter().map(|request| agent.send(request)) {
        let header = |name| answer.header(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors"), "{policy}");
    }
}

#[test]
fn who_brings_no_token_or_a_wrong_one_learns_nothing() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    for target in ["/events", "/tail", "/logs", "/metrics", "/version", "/", "/nothing"] {
        let answer = agent.get(target);
        assert_eq!(answer.status(), 401, "{target}");
        assert!(answer.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Bearer")));
        assert!(!detail(answer).contains("db"));
    }
    for wrong in ["Bearer 0123456789abcdef", "Bearer", "Basic eDp5", "Bearer oncall", "0123456789abcdef-all"] {
        assert_eq!(agent.send(&get("/logs").header("Authorization", wrong)).status(), 401, "{wrong}");
    }
    for right in ["Bearer 0123456789abcdef-all", "bearer   0123456789abcdef-all"] {
        assert_eq!(agent.send(&get("/logs").header("Authorization", right)).status(), 200, "{right}");
    }
    assert!(!agent.stderr().contains("abcdef"), "no token is ever said: {}", agent.stderr());
}

/// Everything that a client can ask about logs, by a request of its own.
fn told(agent: &Agent, token: &str, target: &str) -> String {
    let answer = agent.send(&get(target).token(token));
    format!("{} {}", answer.status(), answer.text())
}

#[test]
fn logs_that_were_not_granted_are_as_if_they_were_not_there() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let whole = told(&agent, ALL, &format!("/tail?{HISTORY}"));
    assert!(["app", "db", "web-1"].iter().all(|name| whole.contains(name)), "{whole}");
    assert_eq!(told(&agent, APP, &format!("/tail?{HISTORY}")), "200 app\nweb-1\n");
    assert_eq!(told(&agent, APP, &format!("/tail?{HISTORY}&log=*")), "200 app\nweb-1\n");
    for query in
        ["log=NAME", "log=app&log=NAME", "log=NAME&tail=3", "log=NAME&after=3", "log=N*&from=start", "log=NAME&download=x"]
    {
        for route in ["tail", "events"] {
            let secret = told(&agent, APP, &format!("/{route}?{}", query.replace("NAME", "db").replace("N*", "d*")));
            let unknown = told(&agent, APP, &format!("/{route}?{}", query.replace("NAME", "xy").replace("N*", "x*")));
            assert!(secret.starts_with("404 "), "{secret}");
            assert_eq!(secret.replace("db", "xy").replace("d*", "x*"), unknown);
        }
    }
    for target in ["/logs", "/metrics"] {
        assert!(told(&agent, ALL, target).contains("\"db\""), "{target}");
        let limited = told(&agent, APP, target);
        assert!(limited.contains("\"app\"") && !limited.contains("db"), "{limited}");
    }
}

#[test]
fn an_id_of_a_log_that_was_not_granted_is_as_one_of_an_unknown_log() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let last = |token: &str, query: &str| {
        let stream = Stream::open(agent.send(&get(&format!("/events?{HISTORY}&{query}")).token(token)));
        stream.rest().last().expect("a record").id().to_owned()
    };
    let foreign = World::new();
    foreign.log("xy.log").line("xy");
    let elsewhere = foreign.agent(&["xy=@/xy.log"]);
    let unknown = elsewhere.events(&format!("/events?{HISTORY}")).last().expect("a record").id().to_owned();
    let resumed = |id: &str| {
        let request = get("/events?follow=false").token(APP).header("Last-Event-ID", id);
        let blocks = Stream::open(agent.send(&request)).rest();
        blocks.iter().map(|block| (block.event.clone(), block.data.replace(id, "ID"))).collect::<Vec<_>>()
    };
    let secret = resumed(&last(ALL, "log=db"));
    assert_eq!(secret, resumed(&unknown));
    assert!(secret.iter().all(|(_, data)| data != "db" && !data.contains("\"db\"")), "{secret:?}");
}

#[test]
fn a_stream_of_limited_logs_never_tells_of_another_that_appears() {
    let world = World::new();
    world.file("tokens", TOKENS);
    world.log("app.log").line("app");
    let agent = world.agent(&["@/*.log", "--token-file", "@/tokens"]);
    // Names of a folder's logs are those of its files: grant them by glob.
    world.file("tokens", "app 0123456789abcdef-app app* web*\n");
    eventually("the new grant", || (told(&agent, APP, "/logs").contains("app.log")).then_some(()));
    let mut stream = Stream::open(agent.send(&get("/events?notices=true&from=start").token(APP)));
    world.log("db.log").line("db");
    world.log("web.log").line("web");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|data: &String| data != "web") {
        seen.push(stream.next().expect("no end").data);
    }
    assert!(!seen.iter().any(|data| data.contains("db")), "{seen:?}");
}

#[test]
fn tokens_are_read_again_when_the_file_changes_and_streams_of_those_taken_away_end_cleanly() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let open = |token: &str| Stream::open(agent.send(&get("/events?log=app").token(token)));
    let (mut stays, mut changed, gone) = (open(ALL), open(APP), open(ALL));
    drop(gone);
    world.file("tokens", "oncall 0123456789abcdef-all\napp 0123456789abcdef-app app\nnew 0123456789abcdef-new\n");
    eventually("they are read", || agent.stderr().contains("were read again tokens=3").then_some(()));
    assert_eq!(agent.send(&get("/version").token("0123456789abcdef-new")).status(), 200);
    assert_eq!(changed.next(), None, "its logs are others: it ends, and comes back to those");
    world.file("tokens", "new 0123456789abcdef-new\n");
    assert_eq!(stays.next(), None);
    assert_eq!(agent.send(&get("/version").token(ALL)).status(), 401);
    // What is wrong changes nothing, and is told.
    let mut stays = open("0123456789abcdef-new");
    world.file("tokens", "");
    eventually("it is told", || agent.stderr().contains("there is no token in it").then_some(()));
    world.log("app.log").line("news");
    assert_eq!(stays.record().data, "news");
    // As Kubernetes replaces a secret: another file by the same name.
    let other = world.file("other", "next 0123456789abcdef-nxt\n");
    std::fs::rename(other, world.path("tokens")).expect("renaming");
    assert_eq!(stays.next(), None);
    assert_eq!(agent.send(&get("/version").token("0123456789abcdef-nxt")).status(), 200);
}

fn html(target: &str) -> Request {
    get(target).header("Accept", "text/html,*/*")
}

/// Logs in with `token`; the cookie, or the status that refuses.
fn login(agent: &Agent, base: &str, token: &str) -> Result<String, u16> {
    let answer = agent.send(&post(&format!("{base}/login"), &format!("token={token}")));
    match answer.status() {
        303 => Ok(answer.header("set-cookie").expect("a cookie").to_owned()),
        status => Err(status),
    }
}

#[test]
fn a_browser_is_led_to_the_login_and_its_cookie_opens_what_the_token_opens() {
    let world = World::new();
    let agent = guarded(&world, &["--base-path", "/x"]);
    let led = agent.send(&html("/x/?find=a%20b&log=app"));
    assert_eq!((led.status(), led.header("location")), (303, Some("/x/login?find=a%20b&log=app")));
    let form = agent.send(&html("/x/login"));
    assert_eq!(form.status(), 200);
    let policy = form.header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("form-action 'self'") && !policy.contains("script-src"), "{policy}");
    let form = form.text();
    assert!(form.contains("<form method=\"post\">") && form.contains("type=\"password\"") && !form.contains("<script"), "{form}");
    assert_eq!(agent.get("/x/assets/login.css").status(), 200);

    let set = login(&agent, "/x", APP).expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/x/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("abcdef-app"), "{set}");
    let cookie = set.split(';').next().expect("a pair").to_owned();
    let with = |request: Request| agent.send(&request.header("Cookie", &format!("other=1; {cookie}")));
    assert_eq!(with(html("/x/")).status(), 200);
    assert_eq!(with(get(&format!("/x/tail?{HISTORY}"))).text(), "app\nweb-1\n");
    let logs = with(get("/x/logs")).json();
    assert_eq!((logs["logged_in"].as_str(), logs["logs"].as_array().map(Vec::len)), (Some("app"), Some(2)));
    assert!(with(html("/x/login")).text().contains("Log out"));
    assert_eq!(agent.send(&post("/x/login?log=app", &format!("token={APP}"))).header("location"), Some("/x/?log=app"));

    let left = with(post("/x/logout", ""));
    assert_eq!((left.status(), left.header("location")), (303, Some("/x/login")));
    assert_eq!(with(get("/x/logs")).status(), 401, "the session is gone, not only the cookie");
    let cookie = login(&agent, "/x", APP).expect("a cookie");
    world.file("tokens", "oncall 0123456789abcdef-all\n");
    let asked = get("/x/logs").header("Cookie", cookie.split(';').next().expect("a pair"));
    eventually("a session ends with its token", || (agent.send(&asked).status() == 401).then_some(()));
}

#[test]
fn a_log_out_ends_the_streams_of_the_session_and_no_others() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let cookies = [(); 2].map(|()| login(&agent, "", ALL).expect("a cookie").split(';').next().expect("a pair").to_owned());
    let with = |request: Request, cookie: &str| agent.send(&request.header("Cookie", cookie));
    let open = |cookie: &str| Stream::open(with(get("/events?log=app"), cookie));
    let mut left = [open(&cookies[0]), open(&cookies[0])];
    let mut others = [open(&cookies[1]), Stream::open(agent.send(&get("/events?log=app").token(ALL)))];
    assert_eq!(with(post("/logout", ""), &cookies[0]).status(), 303);
    left.iter_mut().for_each(|stream| assert_eq!(stream.next(), None));
    assert_eq!(with(get("/events?log=app"), &cookies[0]).status(), 401, "a copy of the cookie is worth nothing");
    world.log("app.log").line("news");
    others.iter_mut().for_each(|stream| assert_eq!(stream.record().data, "news"));
    let metrics = with(get("/metrics"), &cookies[1]).text();
    assert!(metrics.contains("sidetail_sessions 1\n"), "{metrics}");
}

#[test]
fn sessions_and_their_streams_end_with_their_token_and_when_there_are_too_many() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let cookie = |token: &str| login(&agent, "", token).expect("a cookie").split(';').next().expect("a pair").to_owned();
    let open = |cookie: &str| Stream::open(agent.send(&get("/events?log=app").header("Cookie", cookie)));
    let (mut of_app, mut of_all) = (open(&cookie(APP)), open(&cookie(ALL)));
    world.file("tokens", "oncall 0123456789abcdef-all\n");
    assert_eq!(of_app.next(), None);
    world.log("app.log").line("news");
    assert_eq!(of_all.record().data, "news");
    (0..1024).for_each(|_| drop(cookie(ALL)));
    assert_eq!(of_all.next(), None, "the oldest made room");
}

#[test]
fn a_login_that_another_site_sends_is_refused_and_so_is_one_that_is_too_large() {
    let world = World::new();
    let agent = guarded(&world, &[]);
    let form = post("/login", &format!("token={ALL}"));
    assert_eq!(agent.send(&form.clone().header("Origin", "https://evil.example")).status(), 403);
    assert_eq!(agent.send(&form.header("Sec-Fetch-Site", "cross-site").header("Sec-Fetch-Mode", "navigate")).status(), 403);
    assert_eq!(agent.send(&post("/login", &format!("token={}", "x".repeat(20_000)))).status(), 413);
    assert_eq!(agent.send(&html("/logout")).status(), 405);
}

#[test]
fn too_many_wrong_tokens_from_one_address_are_not_even_looked_at() {
    let world = World::new();
    let agent = guarded(&world, &["--trusted-proxy", "127.0.0.1"]);
    let from = |address: &str, token: &str| {
        let answer = agent.send(&get("/version").token(token).header("X-Forwarded-For", address));
        (answer.status(), answer.header("retry-after").map(str::to_owned))
    };
    let cookie = login(&agent, "", ALL).expect("a cookie");
    for _ in 0..5 {
        assert_eq!(from("192.0.2.1", "wrong").0, 401);
        let form = post("/login", "token=wrong").header("X-Forwarded-For", "10.0.0.1, 192.0.2.1");
        assert_eq!(agent.send(&form).status(), 401);
    }
    let (status, wait) = from("192.0.2.1", ALL);
    assert_eq!(status, 429);
    assert!(wait.is_some_and(|wait| (1..=60).contains(&wait.parse::<u64>().expect("seconds"))));
    let form = post("/login", &format!("token={ALL}")).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(agent.send(&form).status(), 429);
    // Others are let in, and so is a browser there that was.
    assert_eq!(from("192.0.2.2", ALL).0, 200);
    let browser = get("/version").header("Cookie", cookie.split(';').next().expect("a pair"));
    assert_eq!(agent.send(&browser.header("X-Forwarded-For", "192.0.2.1")).status(), 200);
    let metrics = agent.send(&get("/metrics").token(ALL)).text();
    assert!(metrics.contains("sidetail_wrong_tokens_total 10\n"), "{metrics}");
    assert!(metrics.contains("sidetail_refusals_total{reason=\"too-often\"} 2\n"), "{metrics}");
}

#[test]
fn what_a_proxy_says_counts_only_if_it_is_named() {
    let world = World::new();
    let forwarded = |request: Request| {
        let request = request.header("X-Forwarded-For", "192.0.2.1").header("X-Forwarded-Proto", "https");
        request.header("X-Forwarded-Host", "logs.example")
    };
    let form = forwarded(post("/login", &format!("token={ALL}")));
    let believed = guarded(&world, &["--trusted-proxy", "10.0.0.0/8,127.0.0.0/8"]);
    let cookie = believed.send(&form).header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.contains("Secure") && cookie.starts_with("sidetail="), "{cookie}");
    let not = guarded(&world, &["--trusted-proxy", "10.0.0.0/8"]);
    assert!(!not.send(&form).header("set-cookie").expect("a cookie").contains("Secure"));
    // The name that the browser asked for, too, is what the proxy says.
    let open = world.agent(&["app=@/app.log", "--trusted-proxy", "127.0.0.1", "--allow-host", "logs.example"]);
    assert_eq!(open.send(&forwarded(get("/logs")).host("backend")).status(), 200);
    let closed = world.agent(&["app=@/app.log", "--trusted-proxy", "127.0.0.1"]);
    assert_eq!(closed.send(&forwarded(get("/logs"))).status(), 421);
}

#[test]
fn streams_of_one_client_are_limited_and_others_are_not() {
    let world = World::new();
    world.log("app.log").write(1);
    let args = ["app=@/app.log", "--trusted-proxy", "127.0.0.1", "--max-connections-per-address", "2"];
    let agent = world.agent(&args);
    let from = |target: &str, address: &str| agent.send(&get(target).header("X-Forwarded-For", address));
    let first = Stream::open(from("/events", "192.0.2.1"));
    let _second = Stream::open(from("/events", "192.0.2.1"));
    let refused = from("/events", "192.0.2.1");
    assert_eq!(refused.status(), 200, "an EventSource gives up on anything else");
    assert!(refused.text().contains("event: busy"));
    assert_eq!(from("/tail", "192.0.2.1").status(), 503);
    assert_eq!(from("/logs", "192.0.2.1").header("retry-after"), Some("30"));
    let _other = Stream::open(from("/events", "192.0.2.2"));
    drop(first);
    eventually("its place is free again", || (from("/logs", "192.0.2.1").status() == 200).then_some(()));
}
