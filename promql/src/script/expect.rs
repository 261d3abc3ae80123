//! What an evaluation is expected to come to.

use regex::Regex;

use super::notation::Point;
use crate::labels::Labels;
use crate::sample::Timestamp;

/// All that a script says of one evaluation.
#[derive(Debug, Default)]
pub struct Expected {
    /// Its value.
    pub value: ExpectedValue,
    /// The value's order matters.
    pub ordered: bool,
    /// It fails, with a message that fits all of these.
    pub failure: Option<Vec<TextPattern>>,
    /// Warnings.
    pub warnings: ExpectedNotes,
    /// Infos.
    pub infos: ExpectedNotes,
    /// The line of a native histogram among the expected values.
    pub histograms: bool,
}

/// The expected value.
#[derive(Debug)]
pub enum ExpectedValue {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// Series, of which each has at most one point unless the value is over a grid of times.
    Series(Vec<(Labels, Vec<Point>)>),
}

impl Default for ExpectedValue {
    fn default() -> Self {
        Self::Series(Vec::new())
    }
}

/// Times at a constant distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The first, in milliseconds.
    pub from: Timestamp,
    /// None is later.
    pub to: Timestamp,
    /// The distance in milliseconds.
    pub step: i64,
}

/// Expected warnings or infos.
#[derive(Debug, Default)]
pub struct ExpectedNotes {
    /// Each fits at least one of those that came, and each that came fits one of these.
    pub patterns: Vec<TextPattern>,
    /// There is at least one.
    pub some: bool,
    /// There is none.
    pub none: bool,
}

impl ExpectedNotes {
    /// What is wrong with those that came: what was wanted.
    pub fn mismatch(&self, kind: &str, notes: &[String]) -> Option<String> {
        if self.none && !notes.is_empty() {
            return Some(format!("no {kind}"));
        }
        if (self.some || !self.patterns.is_empty()) && notes.is_empty() {
            return Some(match self.patterns.first() {
                None | Some(TextPattern::Any) => format!("some {kind}"),
                Some(pattern) => format!("the {kind} {pattern}"),
            });
        }
        let missing = self
            .patterns
            .iter()
            .find(|pattern| !notes.iter().any(|note| pattern.fits(note)));
        if let Some(pattern) = missing {
            return Some(format!("the {kind} {pattern}"));
        }
        let surplus = notes
            .iter()
            .find(|note| !self.patterns.iter().any(|pattern| pattern.fits(note)));
        surplus
            .filter(|_| !self.patterns.is_empty())
            .map(|note| format!("no {kind} {note:?}"))
    }
}

/// How a message is to be.
#[derive(Clone, Debug)]
pub enum TextPattern {
    /// Any.
    Any,
    /// This one.
    Exactly(String),
    /// One that fits.
    Matching(Regex),
}

impl TextPattern {
    /// Whether a message is so.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => wanted == text,
            Self::Matching(regex) => regex.is_match(text),
        }
    }

    /// Without the position in the expression at its end, ` (1:23)`: this engine's notes have none, for its parser
    /// gives none.
    pub fn without_position(self) -> Self {
        match self {
            Self::Exactly(text) => Self::Exactly(cut_position(&text, " (", ")").to_owned()),
            Self::Matching(regex) => {
                let shorter = cut_position(regex.as_str(), r" \(", r"\)");
                Self::Matching(Regex::new(shorter).unwrap_or_else(|_| regex.clone()))
            }
            Self::Any => Self::Any,
        }
    }
}

fn cut_position<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let Some((before, position)) = text.rsplit_once(open) else {
        return text;
    };
    let fits = |c: char| c.is_ascii_digit() || ":[]+-*d\\".contains(c);
    match position.strip_suffix(close) {
        Some(inner) if inner.contains(':') && inner.chars().all(fits) => before,
        _ => text,
    }
}

impl std::fmt::Display for TextPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Exactly(text) => write!(f, "{text:?}"),
            Self::Matching(regex) => write!(f, "that fits {:?}", regex.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(text: &str) -> TextPattern {
        TextPattern::Exactly(text.to_owned())
    }

    #[test]
    fn positions_are_left_out() {
        for (given, left) in [
            ("got NaN (1:23)", "got NaN"),
            ("for (x)", "for (x)"),
            ("see (https://a:b)", "see (https://a:b)"),
            ("(1:2)", "(1:2)"),
        ] {
            assert!(exactly(given).without_position().fits(left), "{given}");
        }
        let regex = Regex::new(r"got .* \([0-9]+:[0-9]+\)").unwrap();
        let pattern = TextPattern::Matching(regex).without_position();
        assert!(pattern.fits("it got 5"));
        assert!(!pattern.fits("it gets 5"));
    }

    #[test]
    fn each_note_is_expected_and_each_expected_is_there() {
        let notes = |patterns: &[&str]| ExpectedNotes {
            patterns: patterns.iter().map(|text| exactly(text)).collect(),
            ..ExpectedNotes::default()
        };
        let came = ["a".to_owned(), "b".to_owned()];
        assert_eq!(notes(&[]).mismatch("info", &came), None);
        assert_eq!(notes(&["a", "b"]).mismatch("info", &came), None);
        assert!(notes(&["a"]).mismatch("info", &came).is_some());
        assert!(notes(&["a", "b", "c"]).mismatch("info", &came).is_some());
        assert!(notes(&["a"]).mismatch("info", &[]).is_some());
        let none = ExpectedNotes {
            none: true,
            ..ExpectedNotes::default()
        };
        assert!(none.mismatch("info", &came).is_some());
        assert_eq!(none.mismatch("info", &[]), None);
        let some = ExpectedNotes {
            some: true,
            ..ExpectedNotes::default()
        };
        assert!(some.mismatch("info", &[]).is_some());
        assert_eq!(some.mismatch("info", &came), None);
    }
}
