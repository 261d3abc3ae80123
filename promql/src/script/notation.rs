//! Series and their samples in the notation of promtool's and Prometheus's tests:
//! `metric{label="value"} 1 2+3x4 _ stale`.
//!
//! The grammar is that of `series_description` in upstream's `promql/parser/generated_parser.y`.

use std::iter::repeat_n;

use promql_parser::label::METRIC_NAME;
use thiserror::Error;

use crate::labels::Labels;
use crate::quoted::unquote;
use crate::sample::STALE;

/// As many points as one line may come to: 57 days, one a second. What is repeated costs nothing to write.
const MOST_POINTS: usize = 5_000_000;

/// What a line says: a series and its points, one at each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Notation {
    /// The labels, the metric's name among them.
    pub labels: Labels,
    /// What there is at each step.
    pub points: Vec<Point>,
}

/// What there is at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// No sample.
    Missing,
    /// A number, or the mark of an ended series.
    Number(f64),
    /// A native histogram, which is not looked into.
    Histogram,
}

/// A line that is not of the notation: where, and what is wrong.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("at character {column}: {message}")]
pub struct NotationError {
    /// Where, counted from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Reads a series with its points.
///
/// # Errors
/// [`NotationError`].
pub fn parse_series(line: &str) -> Result<Notation, NotationError> {
    let mut reader = Reader { line, at: 0 };
    let labels = reader.metric()?;
    let points = reader.points()?;
    Ok(Notation { labels, points })
}

/// Reads points alone, as in `values:` of promtool's tests.
///
/// # Errors
/// [`NotationError`].
pub fn parse_points(text: &str) -> Result<Vec<Point>, NotationError> {
    let mut reader = Reader { line: text, at: 0 };
    reader.skip_space();
    if reader.rest().is_empty() {
        return Ok(Vec::new());
    }
    let mut points = Vec::new();
    reader.item(&mut points)?;
    points.extend(reader.points()?);
    reader.check_count(points.len())?;
    Ok(points)
}

/// Reads the labels of a series alone, as in `labels:` of promtool's tests.
///
/// # Errors
/// [`NotationError`].
pub fn parse_metric(text: &str) -> Result<Labels, NotationError> {
    let mut reader = Reader { line: text, at: 0 };
    let labels = reader.metric()?;
    reader.skip_space();
    if !reader.rest().is_empty() {
        return Err(reader.error("nothing is expected after the labels"));
    }
    Ok(labels)
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> NotationError {
        NotationError {
            column: self.line[..self.at].chars().count() + 1,
            message: message.into(),
        }
    }

    fn skip_space(&mut self) {
        self.at = self.line.len() - self.rest().trim_start().len();
    }

    /// Takes a text if it is next.
    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes the characters that fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn metric(&mut self) -> Result<Labels, NotationError> {
        self.skip_space();
        let name = self.take_while(|c| is_word(c) || c == ':');
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error(format!("{name:?} is no name of a metric")));
        }
        if name.is_empty() && !self.rest().starts_with('{') {
            return Err(self.error("a series begins with its name or with {"));
        }
        let mut pairs = Vec::new();
        let before = self.at;
        self.skip_space();
        if self.take("{") && !self.rest().starts_with('{') {
            self.labels(&mut pairs)?;
        } else {
            self.at = before;
        }
        if !name.is_empty() {
            pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
        }
        Ok(Labels::new(pairs))
    }

    fn labels(&mut self, pairs: &mut Vec<(String, String)>) -> Result<(), NotationError> {
        loop {
            self.skip_space();
            if self.take("}") {
                return Ok(());
            }
            if self.rest().starts_with(['"', '\'', '`']) {
                let name = self.string()?;
                self.skip_space();
                if self.take("=") {
                    pairs.push((name, self.label_value()?));
                } else {
                    pairs.push((METRIC_NAME.to_owned(), name));
                }
            } else {
                let name = self.take_while(is_word);
                if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(self.error("the name of a label or } is expected"));
                }
                self.skip_space();
                if !self.take("=") {
                    return Err(self.error(format!("= is expected after the label {name}")));
                }
                pairs.push((name.to_owned(), self.label_value()?));
            }
            self.skip_space();
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(self.error("a comma or } is expected between labels"));
            }
        }
    }

    fn label_value(&mut self) -> Result<String, NotationError> {
        self.skip_space();
        self.string()
    }

    fn string(&mut self) -> Result<String, NotationError> {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        let quote = match chars.next() {
            Some((_, c @ ('"' | '\'' | '`'))) => c,
            _ => return Err(self.error("a text in quotes is expected")),
        };
        let mut escaped = false;
        for (index, c) in chars {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote != '`' {
                escaped = true;
            } else if c == quote {
                let text = unquote(&rest[..=index])
                    .map_err(|message| self.error(format!("{message}: {}", &rest[..=index])))?;
                self.at += index + 1;
                return Ok(text);
            }
        }
        Err(self.error(format!("a text has no closing {quote}")))
    }

    fn points(&mut self) -> Result<Vec<Point>, NotationError> {
        let mut points = Vec::new();
        loop {
            let before = self.at;
            self.skip_space();
            if self.rest().is_empty() {
                return Ok(points);
            }
            if before == self.at {
                return Err(self.error("a space is expected between points"));
            }
            self.item(&mut points)?;
        }
    }

    fn check_count(&self, count: usize) -> Result<(), NotationError> {
        if count > MOST_POINTS {
            return Err(self.error(format!("more than {MOST_POINTS} points in a line")));
        }
        Ok(())
    }

    /// One item between spaces: a point, or several.
    fn item(&mut self, points: &mut Vec<Point>) -> Result<(), NotationError> {
        if self.take("_") {
            let count = self.times()?.unwrap_or(1);
            self.check_count(points.len().saturating_add(count))?;
            points.extend(repeat_n(Point::Missing, count));
            return Ok(());
        }
        if self.rest().starts_with("{{") {
            self.histogram()?;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
                self.histogram()?;
                if !self.rest().starts_with('x') {
                    return Err(self.error("x and how often are expected after a step"));
                }
            }
            return self.repeat(points, Point::Histogram, None);
        }
        let value = self.value()?;
        let step = if self.rest().starts_with(['+', '-']) {
            let step = self.number()?;
            if !self.rest().starts_with('x') {
                return Err(self.error("x and how often are expected after a step"));
            }
            Some(step)
        } else {
            None
        };
        self.repeat(points, Point::Number(value), step)
    }

    /// The point, and as many more as are asked for.
    fn repeat(
        &mut self,
        points: &mut Vec<Point>,
        first: Point,
        step: Option<f64>,
    ) -> Result<(), NotationError> {
        let more = self.times()?.unwrap_or(0);
        self.check_count(points.len().saturating_add(more))?;
        match (first, step) {
            (Point::Number(mut value), Some(step)) => {
                // Added up, as upstream does it: with its rounding.
                for _ in 0..=more {
                    points.push(Point::Number(value));
                    value += step;
                }
            }
            _ => points.extend(repeat_n(first, more + 1)),
        }
        Ok(())
    }

    /// How often, after an x.
    fn times(&mut self) -> Result<Option<usize>, NotationError> {
        if !self.take("x") {
            return Ok(None);
        }
        let digits = self.take_while(|c| c.is_ascii_digit());
        let count = digits.parse();
        count
            .map(Some)
            .map_err(|_| self.error(format!("{digits:?} says not how often")))
    }

    /// A number with or without a sign, or `stale`.
    fn value(&mut self) -> Result<f64, NotationError> {
        if self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            let before = self.at;
            let word = self.take_while(is_word);
            if word == "stale" {
                return Ok(STALE);
            }
            self.at = before;
        }
        self.number()
    }

    fn number(&mut self) -> Result<f64, NotationError> {
        let sign = if self.take("-") {
            -1.0
        } else {
            self.take("+");
            1.0
        };
        let before = self.at;
        let word = if self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.take_while(is_word)
        } else {
            self.digits()
        };
        let value = match word.to_ascii_lowercase().as_str() {
            "inf" => Some(f64::INFINITY),
            "nan" => Some(f64::NAN),
            text if text.starts_with(|c: char| c.is_ascii_alphabetic()) => None,
            text => go_number(text),
        };
        value.map(|value| sign * value).ok_or_else(|| {
            self.at = before;
            self.error("a number, _ or stale is expected")
        })
    }

    /// Digits with at most one dot and one exponent.
    fn digits(&mut self) -> &'a str {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit() || c == '.');
        if self.rest().starts_with(['e', 'E']) {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        &self.line[start..self.at]
    }

    fn histogram(&mut self) -> Result<(), NotationError> {
        if !self.take("{{") {
            return Err(self.error("a native histogram in {{ }} is expected"));
        }
        let Some(end) = self.rest().find("}}") else {
            return Err(self.error("a native histogram has no closing }}"));
        };
        self.at += end + 2;
        Ok(())
    }
}

