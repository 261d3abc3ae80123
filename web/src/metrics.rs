//! `/metrics`: a snapshot in the format and compression that the client asked for.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tidegauge_model::exposition::{Cursor, Format, write_chunk};
use tidegauge_model::snapshot::Snapshot;

use super::answer::{compressed, joined, text};
use super::body::{Body, PIECE, Source};
use super::negotiate;
use super::stats::InFlight;

/// Tells of which collectors the families are wanted.
pub type Wanted = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The answer to a scrape; without a snapshot only its head, as HEAD wants it.
pub fn exposition(
    headers: &HeaderMap,
    snapshot: Option<Arc<Snapshot>>,
    wanted: Wanted,
    in_flight: InFlight,
) -> Response<Body> {
    let format = negotiate::format(&joined(headers, header::ACCEPT));
    let encoding = negotiate::encoding(&joined(headers, header::ACCEPT_ENCODING));
    let body = match snapshot {
        None => Ok(Body::Full(None)),
        Some(snapshot) => Body::pieces(
            Box::new(Metrics {
                snapshot,
                wanted,
                format,
                cursor: Cursor::default(),
                _in_flight: in_flight,
            }),
            encoding,
        ),
    };
    let mut response = match body {
        Ok(body) => Response::new(body),
        Err(error) => {
            let message = format!("cannot compress: {error}\n");
            return text(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
    };
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    compressed(fields, encoding, "Accept, Accept-Encoding");
    response
}

struct Metrics {
    snapshot: Arc<Snapshot>,
    wanted: Wanted,
    format: Format,
    cursor: Cursor,
    /// Counts as a scrape under way until the client has it all.
    _in_flight: InFlight,
}

impl Source for Metrics {
    fn write(&mut self, into: &mut Vec<u8>) -> bool {
        write_chunk(
            &self.snapshot,
            &self.wanted,
            self.format,
            &mut self.cursor,
            into,
            PIECE,
        )
    }
}
