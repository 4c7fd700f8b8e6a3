//! Who is at the other end of a connection, and whom a proxy that is trusted speaks for.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;
use tokio::sync::Notify;

/// What is known of a connection since it was made.
#[derive(Debug)]
pub struct Connection {
    /// The address at its other end; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it is encrypted.
    pub tls: bool,
    /// Whether its client showed a certificate that is trusted.
    pub certified: bool,
    /// Its place among those of its address; none where there are as many as may be.
    pub seat: Option<Seat>,
    /// How many of its requests are under way.
    pub requests: Arc<Tally>,
    /// That it is open.
    pub open: Open,
}

impl Connection {
    /// The one that a request came by.
    pub fn of(request: &ServiceRequest) -> Option<&Self> {
        request.conn_data::<Rc<Connection>>().map(|connection| &**connection)
    }
}

/// How many connections or requests are open.
#[derive(Debug, Default)]
pub struct Tally {
    open: AtomicUsize,
    last_closed: Notify,
}

impl Tally {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until the last of them was closed once more, if it was not since this was asked last.
    pub async fn last_closed(&self) {
        self.last_closed.notified().await;
    }
}

/// One of those that are open; not any more when dropped.
#[derive(Debug)]
pub struct Open(Arc<Tally>);

impl Open {
    /// One more.
    pub fn one(tally: &Arc<Tally>) -> Self {
        tally.open.fetch_add(1, Ordering::Relaxed);
        Open(tally.clone())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.count()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.last_closed.notify_one();
        }
    }
}

/// A proxy whose word for its clients is taken: an address, a network, or whoever comes by a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// `unix`.
    Unix,
    /// `ADDRESS` or `ADDRESS/BITS`.
    Network(IpAddr, u32),
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unix" {
            return Ok(Proxy::Unix);
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().ok();
        let all = address.map(|address| if address.is_ipv4() { 32 } else { 128 });
        match (address, all, bits.map_or(Ok(all), |bits| bits.parse().map(Some))) {
            (Some(address), Some(all), Ok(Some(bits))) if bits <= all => Ok(Proxy::Network(address, bits)),
            _ => Err(format!("{text:?} is no proxy; write 10.0.0.7, 10.0.0.0/8, fd00::/8 or unix")),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proxy::Unix => f.write_str("unix"),
            Proxy::Network(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

impl Proxy {
    fn is(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Proxy::Unix, None) => true,
            (Proxy::Network(IpAddr::V4(network), bits), Some(IpAddr::V4(address))) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (Proxy::Network(IpAddr::V6(network), bits), Some(IpAddr::V6(address))) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// Who asks: the other end of the connection, or whom a trusted proxy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it speaks HTTPS.
    pub https: bool,
    /// The host that it asked for, where a proxy says so.
    pub host: Option<String>,
    /// Whether a trusted proxy speaks for it.
    pub proxied: bool,
}

impl Client {
    /// Who sent a request.
    pub fn of(request: &ServiceRequest, trusted: &[Proxy]) -> Self {
        let connection = Connection::of(request);
        let address = connection.and_then(|connection| connection.address);
        let https = connection.is_some_and(|connection| connection.tls);
        Client::behind(address, https, request.headers(), trusted)
    }

    fn behind(peer: Option<IpAddr>, https: bool, headers: &HeaderMap, trusted: &[Proxy]) -> Self {
        let is_trusted = |address: Option<IpAddr>| trusted.iter().any(|proxy| proxy.is(address));
        if !is_trusted(peer) {
            return Client { address: peer, https, host: None, proxied: false };
        }
        let said = |name: &str| headers.get_all(name).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        let mut address = peer;
        // Each proxy appends whom it speaks with: the first from the right that is no proxy of ours is the client.
        for named in said("x-forwarded-for").rsplit(',') {
            let Some(named) = address_of(named.trim()) else { break };
            address = Some(named);
            if !is_trusted(address) {
                break;
            }
        }
        // What stands last was said by the proxy that is trusted.
        let last = |name: &str| said(name).rsplit(',').next().map(str::trim).filter(|said| !said.is_empty()).map(str::to_owned);
        let https = last("x-forwarded-proto").map_or(https, |proto| proto.eq_ignore_ascii_case("https"));
        Client { address, https, host: last("x-forwarded-host"), proxied: true }
    }
}

/// An address as proxies write it: with a port or without.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse();
    text.parse::<std::net::SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| bare())
        .ok()
        .map(|address| address.to_canonical())
}

