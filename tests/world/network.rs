//! Networks that lose, hold up, reset and forget: an agent in a network of its own, joined to this one by a cable that can
//! be pulled. And proxies that cut what is idle.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Agent, Block, Log, Stream, World, eventually, get};

/// A network namespace with a cable to this one; unmade when dropped.
struct Network {
    name: String,
    cable: String,
    address: Ipv4Addr,
}

fn run(program: &str, words: &str) {
    let output = Command::new(program).args(words.split(' ')).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Network {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() % 16_000 * 4 + MADE.fetch_add(1, Ordering::Relaxed) % 4;
        let [.., high, low] = number.to_be_bytes();
        let (here, address) = (Ipv4Addr::new(198, 18 + (number >> 16) as u8, high, low & !1), Ipv4Addr::new(198, 19, high, low));
        let here = Ipv4Addr::new(198, 18, here.octets()[2], low);
        let (name, cable) = (format!("sidetail{number}"), format!("st{number}"));
        run("ip", &format!("netns add {name}"));
        let network = Network { name, cable, address };
        let Network { name, cable, .. } = &network;
        run("ip", &format!("link add {cable} type veth peer name far netns {name}"));
        run("ip", &format!("addr add {here} peer {address} dev {cable}"));
        run("ip", &format!("link set {cable} up"));
        network.inside(&format!("ip addr add {address} peer {here} dev far"));
        network.inside("ip link set far up");
        network.inside("ip link set lo up");
        network
    }

    /// Runs a command in it.
    fn inside(&self, words: &str) {
        run("ip", &format!("netns exec {} {words}", self.name));
    }

    /// Pulls the cable out, or puts it in.
    fn cable(&self, state: &str) {
        run("ip", &format!("link set {} {state}", self.cable));
    }

    /// An agent in it on `app.log`.
    fn agent(&self, world: &World, args: &[&str]) -> Agent {
        let listen = format!("{}:0", self.address);
        let args = [&["app=@/app.log", "--heartbeat", "200ms", "--insecure"], args].concat();
        world.setup(&args).listening(&listen).wrapped(&["ip", "netns", "exec", &self.name]).start()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.cable]).status();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// Reads to the cut; what complete blocks brought.
fn until_cut(stream: &mut Stream) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Ok(Some(block)) = stream.try_next() {
        blocks.push(block);
    }
    blocks
}

fn assert_resumes(agent: &Agent, log: &Log, had: &[Block]) {
    for (place, record) in had.iter().enumerate() {
        assert_eq!(record.data, log.written()[place]);
        assert_eq!(agent.lines_after("/events?follow=false", record.id()), log.written()[place + 1..]);
    }
}

#[test]
fn a_cable_that_is_out_for_a_while_only_delays() {
    let (world, network) = (World::new(), Network::new());
    let mut log = world.log("app.log");
    let agent = network.agent(&world, &[]);
    let mut stream = agent.stream("/events");
    stream.goes_on_with(&log.write(3));
    network.cable("down");
    let mut missed = log.write(200);
    log.rotate();
    missed.extend(log.write(200));
    eventually("all was read behind the cut", || agent_read(&network, 403).then_some(()));
    network.cable("up");
    stream.goes_on_with(&missed);
    stream.goes_on_with(&log.write(1));
}

/// Whether the agent has read so many records, as it says within its network.
fn agent_read(network: &Network, records: u64) -> bool {
    let ports = Command::new("ip").args(["netns", "exec", &network.name, "ss", "-Hltn"]).output().expect("ss").stdout;
    let ports = String::from_utf8_lossy(&ports).into_owned();
    let address = ports.split_whitespace().nth(3).expect("a socket that listens").to_owned();
    let url = format!("http://{address}/metrics");
    let said = Command::new("ip").args(["netns", "exec", &network.name, "curl", "-s", &url]).output().expect("curl").stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let read: Option<u64> =
        said.lines().find_map(|line| line.strip_prefix("sidetail_log_read_records_total{")?.rsplit(' ').next()?.parse().ok());
    read.unwrap_or_else(|| panic!("no count of records in {said}")) >= records
}

#[test]
fn where_every_fifth_packet_is_lost_every_record_comes_once() {
    let (world, network) = (World::new(), Network::new());
    let mut log = world.log("app.log");
    let agent = network.agent(&world, &[]);
    let mut stream = agent.stream("/events");
    for chain in ["INPUT", "OUTPUT"] {
        network.inside(&format!("iptables -A {chain} -m statistic --mode random --probability 0.2 -j DROP"));
    }
    for _ in 0..5 {
        let mut lines = log.write(100);
        log.rotate();
        lines.extend(log.write(100));
        stream.goes_on_with(&lines);
    }
}

