//! Takes in an exposition as its bytes arrive.

use std::borrow::Cow;

use tidegauge_model::exposition::{
    Event, Format, Kind, ParseError, SampleLine, after_series, read_line,
};
use tidegauge_promql::Timestamp;

use super::cycle::{End, Slot};
use super::error::ScrapeError;
use super::labels::normalize_bounds;
use super::series::{Outcome, Series};
use super::text_keys::TextKeys;

/// The room for a line that is kept when a scrape ends.
const LINE: usize = 4 << 10;

/// The series of a target that is scraped, and the scrape under way.
#[derive(Debug)]
pub(super) struct TextIntake {
    pub series: Series,
    keys: TextKeys,
    /// Whether times in the text count.
    honor_timestamps: bool,
    reading: Reading,
}

/// Where the scrape under way is.
#[derive(Debug, Default)]
struct Reading {
    format: Option<Format>,
    /// A line of which only the beginning is there.
    begun: Vec<u8>,
    /// Lines so far.
    line: usize,
    /// By the last `# TYPE`.
    kind: Option<Kind>,
    /// `# EOF` was there.
    ended: bool,
    /// What is wrong with the text: nothing after it is read.
    failure: Option<ScrapeError>,
}

impl TextIntake {
    pub fn new(series: Series) -> Self {
        Self {
            series,
            keys: TextKeys::new(),
            honor_timestamps: true,
            reading: Reading::default(),
        }
    }

    pub fn set_honor_timestamps(&mut self, honor: bool) {
        self.honor_timestamps = honor;
    }

    /// A scrape begins; `time` is that of samples without one.
    pub fn begin(&mut self, time: Timestamp) {
        self.series.cycle.begin(time);
        self.keys.restart();
        let mut begun = std::mem::take(&mut self.reading.begun);
        begun.clear();
        begun.shrink_to(LINE);
        self.reading = Reading {
            begun,
            ..Reading::default()
        };
    }

    /// What comes is no exposition.
    pub fn refuse(&mut self, why: ScrapeError) {
        self.reading.failure.get_or_insert(why);
    }

    /// More of the text, which is all in one format.
    pub fn text(&mut self, format: Format, mut text: &[u8]) {
        self.reading.format = Some(format);
        if !self.reading.begun.is_empty() {
            let Some((rest, after)) = split_line(text) else {
                return self.reading.begun.extend_from_slice(text);
            };
            let mut line = std::mem::take(&mut self.reading.begun);
            line.extend_from_slice(rest);
            self.line(format, &line);
            line.clear();
            self.reading.begun = line;
            text = after;
        }
        while self.reading.failure.is_none() && !text.is_empty() {
            if let Some(after) = self.guessed(format, text) {
                text = after;
                continue;
            }
            let Some((line, after)) = split_line(text) else {
                return self.reading.begun.extend_from_slice(text);
            };
            self.line(format, line);
            text = after;
        }
    }

    /// The scrape ends; `lost` is why it is not whole.
    pub fn end(&mut self, lost: Option<ScrapeError>) -> Outcome {
        let (end, error) = match lost {
            Some(lost) => (End::Lost, Some(lost)),
            None => {
                self.last_line();
                match self.reading.failure.take() {
                    Some(failure) => (End::Refused, Some(failure)),
                    None if self.reading.format.is_none() => (End::Empty, None),
                    None => (End::Whole, None),
                }
            }
        };
        let keys = &mut self.keys;
        self.series.end(end, error, |slot| keys.remove(slot))
    }

    fn last_line(&mut self) {
        let Some(format) = self.reading.format else {
            return;
        };
        if !self.reading.begun.is_empty() {
            let line = std::mem::take(&mut self.reading.begun);
            self.line(format, &line);
        }
        if format == Format::OpenMetrics100 && !self.reading.ended {
            let error = ParseError::no_end(self.reading.line);
            self.refuse(error.into());
        }
    }

