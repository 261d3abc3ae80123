//! Reads both text formats, from any exporter: line by line, borrowing from the input.
//!
//! Sources: Prometheus "Exposition formats" (text 0.0.4, with the quoted names of Prometheus 3) and the
//! OpenMetrics 1.0.0 specification.

use std::borrow::Cow;

use thiserror::Error;

use super::Format;

/// The type that an exposition declares for a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the formats")]
pub enum DeclaredKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    /// `untyped` in 0.0.4, `unknown` in OpenMetrics.
    Unknown,
    Info,
    StateSet,
    GaugeHistogram,
}

/// What one line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// `# HELP`: the family and its text, unescaped.
    Help(&'a str, Cow<'a, str>),
    /// `# TYPE`.
    Type(&'a str, DeclaredKind),
    /// `# UNIT`.
    Unit(&'a str, &'a str),
    /// Any other comment, or a blank line.
    Comment,
    /// A sample.
    Sample(ParsedSample<'a>),
    /// `# EOF`.
    Eof,
}

/// A sample as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedSample<'a> {
    /// Its whole name.
    pub name: Cow<'a, str>,
    /// Names and unescaped values, in order.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its value.
    pub value: f64,
    /// Milliseconds since 1970, where given.
    pub timestamp_ms: Option<i64>,
}

/// A line that is not of the format.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {problem}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    /// What was expected.
    pub problem: &'static str,
}

/// Iterates over the lines of an exposition. After an error it goes on with the next line, so that all
/// mistakes can be told.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    rest: &'a [u8],
    format: Format,
    line: usize,
    ended: bool,
}

impl<'a> Parser<'a> {
    /// For the whole text of an exposition.
    pub fn new(text: &'a [u8], format: Format) -> Self {
        Self {
            rest: text,
            format,
            line: 0,
            ended: false,
        }
    }
}

impl<'a> Iterator for Parser<'a> {
    /// The line's number, from 1, and what it says.
    type Item = Result<(usize, Event<'a>), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            let missing = self.format == Format::OpenMetrics100 && !self.ended;
            self.ended = true;
            let problem = "the text ends without `# EOF`";
            return missing.then(|| {
                Err(ParseError {
                    line: self.line + 1,
                    column: 1,
                    problem,
                })
            });
        }
        self.line += 1;
        let (line, complete) = match self.rest.iter().position(|b| *b == b'\n') {
            Some(end) => {
                let line = &self.rest[..end];
                self.rest = &self.rest[end + 1..];
                (line, true)
            }
            None => (std::mem::take(&mut self.rest), false),
        };
        let error = |column, problem| ParseError {
            line: self.line,
            column,
            problem,
        };
        let parsed = match std::str::from_utf8(line) {
            Err(utf8) => Err(error(utf8.valid_up_to() + 1, "not UTF-8")),
            Ok(_) if self.ended => Err(error(1, "nothing may follow `# EOF`")),
            Ok(_) if !complete && self.format == Format::Text004 => Err(error(
                line.len() + 1,
                "the last line does not end with a newline",
            )),
            Ok(text) => {
                let mut cursor = Cursor {
                    text,
                    at: 0,
                    format: self.format,
                };
                cursor
                    .line()
                    .map_err(|problem| error(cursor.at + 1, problem))
            }
        };
        self.ended |= matches!(parsed, Ok(Event::Eof));
        Some(parsed.map(|event| (self.line, event)))
    }
}

