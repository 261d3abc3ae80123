//! Bounds and unpacks the body of an answer, piece by piece.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use hyper::body::Bytes;

/// Where the text goes.
pub(super) type Sink<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// Why a body is no text.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It has so many bytes as the limit, or more.
    TooLarge,
    /// It is no gzip, or was cut off.
    Broken(io::Error),
}

/// Takes the pieces of a body in.
pub(super) enum Decoder<'a> {
    Plain(Counted<'a>),
    Gzip(Box<MultiGzDecoder<Counted<'a>>>),
}

/// Passes on no more bytes than allowed.
pub(super) struct Counted<'a> {
    sink: Sink<'a>,
    left: u64,
}

impl<'a> Decoder<'a> {
    /// `limit` is that of the unpacked text; as in Prometheus, it must stay below.
    pub fn new(gzip: bool, limit: u64, sink: Sink<'a>) -> Self {
        let counted = Counted { sink, left: limit };
        if gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(counted)))
        } else {
            Self::Plain(counted)
        }
    }

    pub fn piece(&mut self, bytes: &Bytes) -> Result<(), BodyError> {
        let written = match self {
            Self::Plain(counted) => counted.write_all(bytes),
            Self::Gzip(decoder) => decoder.write_all(bytes),
        };
        self.judge(written)
    }

    /// The body has ended.
    pub fn end(mut self) -> Result<(), BodyError> {
        let ended = match &mut self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
        };
        self.judge(ended)
    }

    fn judge(&self, result: io::Result<()>) -> Result<(), BodyError> {
        let counted = match self {
            Self::Plain(counted) => counted,
            Self::Gzip(decoder) => decoder.get_ref(),
        };
        match result {
            _ if counted.left == 0 => Err(BodyError::TooLarge),
            Ok(()) => Ok(()),
            Err(error) => Err(BodyError::Broken(error)),
        }
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length >= self.left {
            self.left = 0;
            return Err(io::Error::other("too large"));
        }
        self.left -= length;
        (self.sink)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
