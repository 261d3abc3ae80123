//! What every answer has, and the short ones.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Body;
use super::negotiate::Encoding;
use super::peer::Peer;
use super::secure::Refusal;
use super::server::{Handler, Options};
use super::stats::HttpStats;

/// Answers the requests of all connections.
pub(crate) struct Answerer<H> {
    /// Has the answers.
    pub(crate) handler: H,
    /// Counts.
    pub(crate) stats: Arc<HttpStats>,
    /// As set.
    pub(crate) options: Options,
}

impl<H: Handler> Answerer<H> {
    /// Answers a request, be it by a refusal.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Incoming>,
        mut peer: Peer,
    ) -> Response<Body> {
        let secured = self.options.security.as_ref().map(|s| (s, s.current()));
        let admitted = match &secured {
            Some((security, active)) if !self.handler.is_open(request.uri().path()) => {
                security.admit(active, request.headers()).await
            }
            _ => Ok(false),
        };
        let mut response = match admitted {
            Ok(by_password) => {
                peer.authenticated |= by_password;
                self.handler.handle(&mut request, &peer).await
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

/// A few words.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// A refusal of the request's method: `allowed` as in the header `Allow`, `words` for people.
pub fn wrong_method(allowed: &'static str, words: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, words);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// All lines of a header as one list; lines that are no text count as absent.
pub fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    headers
        .get_all(name)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect::<Vec<_>>()
        .join(",")
}

/// Says how an answer is compressed, and what that depends on.
pub fn compressed(headers: &mut HeaderMap, encoding: Encoding, vary: &'static str) {
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    if let Some(name) = encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
}
