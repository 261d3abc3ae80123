//! By what name the sidecar is called.
//!
//! Without TLS and passwords the sidecar trusts whoever is on its host. A page from elsewhere is not, but the
//! browser that shows it is, and a name of the page's own can be made to lead to 127.0.0.1 (DNS rebinding):
//! then the browser takes the sidecar for the page's own server. Such a request names that host.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Request;
use hyper::header::HOST;
use tidegauge_web::Peer;

/// What who is refused is told.
pub const REFUSAL: &str = "this host is called by a name that it does not know: use localhost or an address, or start tidegauge with --web.external-url\n";

/// The names that are known.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Besides `localhost` and all addresses: the host's own names, that of the external URL.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_lowercase()).collect())
    }

    /// Whether a request may be answered. Whoever comes from elsewhere, or has shown who he is, may use any
    /// name.
    pub(super) fn admit<B>(&self, request: &Request<B>, peer: &Peer) -> bool {
        let from_here = peer.local.ip().to_canonical().is_loopback();
        if !from_here || peer.authenticated {
            return true;
        }
        let named = match request.uri().host() {
            Some(host) => Some(host),
            None => match request.headers().get(HOST) {
                None => return true,
                Some(value) => value.to_str().ok().map(without_port),
            },
        };
        named.is_some_and(|name| self.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_lowercase();
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&name);
        name == "localhost"
            || name.ends_with(".localhost")
            || address.parse::<Ipv4Addr>().is_ok()
            || address.parse::<Ipv6Addr>().is_ok()
            || self.0.contains(&name)
    }
}

/// `name:9090`, `[::1]:9090`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_here_is_not_enough() {
        let peer = |local: &str, authenticated| Peer {
            address: "127.0.0.1:4711".parse().unwrap(),
            local: local.parse().unwrap(),
            authenticated,
        };
        let hosts = Hosts::new(["Box.example.com".to_owned()]);
        let request = |host: &str| Request::builder().header(HOST, host).body(()).unwrap();
        let here = peer("127.0.0.1:10734", false);
        for host in [
            "localhost:10734",
            "LOCALHOST",
            "127.0.0.1:10734",
            "[::1]:10734",
            "[::1]",
            "192.0.2.1",
            "box.example.com:80",
            "x.localhost",
        ] {
            assert!(hosts.admit(&request(host), &here), "{host}");
        }
        for host in [
            "rebound.example.org:10734",
            "localhost.example.org",
            "127.0.0.1.nip.io",
            "",
            "example.org.",
            "::1::",
        ] {
            assert!(!hosts.admit(&request(host), &here), "{host}");
            let elsewhere = peer("192.0.2.1:10734", false);
            assert!(hosts.admit(&request(host), &elsewhere), "{host}");
            let known = peer("127.0.0.1:10734", true);
            assert!(hosts.admit(&request(host), &known), "{host}");
        }
    }
}
