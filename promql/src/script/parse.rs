//! Reads scripts: commands, and what they expect.

use std::time::Duration;

use regex::Regex;

use super::expect::{Expected, ExpectedNotes, ExpectedValue, Grid, TextPattern};
use super::notation::{Notation, Point, lone_number, parse_series};
use super::{Script, ScriptError};
use crate::duration::parse_duration;
use crate::quoted::unquote;
use crate::sample::Timestamp;

/// One command of a script.
#[derive(Debug)]
pub enum Command {
    /// Forgets what was loaded.
    Clear,
    /// Loads series.
    Load(Load),
    /// Evaluates an expression.
    Evaluate(Box<Evaluation>),
}

/// Series to load.
#[derive(Debug)]
pub struct Load {
    /// Milliseconds between points, of which the first is at 0.
    pub step: i64,
    /// Each with its line.
    pub series: Vec<(usize, Notation)>,
    /// Series for which start timestamps are given.
    pub started: Vec<Notation>,
    /// Classic histograms are loaded as native ones, too.
    pub as_native: bool,
}

/// An expression to evaluate.
#[derive(Debug)]
pub struct Evaluation {
    /// The line of the command.
    pub line: usize,
    /// The expression.
    pub expression: String,
    /// When.
    pub when: When,
    /// What comes out.
    pub expected: Expected,
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// At one time.
    Instant(Timestamp),
    /// At one time, to a range vector: at the last time of its grid.
    RangeVector(Grid),
    /// As a range query.
    Range(Grid),
}

impl Script {
    /// Reads a script. Expressions are not looked into.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let lines = text.lines().enumerate().map(|(index, line)| {
            let line = line.trim();
            // A comment ends a block, as an empty line does.
            let line = if line.starts_with('#') { "" } else { line };
            (index + 1, line)
        });
        let mut lines = Lines {
            lines: lines.collect(),
            next: 0,
        };
        let mut commands = Vec::new();
        while let Some((line, text)) = lines.take() {
            if text.is_empty() {
                continue;
            }
            let (word, rest) = first_word(text);
            commands.push(match word {
                "clear" => Command::Clear,
                "load" | "load_with_nhcb" => Command::Load(lines.load(line, word, rest)?),
                "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
                    Command::Evaluate(Box::new(lines.evaluation(line, word, rest)?))
                }
                _ => {
                    return Err(mistake(
                        line,
                        format!("{word:?} is no command; there are load, clear and eval"),
                    ));
                }
            });
        }
        Ok(Self { commands })
    }
}

struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.next).copied()?;
        self.next += 1;
        Some(line)
    }

    /// The next line of a block.
    fn in_block(&mut self) -> Option<(usize, &'a str)> {
        self.take().filter(|(_, text)| !text.is_empty())
    }

    fn load(&mut self, line: usize, word: &str, step: &str) -> Result<Load, ScriptError> {
        let mut load = Load {
            step: milliseconds(line, "the step of load", step)?,
            series: Vec::new(),
            started: Vec::new(),
            as_native: word == "load_with_nhcb",
        };
        while let Some((line, text)) = self.in_block() {
            match start_timestamps(text) {
                Some(metric) => load.started.push(series(line, metric)?),
                None => {
                    let read = series(line, text)?;
                    // Of a series given twice the last line counts.
                    load.series.retain(|(_, known)| known.labels != read.labels);
                    load.series.push((line, read));
                }
            }
        }
        Ok(load)
    }

    fn evaluation(
        &mut self,
        line: usize,
        word: &str,
        rest: &str,
    ) -> Result<Evaluation, ScriptError> {
        let (when, expression) = when(line, rest)?;
        let mut evaluation = Evaluation {
            line,
            expression: expression.to_owned(),
            when,
            expected: Expected::default(),
        };
        let expected = &mut evaluation.expected;
        let all = || Some(Vec::new());
        match word {
            "eval_fail" => expected.failure = all(),
            "eval_warn" => expected.warnings.some = true,
            "eval_info" => expected.infos.some = true,
            "eval_ordered" => expected.ordered = true,
            _ => {}
        }
        if expected.ordered && !matches!(when, When::Instant(_)) {
            return Err(mistake(
                line,
                "a range query has no order but that of labels",
            ));
        }
        while let Some((line, text)) = self.in_block() {
            if !evaluation.expect(line, text, word == "eval_fail")? {
                break;
            }
        }
        evaluation.check(line)?;
        Ok(evaluation)
    }
}

