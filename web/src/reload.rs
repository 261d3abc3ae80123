//! `/-/reload`: the configuration is read again.

use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::answer::{text, wrong_method};
use super::body::Body;
use super::peer::Peer;

/// A request to read the configuration again. What came of it is sent to whoever waits, if anybody does.
pub type ReloadRequest = Option<oneshot::Sender<Result<(), String>>>;

/// Passes a request on. What changes something is for whoever is on this host, or has proven who he is, and
/// for no web page that somebody on this host looks at.
pub async fn reload<B>(
    request: &Request<B>,
    peer: &Peer,
    requests: &mpsc::Sender<ReloadRequest>,
) -> Response<Body> {
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return wrong_method("POST, PUT", "only POST and PUT\n");
    }
    if !may_reload(peer, request.headers()) {
        return text(
            StatusCode::FORBIDDEN,
            "reload is for clients on the host itself and for authenticated ones, not for web pages\n",
        );
    }
    let (reply, answer) = oneshot::channel();
    if requests.send(Some(reply)).await.is_err() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "tidegauge is stopping\n");
    }
    match answer.await {
        Ok(Ok(())) => text(
            StatusCode::OK,
            "the configuration was read again and is in use\n",
        ),
        Ok(Err(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the configuration is wrong, the old one stays in use:\n{error}\n"),
        ),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "tidegauge is stopping\n"),
    }
}

fn may_reload(peer: &Peer, headers: &HeaderMap) -> bool {
    let from_here = [peer.address, peer.local]
        .iter()
        .all(|address| address.ip().to_canonical().is_loopback());
    let from_page = ["origin", "sec-fetch-site"]
        .iter()
        .any(|name| headers.contains_key(*name));
    !from_page && (from_here || peer.authenticated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn who_may_reload() {
        let peer = |address: &str, local: &str, authenticated| Peer {
            address: address.parse().unwrap(),
            local: local.parse().unwrap(),
            authenticated,
        };
        let none = HeaderMap::new();
        for (address, local) in [
            ("127.0.0.1:4711", "127.0.0.1:10733"),
            ("[::1]:4711", "[::1]:10733"),
            ("[::ffff:127.0.0.1]:4711", "[::ffff:127.0.0.1]:10733"),
        ] {
            assert!(may_reload(&peer(address, local, false), &none), "{address}");
        }
        for (address, local) in [
            ("192.0.2.7:4711", "192.0.2.1:10733"),
            ("[::ffff:192.0.2.7]:4711", "[::ffff:192.0.2.1]:10733"),
            // Forwarded into the host by something that keeps its own address.
            ("127.0.0.1:4711", "192.0.2.1:10733"),
        ] {
            assert!(
                !may_reload(&peer(address, local, false), &none),
                "{address}"
            );
            assert!(may_reload(&peer(address, local, true), &none), "{address}");
        }
        for name in ["origin", "sec-fetch-site"] {
            let mut page = HeaderMap::new();
            page.insert(name, HeaderValue::from_static("null"));
            let here = peer("127.0.0.1:4711", "127.0.0.1:10733", true);
            assert!(!may_reload(&here, &page), "{name}");
        }
    }
}
