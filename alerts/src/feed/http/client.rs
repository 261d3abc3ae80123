//! Asks for an exposition: connection, request, redirects, answer.

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap,
    HeaderName, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};

use super::body::{BodyError, Decoder, Sink};
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::login;
use crate::feed::error::ScrapeError;
use crate::feed::settings::Job;

/// What is read best, as Prometheus 3 asks for it.
const FORMATS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

const USER: &str = concat!("tidegauge/", env!("CARGO_PKG_VERSION"));

/// As Go's client: more redirects lead nowhere.
const REDIRECTS: usize = 10;

static TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Asks one target.
pub(super) struct Client {
    target: Endpoint,
    job: Arc<Job>,
    open: Option<Connection>,
}

/// An answer whose headers are there.
pub(super) struct Answer {
    /// The content type as it came.
    pub content_type: Option<String>,
    gzip: bool,
    body: Incoming,
    from: String,
    limit: u64,
}

impl Client {
    pub fn new(target: Endpoint, job: Arc<Job>) -> Self {
        Self {
            target,
            job,
            open: None,
        }
    }

    /// Other settings; what is open was opened by the old ones.
    pub fn replace(&mut self, job: Arc<Job>) {
        self.job = job;
        self.close();
    }

    /// An answer was given up, and the connection with it.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Asks, and follows where the answer leads.
    pub async fn ask(&mut self) -> Result<Answer, ScrapeError> {
        let mut to = self.target.clone();
        for _ in 0..=REDIRECTS {
            let response = self.request(&to).await?;
            let Some(location) = self.redirect(&response) else {
                return self.answer(response, &to);
            };
            // What is left of the answer is not read.
            self.close();
            to = to
                .follow(&location)
                .map_err(|reason| ScrapeError::Redirect { location, reason })?;
        }
        Err(ScrapeError::Redirect {
            location: to.path,
            reason: format!("there were {REDIRECTS} before it"),
        })
    }

    fn redirect(&self, response: &Response<Incoming>) -> Option<String> {
        let followed = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !followed || !self.job.follow_redirects {
            return None;
        }
        let location = response.headers().get(LOCATION)?.as_bytes();
        Some(String::from_utf8_lossy(location).into_owned())
    }

    async fn request(&mut self, to: &Endpoint) -> Result<Response<Incoming>, ScrapeError> {
        let headers = self.headers(to).await?;
        let kept = self.open.take().filter(|open| open.to.same_server(to));
        if let Some(mut connection) = kept
            && connection.requests.ready().await.is_ok()
            && let Ok(response) = send(&mut connection, to, &headers).await?
        {
            self.open = Some(connection);
            return Ok(response);
        }
        // The server may have closed what was kept; it is asked anew, once.
        let mut connection = Connection::open(to, &self.job.tls).await?;
        let response = send(&mut connection, to, &headers).await?;
        let response = response.map_err(|error| ScrapeError::Transfer {
            address: to.authority.clone(),
            reason: reason(&error),
        })?;
        self.open = Some(connection);
        Ok(response)
    }

    async fn headers(&self, to: &Endpoint) -> Result<HeaderMap, ScrapeError> {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: &str| -> Result<(), ScrapeError> {
            let value = value.parse().map_err(|_| ScrapeError::Request {
                url: to.authority.clone(),
                reason: format!("{name} cannot be {value:?}"),
            })?;
            headers.insert(name, value);
            Ok(())
        };
        let encodings = if self.job.compression {
            "gzip"
        } else {
            "identity"
        };
        add(HOST, &to.authority)?;
        add(USER_AGENT, USER)?;
        add(ACCEPT, FORMATS)?;
        add(ACCEPT_ENCODING, encodings)?;
        add(TIMEOUT.clone(), &self.job.timeout.as_secs_f64().to_string())?;
        // Secrets are for the target, not for whom it may send us to.
        if to.same_server(&self.target)
            && let Some(login) = login::header(&self.job.login).await?
        {
            headers.insert(AUTHORIZATION, login);
        }
        Ok(headers)
    }

    fn answer(
        &mut self,
        response: Response<Incoming>,
        from: &Endpoint,
    ) -> Result<Answer, ScrapeError> {
        if response.status() != StatusCode::OK {
            self.close();
            return Err(ScrapeError::Status {
                status: response.status().to_string(),
            });
        }
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let gzip = match header(CONTENT_ENCODING).as_deref() {
            None | Some("identity" | "") => false,
            Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => true,
            Some(other) => {
                self.close();
                return Err(ScrapeError::Encoding {
                    encoding: other.to_owned(),
                });
            }
        };
        Ok(Answer {
            content_type: header(CONTENT_TYPE),
            gzip,
            body: response.into_body(),
            from: from.authority.clone(),
            limit: self.job.body_size_limit,
        })
    }
}

impl Answer {
    /// Reads the body to its end.
    pub async fn read(mut self, sink: Sink<'_>) -> Result<(), ScrapeError> {
        let failed = |reason| ScrapeError::Transfer {
            address: self.from.clone(),
            reason,
        };
        let judge = |error| match error {
            BodyError::TooLarge => ScrapeError::BodyTooLarge { limit: self.limit },
            BodyError::Broken(error) => failed(error.to_string()),
        };
        let mut decoder = Decoder::new(self.gzip, self.limit, sink);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| failed(reason(&error)))?;
            if let Ok(piece) = frame.into_data() {
                decoder.piece(&piece).map_err(judge)?;
            }
        }
        decoder.end().map_err(judge)
    }
}

/// The outer error is ours, the inner one the connection's.
async fn send(
    connection: &mut Connection,
    to: &Endpoint,
    headers: &HeaderMap,
) -> Result<Result<Response<Incoming>, hyper::Error>, ScrapeError> {
    let mut request = Request::new(String::new());
    *request.uri_mut() = to.path.parse().map_err(|error| ScrapeError::Request {
        url: format!("{}{}", to.authority, to.path),
        reason: format!("{error}"),
    })?;
    *request.headers_mut() = headers.clone();
    Ok(connection.requests.send_request(request).await)
}

/// With what lies behind it: hyper's own words are few.
fn reason(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