    /// Most lines repeat the series that stood there the last time: whether this one does, and what is
    /// after it.
    fn guessed<'a>(&mut self, format: Format, text: &'a [u8]) -> Option<&'a [u8]> {
        let (slot, key) = self.keys.guess()?;
        let (rest, after) = split_line(text.strip_prefix(key)?)?;
        self.known(format, slot, rest).then_some(after)
    }

    /// A sample of a known series, if the rest of the line is one.
    fn known(&mut self, format: Format, slot: Slot, rest: &[u8]) -> bool {
        let reading = &mut self.reading;
        let sample = std::str::from_utf8(rest)
            .ok()
            .filter(|_| !reading.ended && reading.failure.is_none())
            .and_then(|rest| after_series(rest, format));
        let Some(sample) = sample else {
            return false;
        };
        reading.line += 1;
        let explicit = sample.timestamp_ms.filter(|_| self.honor_timestamps);
        self.series.cycle.record(slot, sample.value, explicit);
        self.keys.follow(slot);
        true
    }

    fn line(&mut self, format: Format, line: &[u8]) {
        if self.reading.failure.is_some() {
            return;
        }
        let key = series_text(line);
        if let Some((slot, rest)) = self.find(key, line)
            && self.known(format, slot, rest)
        {
            return;
        }
        self.reading.line += 1;
        if let Err(error) = self.parse(format, line, key) {
            self.refuse(error);
        }
    }

    fn find<'a>(&self, key: Option<&[u8]>, line: &'a [u8]) -> Option<(Slot, &'a [u8])> {
        if let Some((slot, guess)) = self.keys.guess()
            && let Some(rest) = line.strip_prefix(guess)
            && rest.first().is_some_and(|byte| b" \t".contains(byte))
        {
            return Some((slot, rest));
        }
        let key = key?;
        Some((self.keys.find(key)?, line.get(key.len()..)?))
    }

    fn parse(
        &mut self,
        format: Format,
        line: &[u8],
        key: Option<&[u8]>,
    ) -> Result<(), ScrapeError> {
        let number = self.reading.line;
        if self.reading.ended {
            return Err(ParseError::after_end(number, line).into());
        }
        match read_line(line, number, format)? {
            Some(Event::Sample(sample)) => self.sample(sample, key)?,
            Some(Event::Type { family, kind }) => {
                self.reading.kind = Some(kind);
                self.series.metadata().set_kind(&family, kind);
            }
            Some(Event::Help { family, text }) => self.series.metadata().set_help(&family, &text),
            Some(Event::Unit { family, unit }) => {
                if !unit.is_empty() && !ends_in_unit(&family, unit) {
                    return Err(ScrapeError::Series {
                        line: number,
                        reason: format!("unit {unit:?} is no suffix of the metric {family:?}"),
                    });
                }
                self.series.metadata().set_unit(&family, unit);
            }
            Some(Event::Eof) => self.reading.ended = true,
            Some(Event::Comment(_)) | None => {}
        }
        Ok(())
    }

    fn sample(
        &mut self,
        mut sample: SampleLine<'_>,
        key: Option<&[u8]>,
    ) -> Result<(), ScrapeError> {
        normalize_bounds(self.reading.kind, &mut sample.labels);
        let explicit = sample.timestamp_ms.filter(|_| self.honor_timestamps);
        // One that is written with blanks in odd places is known by what it says.
        let key = key.map_or_else(|| Cow::Owned(spelled_out(&sample)), Cow::Borrowed);
        let slot = match self.keys.find(&key) {
            Some(slot) => {
                self.series.cycle.record(slot, sample.value, explicit);
                slot
            }
            None => {
                let created = self.series.create(
                    &sample.name,
                    &sample.labels,
                    sample.value,
                    explicit,
                    self.reading.line,
                )?;
                let Some(slot) = created else {
                    return Ok(());
                };
                self.keys.insert(slot, &key);
                slot
            }
        };
        self.keys.follow(slot);
        Ok(())
    }
}

/// A line without its end, and what is after it.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    Some((&text[..end], &text[end + 1..]))
}

/// The text of the series at the start of a line: `name`, `name{…}` or `{…}`. `None` where it is not
/// such a plain thing.
fn series_text(line: &[u8]) -> Option<&[u8]> {
    let name = memchr::memchr3(b'{', b' ', b'\t', line)?;
    if line.first() == Some(&b'#') {
        return None;
    }
    if line[name] != b'{' {
        let next = line[name..].iter().find(|byte| !b" \t".contains(byte))?;
        return (*next != b'{' && name > 0).then(|| &line[..name]);
    }
    let mut at = name + 1;
    let mut quoted = false;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(&line[..=at]),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A text that no series has at the start of its line, for no line begins with an end of a line.
fn spelled_out(sample: &SampleLine<'_>) -> Vec<u8> {
    format!("\n{:?}{:?}", sample.name, sample.labels).into_bytes()
}

/// OpenMetrics: the unit is the last word of the name.
fn ends_in_unit(family: &str, unit: &str) -> bool {
    family
        .strip_suffix(unit)
        .is_some_and(|stem| stem.ends_with('_'))
}

#[cfg(test)]
mod tests;