impl Evaluation {
    /// Takes in a line of what is expected; whether there may be more.
    fn expect(&mut self, line: usize, text: &str, old_failure: bool) -> Result<bool, ScriptError> {
        let (word, rest) = first_word(text);
        let expected = &mut self.expected;
        match word {
            "expected_fail_message" if old_failure => {
                expected.failure = Some(vec![TextPattern::Exactly(rest.to_owned())]);
                return Ok(false);
            }
            "expected_fail_regexp" if old_failure => {
                expected.failure = Some(vec![TextPattern::Matching(regex(line, rest)?)]);
                return Ok(false);
            }
            "expect" => match first_word(rest) {
                ("range", rest) => {
                    let Some(("from", grid)) = rest.strip_prefix("vector ").map(first_word) else {
                        return Err(mistake(line, "expect range vector from … to … step …"));
                    };
                    let (grid, left) = grid_of(line, grid)?;
                    if !left.is_empty() {
                        return Err(mistake(line, "nothing is expected after the step"));
                    }
                    self.when = When::RangeVector(grid);
                }
                ("string", text) => {
                    let text = unquote(text)
                        .map_err(|_| mistake(line, "expect string needs a text in quotes"))?;
                    expected.value = ExpectedValue::Text(text);
                }
                (what, pattern) => expect_notes(line, expected, what, pattern)?,
            },
            _ => return self.expect_value(line, text),
        }
        Ok(true)
    }

    fn expect_value(&mut self, line: usize, text: &str) -> Result<bool, ScriptError> {
        if let Some(number) = lone_number(text) {
            self.expected.value = ExpectedValue::Scalar(number);
            return Ok(false);
        }
        let Notation { labels, points } = series(line, text)?;
        if points.contains(&Point::Histogram) {
            self.expected.histograms = true;
        }
        if matches!(self.when, When::Instant(_)) && points.len() != 1 {
            return Err(mistake(
                line,
                "one value is expected for each series of an instant evaluation; several come from a range, or after \
                 expect range vector",
            ));
        }
        match &mut self.expected.value {
            ExpectedValue::Series(known) if known.iter().any(|(other, _)| *other == labels) => {
                Err(mistake(line, format!("{labels} is expected twice")))
            }
            ExpectedValue::Series(known) => {
                known.push((labels, points));
                Ok(true)
            }
            ExpectedValue::Scalar(_) | ExpectedValue::Text(_) => Err(mistake(
                line,
                "series are expected beside a number or a text",
            )),
        }
    }

    fn check(&self, line: usize) -> Result<(), ScriptError> {
        for (notes, name) in [
            (&self.expected.warnings, "warn"),
            (&self.expected.infos, "info"),
        ] {
            if notes.none && (notes.some || !notes.patterns.is_empty()) {
                let text = format!("expect {name} and expect no_{name} cannot both hold");
                return Err(mistake(line, text));
            }
        }
        Ok(())
    }
}

