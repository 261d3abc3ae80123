//! Reads the pieces of one line.

use std::borrow::Cow;

use super::ParseError;
use crate::exposition::Format;
use crate::exposition::event::plain_length;

/// A place in a line.
#[derive(Clone)]
pub(super) struct Scan<'a> {
    pub format: Format,
    line: &'a str,
    number: usize,
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(line: &'a str, number: usize, format: Format) -> Self {
        Self {
            format,
            line,
            number,
            at: 0,
        }
    }

    pub fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.line.len()
    }

    pub fn next_is(&self, byte: u8) -> bool {
        self.line.as_bytes().get(self.at) == Some(&byte)
    }

    /// That what comes next is not what should.
    pub fn error(&self, expected: &'static str) -> ParseError {
        ParseError::new(self.number, self.at, self.line, expected)
    }

    /// Takes `text` if it comes next.
    pub fn take(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    pub fn expect(&mut self, text: &str, expected: &'static str) -> Result<(), ParseError> {
        if self.take(text) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    /// Takes the `n` bytes that come next; `n` ends at a character.
    fn advance(&mut self, n: usize) -> &'a str {
        let piece = self.rest().get(..n).unwrap_or_default();
        self.at += piece.len();
        piece
    }

    /// Blanks where text 0.0.4 lets them stand; OpenMetrics has none. Whether there were any.
    pub fn blanks(&mut self) -> bool {
        let n = match self.format {
            Format::Text004 => self
                .rest()
                .bytes()
                .take_while(|b| b" \t".contains(b))
                .count(),
            Format::OpenMetrics100 => 0,
        };
        !self.advance(n).is_empty()
    }

    /// What parts two pieces: exactly one space in OpenMetrics, any blanks in text 0.0.4.
    pub fn gap(&mut self) -> bool {
        match self.format {
            Format::Text004 => self.blanks(),
            Format::OpenMetrics100 => self.take(" "),
        }
    }

    /// Takes what comes before the next blank or the end, if anything.
    pub fn word(&mut self) -> &'a str {
        let rest = self.rest();
        self.advance(rest.find([' ', '\t']).unwrap_or(rest.len()))
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a str {
        self.advance(self.rest().len())
    }

    /// A plain name or, of Prometheus 3, a quoted one.
    pub fn name(
        &mut self,
        colons: bool,
        expected: &'static str,
    ) -> Result<Cow<'a, str>, ParseError> {
        let start = self.clone();
        let name = if self.next_is(b'"') {
            self.quoted()?
        } else {
            Cow::Borrowed(self.advance(plain_length(self.rest(), colons)))
        };
        if name.is_empty() {
            return Err(start.error(expected));
        }
        Ok(name)
    }

    /// Text in quotes, unescaped.
    pub fn quoted(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.expect("\"", "'\"'")?;
        let bytes = self.rest().as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    let raw = self.advance(end);
                    self.at += 1;
                    return Ok(unescape(raw));
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        self.take_rest();
        Err(self.error("'\"' at the end of the quoted text (a line end in it is written \\n)"))
    }
}

/// `\\`, `\"` and `\n` as what they stand for. Any other backslash stays, as in Prometheus.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else {
        return Cow::Borrowed(raw);
    };
    let (plain, mut rest) = raw.split_at(first);
    let mut out = String::with_capacity(raw.len());
    out.push_str(plain);
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        let (c, length) = match escaped.as_bytes().get(1) {
            Some(b'n') => ('\n', 2),
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            _ => ('\\', 1),
        };
        out.push(c);
        rest = escaped.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}