type Problem = &'static str;

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    format: Format,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// 0.0.4 allows any blanks between tokens, OpenMetrics one space exactly.
    fn blanks(&mut self) {
        while self.format == Format::Text004 && matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn separator(&mut self) -> Result<(), Problem> {
        let strict = self.format == Format::OpenMetrics100;
        match self.peek() {
            Some(b' ') => self.at += 1,
            Some(b'\t') if !strict => self.at += 1,
            _ => return Err("a space is missing"),
        }
        self.blanks();
        Ok(())
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn line(&mut self) -> Result<Event<'a>, Problem> {
        let strict = self.format == Format::OpenMetrics100;
        self.blanks();
        match self.peek() {
            None if strict => Err("an empty line"),
            None => Ok(Event::Comment),
            Some(b'#') => self.comment(),
            Some(_) => self.sample().map(Event::Sample),
        }
    }

    fn comment(&mut self) -> Result<Event<'a>, Problem> {
        let strict = self.format == Format::OpenMetrics100;
        if strict && self.rest() == "# EOF" {
            return Ok(Event::Eof);
        }
        self.at += 1;
        self.blanks();
        if strict && !self.take(b' ') {
            return Err("a comment is `# HELP`, `# TYPE`, `# UNIT` or `# EOF`");
        }
        let keyword = self.word();
        if !matches!(keyword, "HELP" | "TYPE" | "UNIT") || (keyword == "UNIT" && !strict) {
            return if strict {
                Err("a comment is `# HELP`, `# TYPE`, `# UNIT` or `# EOF`")
            } else {
                Ok(Event::Comment)
            };
        }
        self.separator()?;
        let name = self.word();
        if !is_metric_name(name) {
            return Err("not a metric name");
        }
        if keyword == "HELP" && self.rest().is_empty() && !strict {
            return Ok(Event::Help(name, Cow::Borrowed("")));
        }
        self.separator()?;
        match keyword {
            "HELP" => Ok(Event::Help(name, unescape(self.rest(), strict))),
            "UNIT" => Ok(Event::Unit(name, self.rest())),
            _ => kind(self.rest().trim_end(), strict)
                .map(|kind| Event::Type(name, kind))
                .ok_or("not a metric type"),
        }
    }

    fn sample(&mut self) -> Result<ParsedSample<'a>, Problem> {
        let mut name = None;
        let mut labels = Vec::new();
        if self.peek() != Some(b'{') {
            let rest = self.rest();
            let end = rest.find(['{', ' ', '\t']).unwrap_or(rest.len());
            if !is_metric_name(&rest[..end]) {
                return Err("not a metric name");
            }
            name = Some(Cow::Borrowed(&rest[..end]));
            self.at += end;
            self.blanks();
        }
        if self.take(b'{') {
            self.labels(&mut name, &mut labels)?;
        }
        let name = name.ok_or("no metric name")?;
        self.blanks();
        if self.format == Format::OpenMetrics100 {
            self.separator()?;
        }
        let value = number(self.word()).ok_or("not a number")?;
        let timestamp_ms = self.timestamp()?;
        Ok(ParsedSample {
            name,
            labels,
            value,
            timestamp_ms,
        })
    }

    fn labels(
        &mut self,
        name: &mut Option<Cow<'a, str>>,
        labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<(), Problem> {
        loop {
            self.blanks();
            if self.take(b'}') {
                return Ok(());
            }
            let key = if self.peek() == Some(b'"') {
                self.quoted()?
            } else {
                let rest = self.rest();
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                let key = &rest[..end];
                if key.is_empty() || key.as_bytes()[0].is_ascii_digit() {
                    return Err("not a label name");
                }
                self.at += end;
                Cow::Borrowed(key)
            };
            self.blanks();
            if self.take(b'=') {
                self.blanks();
                let value = self.quoted()?;
                labels.push((key, value));
            } else if name.is_none() && labels.is_empty() {
                // Prometheus 3: a name that is no plain one stands in the braces, in quotes.
                *name = Some(key);
            } else {
                return Err("`=` is missing after the label name");
            }
            self.blanks();
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err("`,` or `}` is missing after the label");
            }
        }
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, Problem> {
        if !self.take(b'"') {
            return Err("a quote is missing");
        }
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut end = 0;
        while bytes.get(end).is_some_and(|b| *b != b'"') {
            end += 1 + usize::from(bytes[end] == b'\\');
        }
        let raw = rest
            .get(..end)
            .filter(|_| end < bytes.len())
            .ok_or("the quote is not closed")?;
        self.at += end + 1;
        Ok(unescape(raw, true))
    }

    fn timestamp(&mut self) -> Result<Option<i64>, Problem> {
        self.blanks();
        if self.format == Format::Text004 {
            let word = self.word();
            self.blanks();
            return match (word, self.rest()) {
                ("", _) => Ok(None),
                (word, "") => word
                    .parse()
                    .map(Some)
                    .map_err(|_| "not a timestamp in milliseconds"),
                _ => Err("nothing may follow the timestamp"),
            };
        }
        let mut rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        self.separator()?;
        rest = self.rest();
        if rest.starts_with("# {") {
            return Ok(None);
        }
        let seconds = number(self.word())
            .filter(|s| s.is_finite())
            .ok_or("not a timestamp in seconds")?;
        if !self.rest().is_empty() && !self.rest().starts_with(" # {") {
            return Err("only an exemplar may follow the timestamp");
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, far beyond any date"
        )]
        Ok(Some((seconds * 1000.0).round() as i64))
    }
}