/// The address that limits go by: one of IPv6 with the network that is given to one customer.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

/// How many connections or streams there are from each address.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place in the crowd; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    crowd: Crowd,
    address: Option<IpAddr>,
}

impl Crowd {
    /// A place for one more from `address`, unless there are `max`. Whoever is on this machine is not counted.
    pub fn enter(&self, address: Option<IpAddr>, max: usize) -> Option<Seat> {
        let address = address.filter(|address| !address.to_canonical().is_loopback()).map(neighbourhood);
        if let Some(address) = address {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(address).or_default();
            if *count >= max {
                return None;
            }
            *count += 1;
        }
        Some(Seat { crowd: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn client(peer: &str, headers: &[(&'static str, &str)], trusted: &[&str]) -> Client {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<Proxy> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        Client::behind(peer.parse().ok(), false, &map, &trusted)
    }

    #[test]
    fn only_a_named_proxy_is_believed_and_only_what_it_added() {
        let forged = ("x-forwarded-for", "1.1.1.1, 2.2.2.2");
        let address = |client: Client| client.address.map(|address| address.to_string());
        assert_eq!(address(client("9.9.9.9", &[forged], &["10.0.0.0/8"])).as_deref(), Some("9.9.9.9"));
        assert_eq!(address(client("10.1.2.3", &[forged], &["10.0.0.0/8"])).as_deref(), Some("2.2.2.2"));
        let chain = ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.9.9.9");
        assert_eq!(address(client("10.1.2.3", &[chain], &["10.0.0.0/8"])).as_deref(), Some("2.2.2.2"));
        let mapped = ("x-forwarded-for", "2.2.2.2, ::ffff:10.9.9.9");
        assert_eq!(address(client("10.1.2.3", &[mapped], &["10.0.0.0/8"])).as_deref(), Some("2.2.2.2"));
        let second = ("x-forwarded-for", "3.3.3.3:1234");
        assert_eq!(address(client("10.1.2.3", &[forged, second], &["10.1.2.3"])).as_deref(), Some("3.3.3.3"));
        assert_eq!(address(client("unix", &[("x-forwarded-for", "[fd00::1]:80")], &["unix"])).as_deref(), Some("fd00::1"));
        assert_eq!(
            address(client("10.1.2.3", &[("x-forwarded-for", "nonsense")], &["10.1.2.3/32"])).as_deref(),
            Some("10.1.2.3")
        );
        let said = client("10.1.2.3", &[("x-forwarded-proto", "https"), ("x-forwarded-host", "evil, a.example")], &["10.1.2.3"]);
        assert_eq!((said.https, said.host.as_deref()), (true, Some("a.example")));
        let unsaid = client("9.9.9.9", &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")], &["10.1.2.3"]);
        assert_eq!((unsaid.https, unsaid.host), (false, None));
    }

    #[test]
    fn a_place_is_given_back_and_only_this_machine_is_not_counted() {
        let crowd = Crowd::default();
        let enter = |address: &str| crowd.enter(Some(address.parse().unwrap()), 2);
        let (first, second) = (enter("10.0.0.1"), enter("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some() && enter("10.0.0.1").is_none() && enter("10.0.0.2").is_some());
        drop(first);
        assert!(enter("10.0.0.1").is_some());
        let here: Vec<_> = (0..9).map(|_| (enter("127.0.0.1"), enter("::1"), crowd.enter(None, 2))).collect();
        assert!(here.iter().all(|(one, two, three)| one.is_some() && two.is_some() && three.is_some()));
    }

    proptest! {
        #[test]
        fn any_text_is_a_proxy_that_is_written_as_it_is_read_or_is_refused_in_words(text in "[0-9a-f.:/]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){3}(/[0-9]{1,3})?|\\PC{0,9}") {
            match text.parse::<Proxy>() {
                Ok(proxy) => prop_assert_eq!(proxy.to_string().parse::<Proxy>(), Ok(proxy)),
                Err(why) => prop_assert!(why.contains("write 10.0.0.7")),
            }
        }
    }
}
