//! Reads an exposition line by line, as Prometheus 3 does where the formats leave it open. What it does
//! otherwise (found by having Prometheus 3.5 scrape thousands of random texts):
//!
//! - Prometheus lets a quoted text of 0.0.4 go on over the end of the line, which the format forbids; here
//!   it ends there, so that one bad line spoils no other.
//! - Blanks before a metric name are skipped, as the format of 0.0.4 has it; Prometheus makes them part of the name.
//! - Refused here, taken there: a label whose quoted name is empty, `# HELP` with a bad name, a value that
//!   stands right behind the name (`a-0 1`), a line that begins with a NUL (the end of the text for
//!   Prometheus), and timestamps beyond 64 bits.
//! - Left to the linter, refused there: repeated labels, a label `__name__`, a unit that the name lacks.
//!
//! Sources: Prometheus "Exposition formats" (text 0.0.4, with the quoted names of Prometheus 3) and the
//! OpenMetrics 1.0.0 specification. What spans lines (whether a family stands together, a series
//! is there twice) is the business of [`lint`](super::lint()).

mod error;
mod number;
mod sample;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::error::ParseError;
pub use self::number::value as parse_value;
use self::sample::sample;
pub use self::sample::{AfterSeries, after_series};
use self::scan::{Scan, unescape};
use super::Format;
use super::event::{Event, Kind};

/// Iterates the events of an exposition, each with its line, from 1. Lines without an event (empty ones of
/// text 0.0.4) are passed over. After an error it goes on with the next line; whoever wants all or
/// nothing stops there.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    rest: &'a [u8],
    format: Format,
    line: usize,
    /// `# EOF` was read, or its lack was told.
    ended: bool,
}

impl<'a> Parser<'a> {
    /// Reads `input`, which need not be UTF-8 nor end.
    pub fn new(input: &'a [u8], format: Format) -> Self {
        Self {
            rest: input,
            format,
            line: 0,
            ended: false,
        }
    }

    fn next_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let end = self.rest.iter().position(|&b| b == b'\n');
        let (line, rest) = match end.and_then(|end| self.rest.split_at_checked(end)) {
            Some((line, rest)) => (line, rest.get(1..).unwrap_or_default()),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line)
    }
}

/// What one line says, if anything: `line` without its end, `number` from 1. For who does not have the
/// whole text at hand; that OpenMetrics ends with [`Event::Eof`], and with nothing after it, is then theirs
/// to see to.
///
/// # Errors
/// When it is not in the format.
pub fn read_line(
    line: &[u8],
    number: usize,
    format: Format,
) -> Result<Option<Event<'_>>, ParseError> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            return read_broken(line, number, format, error.valid_up_to()).map(Some);
        }
    };
    let mut scan = Scan::new(text, number, format);
    scan.blanks();
    match format {
        Format::Text004 if scan.is_at_end() => Ok(None),
        Format::OpenMetrics100 if scan.is_at_end() => {
            Err(scan.error("a sample or '# ': OpenMetrics has no empty lines"))
        }
        _ if scan.next_is(b'#') => comment(&mut scan).map(Some),
        _ => sample(&mut scan).map(|sample| Some(Event::Sample(sample))),
    }
}

/// A line that is no UTF-8: nobody minds that in a comment.
fn read_broken(
    line: &[u8],
    number: usize,
    format: Format,
    at: usize,
) -> Result<Event<'_>, ParseError> {
    let lossy = String::from_utf8_lossy(line);
    let mut scan = Scan::new(&lossy, number, format);
    scan.blanks();
    if format == Format::Text004
        && scan.next_is(b'#')
        && let Ok(Event::Comment(text)) = comment(&mut scan)
    {
        return Ok(Event::Comment(Cow::Owned(text.into_owned())));
    }
    Err(ParseError {
        line: number,
        column: at + 1,
        found: line
            .get(at)
            .map_or_else(String::new, |byte| format!("the byte 0x{byte:02x}")),
        expected: "UTF-8",
        hint: "the text must be UTF-8",
    })
}

impl<'a> Iterator for Parser<'a> {
    type Item = Result<(usize, Event<'a>), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let open = self.format == Format::OpenMetrics100;
            let Some(line) = self.next_line() else {
                if !open || self.ended {
                    return None;
                }
                self.ended = true;
                return Some(Err(ParseError::no_end(self.line)));
            };
            if self.ended {
                self.rest = &[];
                return Some(Err(ParseError::after_end(self.line, line)));
            }
            match read_line(line, self.line, self.format) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    self.ended = event == Event::Eof;
                    return Some(Ok((self.line, event)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A line that begins with `#`.
fn comment<'a>(scan: &mut Scan<'a>) -> Result<Event<'a>, ParseError> {
    const WANTED: &str = "'# HELP ', '# TYPE ', '# UNIT ' or '# EOF'";
    scan.expect("#", "'#'")?;
    let open = scan.format == Format::OpenMetrics100;
    let whole = scan.clone();
    let parted = scan.gap();
    let start = scan.clone();
    let keyword = scan.word();
    if open && parted && keyword == "EOF" && scan.is_at_end() {
        return Ok(Event::Eof);
    }
    let known = matches!(keyword, "HELP" | "TYPE") || (open && keyword == "UNIT");
    if open && !(parted && known) {
        return Err(start.error(WANTED));
    }
    // As in Prometheus, `#HELP` is a comment like any other, and so is `# HELP` with nothing after it.
    if !open && (!parted || !known || !scan.gap()) {
        return Ok(Event::Comment(Cow::Borrowed(whole.rest())));
    }
    if open && !scan.gap() {
        return Err(scan.error("one space and a metric name"));
    }
    let family = scan.name(true, "a metric name")?;
    let mut start = scan.clone();
    // An empty help text may end with the name.
    if !scan.gap() && !scan.is_at_end() {
        return Err(scan.error("a blank after the metric name"));
    }
    // A second blank Prometheus takes for the type's first letter, and refuses the whole text for it.
    if !(keyword == "TYPE" && (start.take(" ") || start.take("\t"))) {
        start = scan.clone();
    }
    let text = start.rest();
    Ok(match keyword {
        "HELP" => Event::Help {
            family,
            text: unescape(text),
        },
        "TYPE" => Event::Type {
            family,
            kind: kind(text, scan.format).ok_or_else(|| {
                start.error(if open {
                    "a type: counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown"
                } else {
                    "a type: counter, gauge, histogram, summary or untyped"
                })
            })?,
        },
        _ => Event::Unit { family, unit: text },
    })
}

fn kind(text: &str, format: Format) -> Option<Kind> {
    Some(match (text, format) {
        ("counter", _) => Kind::Counter,
        ("gauge", _) => Kind::Gauge,
        ("histogram", _) => Kind::Histogram,
        ("summary", _) => Kind::Summary,
        ("untyped", Format::Text004) | ("unknown", Format::OpenMetrics100) => Kind::Unknown,
        ("info", Format::OpenMetrics100) => Kind::Info,
        ("stateset", Format::OpenMetrics100) => Kind::StateSet,
        ("gaugehistogram", Format::OpenMetrics100) => Kind::GaugeHistogram,
        _ => return None,
    })
}
