//! Which answer a request gets.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::body::{Body, Metrics};
use super::secure::Refusal;
use super::stats::HttpStats;
use super::{Peer, ReloadRequest, Scrape, ServerOptions, landing, negotiate, query};
use tokio::sync::{mpsc, oneshot};

/// What the routes work with.
pub struct Routes {
    /// Gives readings.
    pub scrape: Arc<dyn Scrape>,
    /// Counts.
    pub stats: Arc<HttpStats>,
    /// As set.
    pub options: ServerOptions,
}

impl Routes {
    /// Answers a request; its body, if any, is not read.
    pub async fn answer<B: hyper::body::Body>(
        &self,
        request: Request<B>,
        mut peer: Peer,
    ) -> Response<Body> {
        let secured = self.options.security.as_ref().map(|s| (s, s.current()));
        let admitted = match &secured {
            None => Ok(false),
            Some((security, active)) => security.admit(active, request.headers()).await,
        };
        let mut response = match admitted {
            Ok(by_password) => {
                peer.authenticated |= by_password;
                self.dispatch(&request, &peer).await
            }
            Err(refusal) => refused(refusal),
        };
        if !request.body().is_end_stream() {
            // What follows on this connection would be the body that nobody reads.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        for (name, value) in secured.iter().flat_map(|(_, active)| &active.headers) {
            headers.insert(name, value.clone());
        }
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::Full(None);
        }
        let code = response.status().as_u16();
        self.stats.answered(code);
        tracing::debug!(client = %peer.address, authenticated = peer.authenticated, path = request.uri().path(), code, "answered");
        response
    }

    async fn dispatch<B>(&self, request: &Request<B>, peer: &Peer) -> Response<Body> {
        // Nothing here takes a body, and one of unknown length is how requests are smuggled.
        if request.headers().contains_key(header::TRANSFER_ENCODING) {
            return text(StatusCode::BAD_REQUEST, "requests have no body here\n");
        }
        let path = request.uri().path();
        if let ("/-/reload", Some(requests)) = (path, &self.options.reload) {
            return reload(request, peer, requests).await;
        }
        let is_metrics = path == self.options.telemetry_path;
        if !(is_metrics || ["/", "/-/healthy", "/-/ready"].contains(&path)) {
            let hint = format!(
                "not found; the metrics are at {}\n",
                self.options.telemetry_path
            );
            return text(StatusCode::NOT_FOUND, hint);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            _ if is_metrics => self.metrics(request).await,
            "/-/healthy" => text(StatusCode::OK, "tidegauge is healthy.\n"),
            "/-/ready" if self.scrape.ready() => text(StatusCode::OK, "tidegauge is ready.\n"),
            "/-/ready" => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "tidegauge is not ready: the first reading is under way.\n",
            ),
            _ => self.landing(),
        }
    }

    async fn metrics<B>(&self, request: &Request<B>) -> Response<Body> {
        let wanted = match query::wanted(
            request.uri().query().unwrap_or(""),
            &self.scrape.collectors(),
        ) {
            Ok(wanted) => wanted,
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let Some(in_flight) = self.stats.begin_scrape(self.options.max_requests) else {
            let limit = self.options.max_requests;
            let mut response = text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "{limit} scrapes are under way already, which is the limit (--web.max-requests)\n"
                ),
            );
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        };
        let format = negotiate::format(&joined(request.headers(), header::ACCEPT));
        let encoding = negotiate::encoding(&joined(request.headers(), header::ACCEPT_ENCODING));
        let body = if request.method() == Method::HEAD {
            Body::Full(None)
        } else {
            let Ok(snapshot) = self.scrape.snapshot(wanted.clone()).await else {
                return text(StatusCode::SERVICE_UNAVAILABLE, "the sampler has stopped\n");
            };
            match Metrics::new(snapshot, wanted, format, encoding, in_flight) {
                Ok(metrics) => Body::Metrics(Box::new(metrics)),
                Err(error) => {
                    return text(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        format!("cannot compress: {error}\n"),
                    );
                }
            }
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        );
        headers.insert(
            header::VARY,
            HeaderValue::from_static("Accept, Accept-Encoding"),
        );
        if let Some(name) = encoding.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    fn landing(&self) -> Response<Body> {
        let options = &self.options;
        let page = landing::page(
            options.version,
            &options.telemetry_path,
            &self.scrape.collectors(),
        );
        let mut response = Response::new(Body::full(page));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        );
        response
    }
}

/// What changes something is for whoever is on this host, or has proven who he is, and for no web page
/// that somebody on this host looks at.
async fn reload<B>(
    request: &Request<B>,
    peer: &Peer,
    requests: &mpsc::Sender<ReloadRequest>,
) -> Response<Body> {
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only POST and PUT\n");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST, PUT"));
        return response;
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

fn refused(refusal: Refusal) -> Response<Body> {
    let (status, body, name, value) = match refusal {
        Refusal::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            "a user and a password are needed\n",
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic"),
        ),
        Refusal::TooMany(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests\n",
            header::RETRY_AFTER,
            // Whole seconds, and not before there is a token.
            HeaderValue::from(
                wait.as_secs()
                    .saturating_add(u64::from(wait.subsec_nanos() > 0)),
            ),
        ),
        Refusal::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many passwords are being compared\n",
            header::RETRY_AFTER,
            HeaderValue::from_static("1"),
        ),
    };
    let mut response = text(status, body);
    response.headers_mut().insert(name, value);
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// All lines of a header as one list; lines that are no text count as absent.
fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

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
