//! Answers of the API: a small one at once, a long one piece by piece.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tidegauge_web::answer::{compressed, joined, text};
use tidegauge_web::body::{Body, PIECE, Source};
use tidegauge_web::negotiate::{self, Encoding};

use super::error::ApiError;
use super::json;

/// Most notes of a kind that are told; of the rest only how many.
const MOST_NOTES: usize = 10;
/// What fits into one packet is not compressed.
const WORTH_COMPRESSING: usize = 1400;

/// What a request is answered with.
pub enum Reply {
    /// A whole text.
    Whole(Vec<u8>),
    /// One that is written as it is taken.
    Long(Box<dyn Source>),
    /// Nothing to say.
    Empty,
}

/// Remarks on an answer.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// It may be wrong, or not all.
    pub warnings: Vec<String>,
    /// The query may not be what was meant.
    pub infos: Vec<String>,
}

impl Notes {
    /// That there is more than the limit lets through.
    pub fn truncated(&mut self) {
        self.warnings
            .push("results truncated due to limit".to_owned());
    }

    /// The end of an answer.
    fn end(self, into: &mut Vec<u8>) {
        for (key, what, mut notes) in [
            ("warnings", "warning", self.warnings),
            ("infos", "info", self.infos),
        ] {
            if notes.is_empty() {
                continue;
            }
            if let Some(omitted) = notes.len().checked_sub(MOST_NOTES).filter(|n| *n > 0) {
                notes.truncate(MOST_NOTES);
                notes.push(format!("{omitted} more {what} annotations omitted"));
            }
            json::raw(&format!(",\"{key}\":"), into);
            json::list(&notes, into, |note, into| json::text(note, into));
        }
        into.push(b'}');
    }
}

const BEGINNING: &str = "{\"status\":\"success\",\"data\":";

impl Reply {
    /// Data that is short.
    pub fn of(data: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::noted(data, Notes::default())
    }

    /// Data that is short, with remarks.
    pub fn noted(data: impl FnOnce(&mut Vec<u8>), notes: Notes) -> Self {
        let mut out = BEGINNING.as_bytes().to_vec();
        data(&mut out);
        notes.end(&mut out);
        Self::Whole(out)
    }

    /// A list that may be long, between two texts.
    pub fn list<T, I>(
        before: &str,
        items: I,
        item: fn(T, &mut Vec<u8>),
        after: &str,
        notes: Notes,
    ) -> Self
    where
        T: 'static,
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + Sync + 'static,
    {
        let mut tail = format!("]{after}").into_bytes();
        notes.end(&mut tail);
        Self::Long(Box::new(List {
            head: format!("{BEGINNING}{before}[").into_bytes(),
            items: items.into_iter(),
            item,
            tail,
            begun: false,
        }))
    }

    /// As an HTTP answer.
    pub fn respond(self, headers: &HeaderMap) -> Response<Body> {
        let encoding = negotiate::encoding(&joined(headers, header::ACCEPT_ENCODING));
        let (source, encoding): (Box<dyn Source>, _) = match self {
            Self::Empty => {
                let mut response = Response::new(Body::full(""));
                *response.status_mut() = StatusCode::NO_CONTENT;
                return response;
            }
            Self::Whole(bytes) if bytes.len() <= WORTH_COMPRESSING => {
                return of_json(StatusCode::OK, Body::full(bytes), Encoding::Identity);
            }
            Self::Whole(bytes) => (Box::new(Whole(bytes)), encoding),
            Self::Long(source) => (source, encoding),
        };
        match Body::pieces(source, encoding) {
            Ok(body) => of_json(StatusCode::OK, body, encoding),
            Err(error) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot compress: {error}\n"),
            ),
        }
    }
}

impl ApiError {
    /// As an HTTP answer.
    pub fn respond(&self) -> Response<Body> {
        let mut out = Vec::new();
        json::raw("{\"status\":\"error\",\"errorType\":", &mut out);
        json::text(self.kind.name(), &mut out);
        json::raw(",\"error\":", &mut out);
        json::text(&self.message, &mut out);
        out.push(b'}');
        of_json(self.kind.status(), Body::full(out), Encoding::Identity)
    }
}

fn of_json(status: StatusCode, body: Body, encoding: Encoding) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    compressed(headers, encoding, "Accept-Encoding");
    response
}

struct Whole(Vec<u8>);

impl Source for Whole {
    fn write(&mut self, into: &mut Vec<u8>) -> bool {
        into.append(&mut self.0);
        false
    }
}

/// Members are let go as they are written.
struct List<I: Iterator> {
    head: Vec<u8>,
    items: I,
    item: fn(I::Item, &mut Vec<u8>),
    tail: Vec<u8>,
    begun: bool,
}

impl<I: Iterator + Send + Sync> Source for List<I> {
    fn write(&mut self, into: &mut Vec<u8>) -> bool {
        into.append(&mut self.head);
        while into.len() < PIECE {
            let Some(item) = self.items.next() else {
                into.append(&mut self.tail);
                return false;
            };
            if self.begun {
                into.push(b',');
            }
            self.begun = true;
            (self.item)(item, into);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: Reply) -> (String, usize) {
        let mut all = Vec::new();
        let mut pieces = 0;
        match reply {
            Reply::Whole(bytes) => all = bytes,
            Reply::Long(mut source) => loop {
                let mut piece = Vec::new();
                let more = source.write(&mut piece);
                all.append(&mut piece);
                pieces += 1;
                if !more {
                    break;
                }
            },
            Reply::Empty => {}
        }
        (String::from_utf8(all).unwrap(), pieces)
    }

    #[test]
    fn a_long_list_comes_in_pieces() {
        let items = (0..20_000).map(|n| n.to_string());
        let reply = Reply::list(
            "",
            items,
            |n, into| json::raw(&n, into),
            "",
            Notes::default(),
        );
        let (text, pieces) = written(reply);
        assert!(pieces > 2);
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["data"].as_array().unwrap().len(), 20_000);
        let nothing = Reply::list("", Vec::<String>::new(), |_, _| {}, "", Notes::default());
        assert_eq!(written(nothing).0, "{\"status\":\"success\",\"data\":[]}");
    }

    #[test]
    fn of_many_notes_ten_are_told() {
        let notes = Notes {
            warnings: (0..12).map(|n| format!("w{n}")).collect(),
            infos: vec!["<i>".into()],
        };
        let mut out = Vec::new();
        notes.end(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with(
                "\"w9\",\"2 more warning annotations omitted\"],\"infos\":[\"\\u003ci\\u003e\"]}"
            ),
            "{text}"
        );
    }
}