fn expect_notes(
    line: usize,
    expected: &mut Expected,
    what: &str,
    pattern: &str,
) -> Result<(), ScriptError> {
    let plain = pattern.is_empty();
    let pattern = if let Some(text) = pattern.strip_prefix("msg:") {
        TextPattern::Exactly(text.trim().to_owned())
    } else if let Some(text) = pattern.strip_prefix("regex:") {
        TextPattern::Matching(regex(line, text.trim())?)
    } else if plain {
        TextPattern::Any
    } else {
        return Err(mistake(line, "msg: or regex: is expected"));
    };
    let add = |notes: &mut ExpectedNotes, pattern: TextPattern| {
        notes.patterns.push(pattern.without_position());
    };
    match what {
        "fail" if expected.failure.as_ref().is_some_and(|f| !f.is_empty()) => {
            return Err(mistake(line, "expect fail is given twice"));
        }
        "fail" => expected.failure = Some(vec![pattern]),
        "warn" => add(&mut expected.warnings, pattern),
        "info" => add(&mut expected.infos, pattern),
        "no_warn" if plain => expected.warnings.none = true,
        "no_info" if plain => expected.infos.none = true,
        "ordered" if plain => expected.ordered = true,
        "no_warn" | "no_info" | "ordered" => {
            return Err(mistake(line, format!("expect {what} takes no pattern")));
        }
        _ => {
            return Err(mistake(
                line,
                format!(
                    "{what:?} cannot be expected; there are fail, warn, no_warn, info, no_info, ordered, string and \
                     range vector"
                ),
            ));
        }
    }
    Ok(())
}

/// When, and the expression after it.
fn when(line: usize, text: &str) -> Result<(When, &str), ScriptError> {
    let usage = || {
        mistake(
            line,
            "eval instant at TIME EXPRESSION, or eval range from TIME to TIME step DURATION EXPRESSION",
        )
    };
    let (kind, rest) = first_word(text);
    let (when, expression) = match (kind, first_word(rest)) {
        ("instant", ("at", rest)) => {
            let (time, expression) = first_word(rest);
            let at = milliseconds(line, "the time", time)?;
            (When::Instant(at), expression)
        }
        ("range", ("from", rest)) => {
            let (grid, expression) = grid_of(line, rest)?;
            (When::Range(grid), expression)
        }
        _ => return Err(usage()),
    };
    if expression.is_empty() {
        return Err(usage());
    }
    Ok((when, expression))
}

/// `TIME to TIME step DURATION`, and what comes after it.
fn grid_of(line: usize, text: &str) -> Result<(Grid, &str), ScriptError> {
    let (from, rest) = first_word(text);
    let ("to", rest) = first_word(rest) else {
        return Err(mistake(line, "to is expected after the first time"));
    };
    let (to, rest) = first_word(rest);
    let ("step", rest) = first_word(rest) else {
        return Err(mistake(line, "step is expected after the last time"));
    };
    let (step, rest) = first_word(rest);
    let grid = Grid {
        from: milliseconds(line, "the first time", from)?,
        to: milliseconds(line, "the last time", to)?,
        step: milliseconds(line, "the step", step)?,
    };
    if grid.to < grid.from || grid.step == 0 {
        return Err(mistake(
            line,
            "the last time may not be before the first, and the step not 0",
        ));
    }
    Ok((grid, rest))
}

/// The metric of a line of start timestamps: `metric{…}@st …`.
fn start_timestamps(text: &str) -> Option<&str> {
    let end = text.find([' ', '\t'])?;
    text[..end].strip_suffix("@st")
}

fn series(line: usize, text: &str) -> Result<Notation, ScriptError> {
    parse_series(text).map_err(|error| mistake(line, error.to_string()))
}

fn milliseconds(line: usize, what: &str, text: &str) -> Result<i64, ScriptError> {
    let duration: Duration = parse_duration(text)
        .map_err(|error| mistake(line, format!("{what} is wrong: {error}; as in 1h30m")))?;
    Ok(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn regex(line: usize, pattern: &str) -> Result<Regex, ScriptError> {
    Regex::new(pattern).map_err(|error| mistake(line, format!("wrong pattern: {error}")))
}

/// The first word, and what comes after it and the space.
fn first_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn mistake(line: usize, message: impl Into<String>) -> ScriptError {
    ScriptError {
        line,
        message: message.into(),
    }
}
