//! The first lines of logs as programs really write them, and what a person who reads them knows: format, time, level.

use jiff::Timestamp;

use super::Format;
use super::level::Level;
use super::time::Clock;

/// `(program, first line, format, time, level)`; an empty time is none.
type Sample = (&'static str, &'static str, Format, &'static str, Option<Level>);

/// The second that most samples are of.
const TEN: &str = "2026-11-22T10:00:00Z";
const TEN_123: &str = "2026-11-22T10:00:00.123Z";
const TEN_123456: &str = "2026-11-22T10:00:00.123456Z";

const TRACE: Option<Level> = Some(Level::Trace);
const DEBUG: Option<Level> = Some(Level::Debug);
const INFO: Option<Level> = Some(Level::Info);
const NOTICE: Option<Level> = Some(Level::Notice);
const WARN: Option<Level> = Some(Level::Warn);
const ERROR: Option<Level> = Some(Level::Error);
const FATAL: Option<Level> = Some(Level::Fatal);

#[rustfmt::skip]
const WEB: &[Sample] = &[
    ("nginx error", r#"2026/11/22 10:00:00 [error] 12#12: *5 open() "/srv/x" failed (2: No such file or directory), client: 127.0.0.1, server: localhost, request: "GET /x HTTP/1.1""#, Format::Plain, TEN, ERROR),
    ("nginx combined", r#"127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0""#, Format::Clf, TEN, INFO),
    ("nginx, a binary request", r#"127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "\x16\x03\x01" 400 157 "-" "-""#, Format::Clf, TEN, WARN),
    ("nginx JSON", r#"{"ts":"2026-11-22T10:00:00+00:00","method":"GET","path":"/a","status":404,"bytes":12,"rt":0.001}"#, Format::Json, TEN, None),
    ("apache combined", r#"2001:db8::1 - ann [22/Nov/2026:11:00:00 +0100] "POST /a?b HTTP/2.0" 503 - "https://example.org/" "Mozilla/5.0 (X11)""#, Format::Clf, TEN, ERROR),
    ("apache with its virtual host", r#"example.org:443 127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 404 196 "-" "curl/8.5.0""#, Format::Clf, TEN, WARN),
    ("apache error", "[Sun Nov 22 10:00:00.123456 2026] [core:error] [pid 12:tid 34] [client 127.0.0.1:5000] AH00126: Invalid URI in request GET /x", Format::Plain, TEN_123456, ERROR),
    ("apache error, a notice", "[Sun Nov 22 10:00:00.123456 2026] [mpm_event:notice] [pid 12:tid 34] AH00489: Apache/2.4.57 (Debian) configured", Format::Plain, TEN_123456, NOTICE),
    ("haproxy", r#"Nov 22 10:00:00 lb haproxy[12]: 10.0.0.1:5000 [22/Nov/2026:10:00:00.123] web app/s1 0/0/0/1/1 200 5 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1""#, Format::Plain, TEN, None),
    ("traefik 2", r#"time="2026-11-22T10:00:00Z" level=info msg="Configuration loaded from file: /etc/traefik.yml""#, Format::Logfmt, TEN, INFO),
    ("traefik 3", "2026-11-22T10:00:00Z WRN Could not connect to the provider error=\"EOF\"", Format::Plain, TEN, WARN),
    ("traefik access", r#"10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-" 1 "web@docker" "http://10.0.0.2:80" 3ms"#, Format::Clf, TEN, INFO),
    ("envoy access", r#"[2026-11-22T10:00:00.123Z] "GET / HTTP/1.1" 200 - 0 5 1 0 "-" "curl/8" "a1b2" "localhost" "10.0.0.1:80""#, Format::Plain, TEN_123, None),
    ("envoy", "[2026-11-22 10:00:00.123][1][warning][main] [source/server/server.cc:404] no overload action", Format::Plain, TEN_123, WARN),
    ("caddy", r#"{"level":"info","ts":1795341600.123456,"logger":"http.log.access","msg":"handled request","request":{"method":"GET"},"status":200}"#, Format::Json, TEN_123456, INFO),
    ("caddy on a terminal", "2026/11/22 10:00:00.123\tERROR\tdeclared but not used\t{\"name\": \"x\"}", Format::Plain, TEN_123, ERROR),
    ("AWS ALB", r#"https 2026-11-22T10:00:00.123456Z app/lb/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://example.org:443/ HTTP/1.1" "curl/8" ECDHE-RSA TLSv1.2"#, Format::Plain, TEN_123456, None),
    ("AWS ELB", r#"2026-11-22T10:00:00.123456Z lb 192.0.2.1:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://example.org:80/ HTTP/1.1""#, Format::Plain, TEN_123456, None),
    ("CloudFront", "2026-11-22\t10:00:00\tFRA2\t2390282\t192.0.2.1\tGET\td111.cloudfront.net\t/a\t200", Format::Plain, TEN, None),
    ("IIS", "2026-11-22 10:00:00 10.0.0.1 GET /a - 80 - 10.0.0.2 Mozilla/5.0+(X11) - 200 0 0 15", Format::Plain, TEN, None),
    ("squid", "1795341600.123    100 10.0.0.1 TCP_MISS/200 1234 GET http://example.org/ - HIER_DIRECT/192.0.2.1 text/html", Format::Plain, TEN_123, None),
    ("python's http.server", r#"127.0.0.1 - - [22/Nov/2026 10:00:00] "GET / HTTP/1.1" 200 -"#, Format::Clf, TEN, INFO),
];

#[rustfmt::skip]
const DATABASES: &[Sample] = &[
    ("postgresql", "2026-11-22 10:00:00.123 UTC [12] LOG:  database system is ready to accept connections", Format::Plain, TEN_123, INFO),
    ("postgresql of a user", "2026-11-22 10:00:00.123 UTC [12] ann@shop ERROR:  relation \"x\" does not exist at character 15", Format::Plain, TEN_123, ERROR),
    ("postgresql in Berlin", "2026-11-22 11:00:00.123 CET [12] WARNING:  there is no transaction in progress", Format::Plain, TEN_123, WARN),
    ("postgresql in New York", "2026-11-22 05:00:00.123 EST [12] FATAL:  role \"x\" does not exist", Format::Plain, TEN_123, FATAL),
    ("postgresql CSV", r#"2026-11-22 10:00:00.123 UTC,"ann","shop",12,"[local]",6a1,1,"SELECT",2026-11-22 10:00:00 UTC,3/2,0,ERROR,22012,"division by zero",,,,,,"select 1/0",,,"psql","client backend",,0"#, Format::Plain, TEN_123, ERROR),
    ("postgresql JSON", r#"{"timestamp":"2026-11-22 10:00:00.123 UTC","user":"ann","dbname":"shop","pid":12,"error_severity":"ERROR","state_code":"22012","message":"division by zero"}"#, Format::Json, TEN_123, ERROR),
    ("mysql 8", "2026-11-22T10:00:00.123456Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.", Format::Plain, TEN_123456, WARN),
    ("mysql 8 in system time", "2026-11-22T11:00:00.123456+01:00 8 [ERROR] [MY-010119] [Server] Aborting", Format::Plain, TEN_123456, ERROR),
    ("mariadb", "2026-11-22 10:00:00 0 [Note] InnoDB: Buffer pool(s) load completed", Format::Plain, TEN, INFO),
    ("redis", "12:M 22 Nov 2026 10:00:00.123 * Ready to accept connections tcp", Format::Plain, TEN_123, NOTICE),
    ("redis, a warning", "12:C 22 Nov 2026 10:00:00.123 # WARNING Memory overcommit must be enabled!", Format::Plain, TEN_123, WARN),
    ("mongodb", r#"{"t":{"$date":"2026-11-22T10:00:00.123+00:00"},"s":"I","c":"NETWORK","id":23015,"ctx":"listener","msg":"Listening on"}"#, Format::Json, TEN_123, INFO),
    ("elasticsearch", "[2026-11-22T10:00:00,123][WARN ][o.e.n.Node               ] [node-1] no such node", Format::Plain, TEN_123, WARN),
    ("cassandra", "INFO  [main] 2026-11-22 10:00:00,123 StorageService.java:1 - Starting up", Format::Plain, TEN_123, INFO),
    ("kafka", "[2026-11-22 10:00:00,123] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)", Format::Plain, TEN_123, INFO),
    ("rabbitmq", "2026-11-22 10:00:00.123456+00:00 [info] <0.222.0> Server startup complete; 4 plugins started.", Format::Plain, TEN_123456, INFO),
    ("etcd", r#"{"level":"warn","ts":"2026-11-22T10:00:00.123456Z","caller":"etcdserver/util.go:170","msg":"apply request took too long"}"#, Format::Json, TEN_123456, WARN),
    ("prometheus 2", r#"ts=2026-11-22T10:00:00.123Z caller=main.go:12 level=error msg="Opening storage failed" err="lock DB directory""#, Format::Logfmt, TEN_123, ERROR),
];

#[rustfmt::skip]
const LIBRARIES: &[Sample] = &[
    ("log4j", "2026-11-22 10:00:00,123 [main] FATAL com.example.App - stopped", Format::Plain, TEN_123, FATAL),
    ("log4j, the day first", "22 Nov 2026 10:00:00,123 DEBUG [main] com.example.App: x", Format::Plain, TEN_123, DEBUG),
    ("logback as it is", "10:00:00.123 [main] DEBUG com.example.App -- x", Format::Plain, "", DEBUG),
    ("logback of Spring Boot", "2026-11-22T11:00:00.123+01:00  WARN 12 --- [           main] c.e.App   : no active profile set", Format::Plain, TEN_123, WARN),
    ("logstash encoder", r#"{"@timestamp":"2026-11-22T11:00:00.123+01:00","@version":"1","message":"x","logger_name":"a.B","level":"ERROR","level_value":40000}"#, Format::Json, TEN_123, ERROR),
    ("java.util.logging", "Nov 22, 2026 10:00:00 AM com.example.App main", Format::Plain, TEN, None),
    ("java.util.logging in the evening", "Nov 22, 2026 10:00:00 PM com.example.App main", Format::Plain, "2026-11-22T22:00:00Z", None),
    ("tomcat", "22-Nov-2026 10:00:00.123 SEVERE [main] org.apache.catalina.core.StandardService.initInternal no", Format::Plain, TEN_123, ERROR),
    ("the JVM", "[2026-11-22T10:00:00.123+0000][info][gc] Using G1", Format::Plain, TEN_123, INFO),
    ("python", "2026-11-22 10:00:00,123 - app.db - WARNING - slow", Format::Plain, TEN_123, WARN),
    ("python as it is", "WARNING:root:slow", Format::Plain, "", WARN),
    ("loguru", "2026-11-22 10:00:00.123 | ERROR    | app:main:12 - no", Format::Plain, TEN_123, ERROR),
    ("structlog", r#"{"event":"slow","level":"warning","timestamp":"2026-11-22T10:00:00.123456Z"}"#, Format::Json, TEN_123456, WARN),
    ("uvicorn", r#"INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK"#, Format::Plain, "", INFO),
    ("gunicorn", "[2026-11-22 10:00:00 +0000] [12] [INFO] Listening at: http://127.0.0.1:8000 (12)", Format::Plain, TEN, INFO),
    ("celery", "[2026-11-22 10:00:00,123: ERROR/MainProcess] consumer: Cannot connect to redis", Format::Plain, TEN_123, ERROR),
    ("django's runserver", r#"[22/Nov/2026 10:00:00] "GET / HTTP/1.1" 200 10697"#, Format::Plain, TEN, None),
    ("django, verbose", "ERROR 2026-11-22 10:00:00,123 views 12 34 Internal Server Error: /a", Format::Plain, TEN_123, ERROR),
    ("zap", r#"{"level":"dpanic","ts":1795341600.123456,"caller":"app/main.go:12","msg":"no"}"#, Format::Json, TEN_123456, FATAL),
    ("zap on a terminal", "2026-11-22T10:00:00.123Z\t\u{1b}[33mWARN\u{1b}[0m\tapp/main.go:12\tslow\t{\"ms\": 80}", Format::Plain, TEN_123, WARN),
    ("zerolog", r#"{"level":"trace","time":1795341600,"message":"x"}"#, Format::Json, TEN, TRACE),
    ("zerolog on a terminal", "\u{1b}[90m2026-11-22T10:00:00Z\u{1b}[0m \u{1b}[31mERR\u{1b}[0m \u{1b}[1mno\u{1b}[0m \u{1b}[36merror=\u{1b}[0mEOF", Format::Plain, TEN, ERROR),
    ("logrus", r#"time="2026-11-22T10:00:00Z" level=warning msg="A group of walrus emerges" animal=walrus size=10"#, Format::Logfmt, TEN, WARN),
    ("logrus on a terminal", "INFO[0000] A group of walrus emerges                 animal=walrus size=10", Format::Plain, "", INFO),
    ("slog", r#"time=2026-11-22T10:00:00.123Z level=INFO msg="started up" port=80"#, Format::Logfmt, TEN_123, INFO),
    ("slog JSON", r#"{"time":"2026-11-22T11:00:00.123456+01:00","level":"ERROR","msg":"no"}"#, Format::Json, TEN_123456, ERROR),
    ("go's log", "2026/11/22 10:00:00 main.go:12: started", Format::Plain, TEN, None),
    ("hclog", "2026-11-22T10:00:00.123Z [WARN]  agent: slow: ms=80", Format::Plain, TEN_123, WARN),
    ("glog", "E0822 10:00:00.123456   12 main.go:12] no", Format::Plain, "2026-08-22T10:00:00.123456Z", ERROR),
    ("klog", "I1122 10:00:00.123456       1 controller.go:42] \"Starting\" pod=\"default/web\" node=\"n1\"", Format::Plain, TEN_123456, INFO),
    ("tracing", "2026-11-22T10:00:00.123456Z  WARN app::server: slow ms=80", Format::Plain, TEN_123456, WARN),
    ("tracing in colours", "\u{1b}[2m2026-11-22T10:00:00.123456Z\u{1b}[0m \u{1b}[31mERROR\u{1b}[0m \u{1b}[2mapp\u{1b}[0m\u{1b}[2m:\u{1b}[0m no", Format::Plain, TEN_123456, ERROR),
    ("tracing JSON", r#"{"timestamp":"2026-11-22T10:00:00.123456Z","level":"DEBUG","fields":{"message":"x"},"target":"app"}"#, Format::Json, TEN_123456, DEBUG),
    ("env_logger", "[2026-11-22T10:00:00Z INFO  app] started", Format::Plain, TEN, INFO),
    ("pino", r#"{"level":40,"time":1795341600123,"pid":12,"hostname":"h","msg":"slow"}"#, Format::Json, TEN_123, WARN),
    ("bunyan", r#"{"name":"app","hostname":"h","pid":12,"level":60,"msg":"no","time":"2026-11-22T10:00:00.123Z","v":0}"#, Format::Json, TEN_123, FATAL),
    ("winston", r#"{"level":"error","message":"no","timestamp":"2026-11-22T10:00:00.123Z"}"#, Format::Json, TEN_123, ERROR),
    ("winston, simple", "warn: slow {\"ms\":80}", Format::Plain, "", WARN),
    ("rails", "W, [2026-11-22T10:00:00.123456 #12]  WARN -- : slow", Format::Plain, TEN_123456, WARN),
    ("rails, a request", r#"Started GET "/a" for 127.0.0.1 at 2026-11-22 11:00:00 +0100"#, Format::Plain, TEN, None),
    (".NET's console", "fail: Microsoft.AspNetCore.Server.Kestrel[13]", Format::Plain, "", ERROR),
    (".NET's console, finer", "dbug: Microsoft.Extensions.Hosting.Internal.Host[1]", Format::Plain, "", DEBUG),
    (".NET JSON console", r#"{"EventId":14,"LogLevel":"Information","Category":"Microsoft.Hosting.Lifetime","Message":"x","Timestamp":"2026-11-22T10:00:00.123Z"}"#, Format::Json, TEN_123, INFO),
    ("serilog", "2026-11-22 11:00:00.123 +01:00 [VRB] x", Format::Plain, TEN_123, TRACE),
    ("serilog, compact JSON", r#"{"@t":"2026-11-22T10:00:00.123456Z","@mt":"slow","@l":"Warning"}"#, Format::Json, TEN_123456, WARN),
    ("NLog", "2026-11-22 10:00:00.123|ERROR|App.Program|no", Format::Plain, TEN_123, ERROR),
    ("monolog", "[2026-11-22T10:00:00.123456+00:00] production.CRITICAL: no {\"user\":1} []", Format::Plain, TEN_123456, FATAL),
    ("GELF", r#"{"version":"1.1","host":"h","short_message":"no","timestamp":1795341600.123,"level":3}"#, Format::Json, TEN_123, ERROR),
];

#[rustfmt::skip]
const SYSTEMS: &[Sample] = &[
    ("syslog, RFC 3164", "<34>Nov 22 10:00:00 mymachine su: 'su root' failed for ann on /dev/pts/8", Format::Plain, TEN, FATAL),
    ("syslog in a file", "Nov  2 10:00:00 host sshd[12]: Failed password for root from 192.0.2.1 port 22 ssh2", Format::Plain, "2026-11-02T10:00:00Z", None),
    ("syslog of the year before", "Dec 31 23:59:59 host cron[12]: (root) CMD (true)", Format::Plain, "2025-12-31T23:59:59Z", None),
    ("syslog, RFC 5424", r#"<165>1 2026-11-22T10:00:00.123Z host app - ID47 [exampleSDID@32473 iut="3"] x"#, Format::Plain, TEN_123, NOTICE),
    ("rsyslog", "2026-11-22T11:00:00.123456+01:00 host app: x", Format::Plain, TEN_123456, None),
    ("journalctl, short-iso", "2026-11-22T11:00:00+0100 host systemd[1]: Started app.service - App.", Format::Plain, TEN, None),
    ("journalctl, short-precise", "Nov 22 10:00:00.123456 host systemd[1]: app.service: Failed with result 'exit-code'.", Format::Plain, TEN_123456, None),
    ("journalctl JSON", r#"{"PRIORITY":"3","__REALTIME_TIMESTAMP":"1795341600123456","MESSAGE":"no","_PID":"12"}"#, Format::Json, TEN_123456, ERROR),
    ("postfix", "Nov 22 10:00:00 mail postfix/smtpd[12]: warning: hostname x does not resolve to address 192.0.2.1", Format::Plain, TEN, WARN),
    ("BIND", "22-Nov-2026 10:00:00.123 general: info: zone localhost/IN: loaded serial 2", Format::Plain, TEN_123, INFO),
    ("unbound", "[1795341600] unbound[12:0] notice: init module 0: validator", Format::Plain, TEN, NOTICE),
    ("PHP-FPM", "[22-Nov-2026 10:00:00] NOTICE: fpm is running, pid 12", Format::Plain, TEN, NOTICE),
    ("PHP", "[22-Nov-2026 10:00:00 UTC] PHP Fatal error:  Uncaught Exception: no in /srv/a.php:3", Format::Plain, TEN, FATAL),
    ("PHP in Berlin", "[22-Nov-2026 11:00:00 Europe/Berlin] PHP Warning:  Undefined variable $x in /srv/a.php on line 3", Format::Plain, TEN, WARN),
    ("dpkg", "2026-11-22 10:00:00 status installed libc6:amd64 2.36-9", Format::Plain, TEN, None),
    ("supervisord", "2026-11-22 10:00:00,123 CRIT Supervisor is running as root", Format::Plain, TEN_123, FATAL),
    ("fluent-bit", "[2026/11/22 10:00:00] [ warn] [engine] failed to flush chunk", Format::Plain, TEN, WARN),
    ("fluentd", "2026-11-22 11:00:00 +0100 [error]: config error file=\"/etc/fluent.conf\"", Format::Plain, TEN, ERROR),
    ("heroku", "2026-11-22T10:00:00.123456+00:00 heroku[router]: at=info method=GET path=\"/\" status=200", Format::Plain, TEN_123456, None),
    ("dockerd", r#"time="2026-11-22T10:00:00.123456Z" level=info msg="API listen on /run/docker.sock""#, Format::Logfmt, TEN_123456, INFO),
    ("docker", r#"{"log":"E1122 10:00:00.123456 1 main.go:1] no\n","stream":"stderr","time":"2026-11-22T10:00:00.123456Z"}"#, Format::Docker, TEN_123456, ERROR),
    ("CRI", "2026-11-22T10:00:00.123456Z stderr F {\"level\":\"warn\",\"ts\":1795341600.123456}", Format::Cri, TEN_123456, WARN),
    ("Google Cloud", r#"{"severity":"NOTICE","time":"2026-11-22T10:00:00.123Z","message":"x"}"#, Format::Json, TEN_123, NOTICE),
    ("CloudTrail", r#"{"eventVersion":"1.08","eventTime":"2026-11-22T10:00:00Z","eventName":"GetObject"}"#, Format::Json, TEN, None),
    ("epoch in seconds", r#"{"time":1795341600,"msg":"x"}"#, Format::Json, TEN, None),
    ("epoch in milliseconds", r#"{"ts":1795341600123,"msg":"x"}"#, Format::Json, TEN_123, None),
    ("epoch in microseconds", r#"{"timestamp":1795341600123456,"msg":"x"}"#, Format::Json, TEN_123456, None),
    ("epoch in nanoseconds", r#"{"time":"1795341600123456000","msg":"x"}"#, Format::Json, TEN_123456, None),
    ("prose", "Once upon a time there was an error: it was info", Format::Plain, "", ERROR),
    ("a number", "42", Format::Plain, "", None),
];

fn samples() -> impl Iterator<Item = &'static Sample> {
    [WEB, DATABASES, LIBRARIES, SYSTEMS].into_iter().flatten()
}

/// What the first line of a file comes to, with this line end.
fn told(line: &str, end: &str) -> (Format, String, Option<Level>) {
    let format = Format::detect(format!("{line}{end}").as_bytes());
    let latest: Timestamp = "2026-11-22T12:00:00Z".parse().expect("a time");
    let wrapped = format.unwrap(line.as_bytes());
    let text = wrapped.as_ref().map_or(line.as_bytes(), |wrapped| &wrapped.text);
    let meaning = format.meaning(text, &Clock::default(), latest);
    (format, meaning.time.map(|time| time.to_string()).unwrap_or_default(), meaning.level)
}

#[test]
fn first_lines_of_well_known_programs_tell_what_a_person_would_say() {
    let mut wrong = Vec::new();
    for &(program, line, format, time, level) in samples() {
        for end in ["\n", "\r\n"] {
            let (expected, found) = ((format, time.to_owned(), level), told(line, end));
            if found != expected {
                wrong.push(format!("{program}{end:?}: {found:?} and not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 2 * samples().count(), wrong.join("\n"));
}

#[test]
fn what_tells_the_format_of_a_line_tells_it_of_ten_lines_behind_a_banner() {
    for &(program, line, format, ..) in samples() {
        let file = format!("=== starting ===\n\n{}", format!("{line}\n").repeat(10));
        assert_eq!(Format::detect(file.as_bytes()), format, "{program}");
    }
}

#[test]
fn a_w3c_log_is_plain_whatever_its_head_says() {
    let head = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: 2026-11-22 10:00:00\r\n\
                #Fields: date time s-ip cs-method cs-uri-stem sc-status\r\n2026-11-22 10:00:00 10.0.0.1 GET / 200\r\n";
    assert_eq!(Format::detect(head.as_bytes()), Format::Plain);
}