fn kind(word: &str, open_metrics: bool) -> Option<DeclaredKind> {
    Some(match (word, open_metrics) {
        ("counter", _) => DeclaredKind::Counter,
        ("gauge", _) => DeclaredKind::Gauge,
        ("histogram", _) => DeclaredKind::Histogram,
        ("summary", _) => DeclaredKind::Summary,
        ("untyped", false) | ("unknown", true) => DeclaredKind::Unknown,
        ("info", true) => DeclaredKind::Info,
        ("stateset", true) => DeclaredKind::StateSet,
        ("gaugehistogram", true) => DeclaredKind::GaugeHistogram,
        _ => return None,
    })
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn is_metric_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

/// Go's and OpenMetrics' floats, without the words that Rust adds.
fn number(word: &str) -> Option<f64> {
    let unsigned = word.trim_start_matches(['+', '-']);
    match unsigned.to_ascii_lowercase().as_str() {
        "nan" | "inf" | "infinity" => word.parse().ok(),
        _ if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => word.parse().ok(),
        _ => None,
    }
}

fn unescape(raw: &str, quotes: bool) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('\\') => out.push('\\'),
            Some('"') if quotes => out.push('"'),
            // Not an escape: kept as it stands.
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family as ClientFamily;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::{Cursor as WriteCursor, write_chunk};
    use crate::metric::{Family, FamilySpec, Labels, Value};
    use crate::snapshot::{Group, Snapshot};

    static READS: FamilySpec = FamilySpec::counter("t_reads_total", "Reads \"so\" \\ far", &[]);
    static LEVEL: FamilySpec = FamilySpec::gauge("t_level_ratio", "Level", &[]);
    static INFO: FamilySpec = FamilySpec::info("t_disk_info", "Who", &[]);

    fn write(families: Vec<Family>, format: Format) -> Vec<u8> {
        let group = Group {
            collector: "t",
            families: families.into(),
        };
        let snapshot = Snapshot {
            taken: SystemTime::UNIX_EPOCH,
            groups: vec![group],
        };
        let mut text = Vec::new();
        write_chunk(
            &snapshot,
            &|_| true,
            format,
            &mut WriteCursor::default(),
            &mut text,
            usize::MAX,
        );
        text
    }

    /// Name, labels, the value's bits.
    type Told = (String, Vec<(String, String)>, u64);

    fn samples(text: &[u8], format: Format) -> Vec<Told> {
        Parser::new(text, format)
            .filter_map(|event| match event.unwrap().1 {
                Event::Sample(s) => Some((
                    s.name.into_owned(),
                    s.labels
                        .into_iter()
                        .map(|(n, v)| (n.into_owned(), v.into_owned()))
                        .collect(),
                    s.value.to_bits(),
                )),
                _ => None,
            })
            .collect()
    }

    fn first(text: &str, format: Format) -> Result<Event<'_>, ParseError> {
        Parser::new(text.as_bytes(), format)
            .next()
            .unwrap()
            .map(|(_, event)| event)
    }

    #[test]
    fn all_kinds_of_lines() {
        let sample = |text| match first(text, Format::Text004) {
            Ok(Event::Sample(s)) => (s.name.into_owned(), s.labels.len(), s.value, s.timestamp_ms),
            other => panic!("{other:?}"),
        };
        assert_eq!(sample("a 1\n"), ("a".into(), 0, 1.0, None));
        assert_eq!(
            sample(" a { b = \"c\" , } +Inf 12\n"),
            ("a".into(), 1, f64::INFINITY, Some(12))
        );
        assert_eq!(
            sample("{\"a.b\",\"c d\"=\"e\"} -1e-3\n"),
            ("a.b".into(), 1, -0.001, None)
        );
        assert_eq!(first("#comment\n", Format::Text004), Ok(Event::Comment));
        assert_eq!(
            first("# TYPE a untyped\n", Format::Text004),
            Ok(Event::Type("a", DeclaredKind::Unknown))
        );
        assert_eq!(
            first("# HELP a b \\\\ c\\n\n", Format::Text004),
            Ok(Event::Help("a", "b \\ c\n".into()))
        );
        let open = Format::OpenMetrics100;
        let Ok(Event::Sample(s)) = first("a_total{b=\"c\"} 1 12.5 # {id=\"x\"} 1\n", open) else {
            panic!()
        };
        assert_eq!(s.timestamp_ms, Some(12_500));
        assert_eq!(
            first("# UNIT a_seconds seconds\n", open),
            Ok(Event::Unit("a_seconds", "seconds"))
        );
        assert_eq!(first("# EOF\n", open), Ok(Event::Eof));
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = |text: &str| {
            Parser::new(text.as_bytes(), Format::Text004)
                .find_map(Result::err)
                .unwrap()
                .to_string()
        };
        assert_eq!(
            error("a 1\nb{c=\"d} 1\n"),
            "line 2, column 6: the quote is not closed"
        );
        assert_eq!(error("a x\n"), "line 1, column 4: not a number");
        assert_eq!(error("1a 1\n"), "line 1, column 1: not a metric name");
        assert_eq!(error("a{b=1} 1\n"), "line 1, column 5: a quote is missing");
        assert_eq!(
            error("a{b=\"1\" c=\"2\"} 1\n"),
            "line 1, column 9: `,` or `}` is missing after the label"
        );
        assert_eq!(
            error("a 1"),
            "line 1, column 4: the last line does not end with a newline"
        );
    }

    /// The client library of Prometheus writes the same families; both texts must say the same.
    #[test]
    fn our_openmetrics_says_what_the_client_library_says() {
        let device = vec![("device".to_owned(), "sd\"a\\\n".to_owned())];
        let labels = Labels::new(&[("device", &device[0].1)]);
        let (mut reads, mut level) = (Family::new(&READS), Family::new(&LEVEL));
        reads.push(&labels, Value::U64(7));
        level.push(&labels, Value::F64(0.8125));
        let mut registry = Registry::default();
        let client_reads = ClientFamily::<Vec<(String, String)>, Counter>::default();
        client_reads.get_or_create(&device).inc_by(7);
        registry.register("t_reads", "Reads \"so\" \\ far", client_reads);
        let client_level = ClientFamily::<
            Vec<(String, String)>,
            Gauge<f64, std::sync::atomic::AtomicU64>,
        >::default();
        client_level.get_or_create(&device).set(0.8125);
        registry.register("t_level_ratio", "Level", client_level);
        let mut theirs = String::new();
        encode(&mut theirs, &registry).unwrap();
        let ours = write(vec![reads, level], Format::OpenMetrics100);
        let open = Format::OpenMetrics100;
        assert_eq!(samples(&ours, open), samples(theirs.as_bytes(), open));
        let heads = |text: &[u8]| -> Vec<String> {
            Parser::new(text, open)
                .filter_map(|e| match e.unwrap().1 {
                    Event::Type(name, kind) => Some(format!("{name} {kind:?}")),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(heads(&ours), heads(theirs.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for format in [Format::Text004, Format::OpenMetrics100] {
                Parser::new(&bytes, format).for_each(drop);
                crate::exposition::lint::lint(&bytes, format);
            }
        }

        #[test]
        fn nearly_right_lines_are_no_panic(pieces in proptest::collection::vec("(a|#| |HELP|TYPE|EOF|\\{|\\}|=|\"|,|1|\\\\|\n|ü)", 0..30)) {
            for format in [Format::Text004, Format::OpenMetrics100] {
                crate::exposition::lint::lint(pieces.concat().as_bytes(), format);
            }
        }

        #[test]
        fn what_is_written_reads_back(values in proptest::collection::vec((any::<f64>(), any::<u64>(), "(?s).{0,12}"), 0..12)) {
            let families = || {
                let mut all = [Family::new(&READS), Family::new(&LEVEL), Family::new(&INFO)];
                for (float, int, text) in &values {
                    let labels = Labels::new(&[("x", text)]);
                    all[0].push(&labels, *int);
                    all[1].push(&labels, *float);
                    all[2].push(&labels.with("y", text), true);
                }
                Vec::from(all)
            };
            for format in [Format::Text004, Format::OpenMetrics100] {
                let back = samples(&write(families(), format), format);
                let expected: Vec<_> = families()
                    .iter()
                    .flat_map(|f| f.samples.iter().map(|s| {
                        let labels = s.labels.iter().map(|(n, v)| (n.to_owned(), v.into_owned())).collect();
                        let value = s.value.as_f64();
                        // NaN has many forms and one text.
                        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
                        (f.spec.name.to_owned(), labels, bits)
                    }))
                    .collect();
                prop_assert_eq!(back, expected);
            }
        }
    }
}
