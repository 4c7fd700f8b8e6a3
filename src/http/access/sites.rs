//! Whose page asks. A page of another site can make a browser ask anything of a server that the browser reaches, and after
//! DNS rebinding even read the answer: the `Host` that the browser sends then is a name that is not ours.

use std::net::IpAddr;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};

use super::peer::Client;

/// A name under which it may be asked for: `logs.example.org`, `*.example.org`, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if text == "*" || !name.is_empty() && name.bytes().all(harmless) {
            return Ok(HostName(text.to_ascii_lowercase()));
        }
        Err(format!("{text:?} is no name of a host; write logs.example.org, *.example.org or *"))
    }
}

impl HostName {
    fn is(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(end) => host.ends_with(end),
            None => self.0 == host,
        }
    }
}

/// What a request says of the host that it is for; HTTP/2 says it in the target.
fn hosts<'a>(request: &'a HttpRequest, client: &'a Client) -> Vec<&'a str> {
    if let Some(host) = &client.host {
        return vec![host];
    }
    let in_target = request.uri().authority().map(|authority| authority.as_str());
    in_target.into_iter().chain(request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or(""))).collect()
}

/// The host that a request is for, with its port where it says one.
pub fn asked_host<'a>(request: &'a HttpRequest, client: &'a Client) -> Option<&'a str> {
    hosts(request, client).into_iter().next()
}

/// The host that a request is for, if it is none of those under which it may be asked for.
pub fn strange_host<'a>(request: &'a ServiceRequest, client: &'a Client, allowed: &[HostName]) -> Option<&'a str> {
    hosts(request.request(), client).into_iter().find(|host| !is_ours(host, allowed))
}

/// Whether a host, with its port or without, can't be a name that a stranger's DNS gave to our address.
fn is_ours(host: &str, allowed: &[HostName]) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || allowed.iter().any(|allowed| allowed.is(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) => {
            name
        }
        _ => host,
    }
}

/// The origin that asks, if its pages may read.
pub fn allowed_origin<'a>(headers: &'a HeaderMap, allowed: &[String]) -> Option<&'a str> {
    let origin = headers.get(ORIGIN)?.to_str().ok()?;
    allowed.iter().any(|allowed| allowed == origin).then_some(origin)
}

/// Whether a page of another site asks that may not read. Following a link to here is no reading.
pub fn is_foreign(request: &ServiceRequest, client: &Client, allowed: &[String]) -> bool {
    let headers = request.headers();
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if allowed_origin(headers, allowed).is_some() {
        return false;
    }
    let is_link = request.method() == Method::GET && said("sec-fetch-mode") == Some("navigate");
    match (said("sec-fetch-site"), headers.get(ORIGIN)) {
        (Some("same-origin" | "none"), _) => false,
        (Some(_), _) => !is_link,
        (None, None) => false,
        // Browsers say no more than that where the connection is not encrypted.
        (None, Some(origin)) => {
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
            let own = asked_host(request.request(), client);
            origin.is_none() || !origin.zip(own).is_some_and(|(origin, own)| origin.eq_ignore_ascii_case(own))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    const NOBODY: Client = Client { address: None, https: false, host: None, proxied: false };

    #[test]
    fn addresses_loopback_names_and_configured_names_are_ours() {
        let allowed = ["logs.example", "*.team.example"].map(|name| name.parse().unwrap());
        for ours in [
            "127.0.0.1:7878",
            "10.0.0.1",
            "[::1]:7878",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "a.localhost:2",
            "logs.example:443",
            "x.team.example",
        ] {
            assert!(is_ours(ours, &allowed), "{ours}");
        }
        for strange in [
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "",
            "team.example",
            "xlogs.example",
            "127.1",
            "a:b",
        ] {
            assert!(!is_ours(strange, &allowed), "{strange}");
        }
        assert!(is_ours("whatever", &["*".parse().unwrap()]));
    }

    #[test]
    fn a_page_of_another_site_is_foreign_unless_it_is_named_or_only_links() {
        let foreign = |headers: &[(&str, &str)]| {
            let mut request = TestRequest::get().insert_header(("host", "localhost:7878"));
            for header in headers {
                request = request.append_header(*header);
            }
            is_foreign(&request.to_srv_request(), &NOBODY, &["https://ops.example".into()])
        };
        let site = |value| ("sec-fetch-site", value);
        assert!(!foreign(&[]) && !foreign(&[site("none")]) && !foreign(&[site("same-origin")]));
        assert!(foreign(&[site("cross-site")]) && foreign(&[site("same-site")]));
        assert!(!foreign(&[site("cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(!foreign(&[site("cross-site"), ("origin", "https://ops.example")]));
        assert!(foreign(&[("origin", "https://evil.example")]) && foreign(&[("origin", "null")]));
        assert!(!foreign(&[("origin", "http://localhost:7878")]) && foreign(&[("origin", "http://localhost:3000")]));
    }
}