/// A number that stands alone, as Go reads it with any base.
pub(super) fn lone_number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) if digits.starts_with('+') => return None,
        Some(digits) => i64::from_str_radix(digits, 16).ok()? as f64,
        None => go_number(digits)?,
    };
    Some(sign * value)
}

/// As Go reads it with any base: digits alone with a leading 0 are octal.
fn go_number(text: &str) -> Option<f64> {
    let octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    if octal && let Ok(value) = i64::from_str_radix(text, 8) {
        return Some(value as f64);
    }
    text.parse().ok()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(text: &str) -> Vec<Option<f64>> {
        let points = parse_points(text).unwrap();
        let number = |point| match point {
            Point::Number(value) => Some(value),
            Point::Missing | Point::Histogram => None,
        };
        points.into_iter().map(number).collect()
    }

    #[test]
    fn labels_in_all_spellings() {
        let labels = Labels::new([("__name__", "a:b"), ("c", "d\"e"), ("f g", "h")]);
        for text in [
            r#"a:b{c="d\"e", "f g"='h'}"#,
            r#"a:b {"f g"=`h`,c='d"e',}"#,
            r#"{"a:b", c="d\"e", "f g"="h"}"#,
            r#"{__name__="a:b", c="d\"e", "f g"="h"} "#,
        ] {
            assert_eq!(parse_metric(text).unwrap(), labels, "{text}");
        }
        assert_eq!(parse_metric("{}").unwrap(), Labels::empty());
    }

    #[test]
    fn points_in_all_spellings() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(
            numbers("1 -2 +3 .5 1e3 1.5E-1"),
            some(&[1.0, -2.0, 3.0, 0.5, 1e3, 0.15])
        );
        assert_eq!(numbers("1+2x3"), some(&[1.0, 3.0, 5.0, 7.0]));
        assert_eq!(
            numbers("-1-2x1 5x2 0x0"),
            some(&[-1.0, -3.0, 5.0, 5.0, 5.0, 0.0])
        );
        assert_eq!(numbers("_ _x2 1"), [None, None, None, Some(1.0)]);
        assert_eq!(numbers("Inf -inf +INF")[1], Some(f64::NEG_INFINITY));
        assert!(numbers("NaN")[0].unwrap().is_nan());
        assert!(crate::is_stale(numbers("stale")[0].unwrap()));
        assert_eq!(numbers("010 089"), some(&[8.0, 89.0]));
        assert_eq!(parse_points("").unwrap(), []);
    }

    #[test]
    fn numbers_that_stand_alone() {
        for (text, number) in [
            ("1", Some(1.0)),
            ("-0x1F", Some(-31.0)),
            ("010", Some(8.0)),
            ("+1.5e3", Some(1500.0)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            ("--1", None),
            ("x", None),
            ("0x", None),
            ("0x+1", None),
            ("1 2", None),
            ("{a=\"x\"} 1", None),
        ] {
            assert_eq!(lone_number(text), number, "{text}");
        }
        assert!(lone_number("NaN").unwrap().is_nan());
    }

    #[test]
    fn histograms_are_not_looked_into() {
        let line = "a {{schema:0 sum:5}} {{}}x2 {{ count:1 }}+{{count:2}}x1 1";
        let points = parse_series(line).unwrap().points;
        assert_eq!(points.len(), 7);
        assert_eq!(points[5], Point::Histogram);
        assert_eq!(parse_series("{{}}").unwrap_err().column, 1);
    }

    #[test]
    fn mistakes_with_their_places() {
        for (line, column) in [
            ("", 1),
            ("1a 1", 3),
            ("a{b} 1", 4),
            ("a{b=c} 1", 5),
            (r#"a{b="c" d="e"} 1"#, 9),
            (r#"a{b="c 1"#, 5),
            (r#"a{b="\q"} 1"#, 5),
            (r#"a{b="c""#, 8),
            ("a 1x", 5),
            ("a 1+x2", 5),
            ("a 1+2", 6),
            ("a 1 x 2", 5),
            ("a b", 3),
            ("a NaNx3", 3),
            ("a 1,2", 4),
            ("a 1.2.3", 3),
            ("a _y", 4),
            ("a {{1", 5),
            ("a 0x99999999", 13),
            ("a _x5000001", 12),
        ] {
            let error = parse_series(line).unwrap_err();
            assert_eq!(error.column, column, "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_no_panic(line in "[a-c0-3{}\"'`\\\\=, x_+.é-]{0,20}") {
            let _ = parse_series(&line);
            let _ = parse_points(&line);
            let _ = parse_metric(&line);
        }

        #[test]
        fn numbers_survive(values in proptest::collection::vec(any::<f64>(), 0..9)) {
            let text: Vec<String> = values.iter().map(|value| format!("{value:e}")).collect();
            let read = numbers(&text.join(" "));
            prop_assert_eq!(read.len(), values.len());
            for (value, read) in values.iter().zip(read) {
                prop_assert!(read == Some(*value) || value.is_nan());
            }
        }
    }
}