#[test]
fn a_client_whose_connection_is_reset_comes_back_for_exactly_the_rest() {
    let (world, network) = (World::new(), Network::new());
    let mut log = world.log("app.log");
    let agent = network.agent(&world, &[]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let had = stream.records(3);
    network.inside("iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset");
    log.write(5);
    // What acknowledges a record or a heartbeat is answered by a reset.
    let rest = until_cut(&mut stream);
    network.inside("iptables -F");
    log.rotate();
    log.write(2);
    assert_resumes(&agent, &log, &[had, rest].concat());
}

#[test]
fn a_client_that_vanishes_behind_a_cut_comes_back_beside_its_own_half_open_connection() {
    let (world, network) = (World::new(), Network::new());
    let mut log = world.log("app.log");
    let agent = network.agent(&world, &[]);
    let mut stream = agent.stream("/events");
    log.write(3);
    let had = stream.records(3);
    let address = agent.address();
    // Nothing of this connection gets through any more, in either direction: neither end hears that the other is gone.
    let port = stream.local_port();
    network.inside(&format!("iptables -A INPUT -p tcp --sport {port} -j DROP"));
    network.inside(&format!("iptables -A OUTPUT -p tcp --dport {port} -j DROP"));
    log.write(4);
    drop(stream);
    log.rotate();
    log.write(2);
    assert_resumes(&agent, &log, &had);
    let mut again = Stream::open(get("/events").header("Last-Event-ID", had[2].id()).send(address));
    again.goes_on_with(&log.written()[3..]);
    again.goes_on_with(&log.write(2));
}

#[test]
fn from_one_address_there_are_as_many_connections_as_may_be_and_the_others_are_sent_away() {
    let (world, network) = (World::new(), Network::new());
    let mut log = world.log("app.log");
    let agent = network.agent(&world, &["--max-connections-per-address", "3"]);
    let mut streams: Vec<Stream> = (0..3).map(|_| agent.stream("/events")).collect();
    let refused = agent.send(&get("/events").header("Accept", "text/event-stream"));
    assert_eq!(refused.status(), 200, "an EventSource gives up on anything else");
    assert!(refused.text().contains("event: busy"));
    for target in ["/tail", "/logs", "/metrics"] {
        let refused = agent.get(target);
        assert_eq!((refused.status(), refused.header("retry-after").is_some()), (503, true), "{target}");
    }
    let lines = log.write(3);
    streams.iter_mut().for_each(|stream| stream.goes_on_with(&lines));
    streams.pop();
    eventually("its place is free again", || (agent.get("/logs").status() == 200).then_some(()));
}

/// nginx before the agent, which hangs up after a while without a byte.
struct Proxy(Child, SocketAddr);

impl Proxy {
    fn before(agent: &Agent, world: &World, patience: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = world.folder().display();
        let text = format!(
            "daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.txt;\n\
             user root; events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;\n\
             uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;\n\
             server {{ listen {free}; location / {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_read_timeout {patience}; }} }} }}\n",
            agent.address()
        );
        let config = world.file("nginx.conf", text);
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nginx");
        command.env("PATH", path).arg("-p").arg(world.folder()).arg("-c").arg(config).arg("-e").arg(world.path("nginx.txt"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx");
        let proxy = Proxy(child, free);
        eventually("nginx serves", || TcpStream::connect(free).ok());
        proxy
    }

    fn resume(&self, id: &str) -> Stream {
        Stream::open(get("/events").header("Last-Event-ID", id).send(self.1))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its worker goes with it.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

#[test]
fn heartbeats_keep_a_stream_open_through_a_proxy_that_cuts_what_is_idle() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--heartbeat", "200ms"]);
    let proxy = Proxy::before(&agent, &world, "1s");
    let mut stream = Stream::open(get("/events").send(proxy.1));
    stream.goes_on_with(&log.write(1));
    // Three times as long as the proxy waits.
    stream.heartbeat(15);
    stream.goes_on_with(&log.write(1));
}

/// Half a minute is what proxies are often told. The heartbeat is the one that there is unless another is asked for.
#[test]
fn a_stream_is_open_longer_than_the_half_minute_after_which_a_proxy_cuts_what_is_idle() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log"]);
    let proxy = Proxy::before(&agent, &world, "30s");
    let mut stream = Stream::open(get("/events").send(proxy.1));
    stream.goes_on_with(&log.write(1));
    let idle = Instant::now();
    stream.heartbeat(3);
    assert!(idle.elapsed() > Duration::from_secs(31), "{:?}", idle.elapsed());
    stream.goes_on_with(&log.write(1));
}

#[test]
fn a_stream_that_a_proxy_cut_goes_on_without_a_loss() {
    let world = World::new();
    let mut log = world.log("app.log");
    let agent = world.agent(&["app=@/app.log", "--heartbeat", "60s"]);
    let proxy = Proxy::before(&agent, &world, "1s");
    let mut stream = Stream::open(get("/events").send(proxy.1));
    let mut id = stream.hello().id().to_owned();
    let mut came = Vec::new();
    for _ in 0..2 {
        log.write(2);
        came.extend(stream.records(2));
        assert_eq!(until_cut(&mut stream), [], "nothing is written, so the proxy hangs up");
        log.write(2);
        log.rotate();
        id = came.last().map_or(id, |last| last.id().to_owned());
        stream = proxy.resume(&id);
        assert_eq!(stream.resumed(), "exact");
        came.extend(stream.records(2));
    }
    let lines: Vec<_> = came.into_iter().map(|record| record.data).collect();
    assert_eq!(lines, log.written());
}
