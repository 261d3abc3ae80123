//! The bodies of answers: a few bytes, or a text that is written and compressed piece by piece as the
//! client takes it, so that an answer of megabytes needs little memory.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};

use super::negotiate::Encoding;

/// How much text is written at a time.
pub const PIECE: usize = 32 << 10;
/// zstd's window: 128 kB finds nearly all that repeats in metrics and keeps eight clients small.
const ZSTD_WINDOW_LOG: u32 = 17;

/// The body of an answer.
pub enum Body {
    /// All of it.
    Full(Option<Bytes>),
    /// One piece after the other.
    Pieces(Box<Pieces>),
}

/// A text that is written as it is needed. It is dropped with the answer: when the client has it all, or
/// has gone.
pub trait Source: Send + Sync {
    /// Appends the next piece, of about [`PIECE`] bytes; whether there is more.
    fn write(&mut self, into: &mut Vec<u8>) -> bool;
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()).filter(|b| !b.is_empty()))
    }

    /// A body that is written piece by piece.
    ///
    /// # Errors
    /// Only when the compressor cannot get its memory.
    pub fn pieces(source: Box<dyn Source>, encoding: Encoding) -> io::Result<Self> {
        Ok(Self::Pieces(Box::new(Pieces {
            source,
            text: Vec::with_capacity(PIECE + 1024),
            sink: Some(Sink::new(encoding)?),
        })))
    }
}

/// A text on its way to a client.
pub struct Pieces {
    source: Box<dyn Source>,
    text: Vec<u8>,
    /// `None` once all is written.
    sink: Option<Sink>,
}

enum Sink {
    Identity(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Sink {
    fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity(Vec::new()),
            Encoding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Takes a piece of text; what is ready to be sent, which may be nothing yet.
    fn take(&mut self, text: &mut Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(_) => Ok(std::mem::take(text)),
            Self::Gzip(encoder) => {
                encoder.write_all(text)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(text)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(rest) => Ok(rest),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Pieces {
    /// The next bytes to send; `None` at the end. A compressor that fails in between ends the answer:
    /// the client sees that it is cut short.
    fn next(&mut self) -> Option<Bytes> {
        while let Some(sink) = &mut self.sink {
            self.text.clear();
            let more = self.source.write(&mut self.text);
            let mut ready = sink.take(&mut self.text).ok()?;
            if !more {
                ready.extend(self.sink.take()?.finish().ok()?);
            }
            if !ready.is_empty() {
                return Some(ready.into());
            }
        }
        None
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Full(bytes) => bytes.take(),
            Self::Pieces(pieces) => pieces.next(),
        };
        Poll::Ready(bytes.map(|b| Ok(Frame::data(b))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Pieces(pieces) => pieces.sink.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
