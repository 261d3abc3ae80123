//! Which answer a request gets.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use tidegauge_web::answer::{text, wrong_method};
use tidegauge_web::body::Body;
use tidegauge_web::metrics::exposition;
use tidegauge_web::reload::reload;
use tidegauge_web::{Handler, HttpStats, Peer};

use super::{Scrape, ServerOptions, landing, query};

/// What the routes work with.
pub struct Routes {
    /// Gives readings.
    pub scrape: Arc<dyn Scrape>,
    /// Counts.
    pub stats: Arc<HttpStats>,
    /// As set.
    pub options: ServerOptions,
}

impl Handler for Routes {
    async fn handle(&self, request: &mut Request<Incoming>, peer: &Peer) -> Response<Body> {
        self.answer(request, peer).await
    }
}

impl Routes {
    async fn answer<B>(&self, request: &Request<B>, peer: &Peer) -> Response<Body> {
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
            return wrong_method("GET, HEAD", "only GET and HEAD\n");
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
        let snapshot = if request.method() == Method::HEAD {
            None
        } else {
            let Ok(snapshot) = self.scrape.snapshot(wanted.clone()).await else {
                return text(StatusCode::SERVICE_UNAVAILABLE, "the sampler has stopped\n");
            };
            Some(snapshot)
        };
        exposition(
            request.headers(),
            snapshot,
            Box::new(move |name| wanted.contains(name)),
            in_flight,
        )
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
