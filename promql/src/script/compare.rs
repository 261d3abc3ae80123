//! Compares what came with what was expected.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::expect::{Expected, ExpectedValue, Grid};
use super::notation::Point;
use crate::almost::almost_equal;
use crate::labels::Labels;
use crate::number::general;
use crate::sample::{Sample, Timestamp};
use crate::value::{Answer, MatrixSeries, Value};

/// By how much, relative to their sum, two values may differ.
const TOLERANCE: f64 = 1e-6;

/// What was wanted, and what came.
#[derive(Debug, PartialEq)]
pub struct Mismatch {
    /// What was wanted.
    pub wanted: String,
    /// What came.
    pub got: String,
}

type Compared = Result<(), Mismatch>;

fn mismatch(wanted: impl Into<String>, got: impl Into<String>) -> Compared {
    Err(Mismatch {
        wanted: wanted.into(),
        got: got.into(),
    })
}

/// Compares warnings and infos.
pub fn notes(expected: &Expected, answer: &Answer) -> Compared {
    for (notes, kind, came) in [
        (&expected.warnings, "warning", &answer.warnings),
        (&expected.infos, "info", &answer.infos),
    ] {
        if let Some(wanted) = notes.mismatch(kind, came) {
            let got = if came.is_empty() {
                format!("no {kind}")
            } else {
                came.join("\n        ")
            };
            return mismatch(wanted, got);
        }
    }
    Ok(())
}

/// Compares a value, at the times of the grid where it is over time.
pub fn value(expected: &Expected, value: &Value, grid: Option<Grid>) -> Compared {
    match (&expected.value, value) {
        (ExpectedValue::Scalar(wanted), Value::Scalar(got)) => number(*wanted, got.value),
        (ExpectedValue::Text(wanted), Value::String(got)) if wanted == got => Ok(()),
        (ExpectedValue::Series(wanted), Value::Vector(got)) => {
            let got: Vec<(&Labels, f64)> = got
                .iter()
                .map(|member| (&member.labels, member.sample.value))
                .collect();
            vector(wanted, &got, expected.ordered)
        }
        (ExpectedValue::Series(wanted), Value::Matrix(got)) => match grid {
            Some(grid) if !expected.ordered => matrix(wanted, got, grid),
            Some(_) => mismatch("series in an order", "a range vector, which has none"),
            None => mismatch("an instant vector", show(value)),
        },
        (wanted, _) => mismatch(wanted.describe(), show(value)),
    }
}

/// Compares the middle of a range query with what is expected of an instant query at that time.
pub fn middle(expected: &Expected, got: &Value, at: Timestamp) -> Compared {
    let Value::Matrix(series) = got else {
        return mismatch("a range vector", show(got));
    };
    sorted(series)?;
    let members: Vec<(&Labels, f64)> = series
        .iter()
        .filter_map(|series| {
            let index = series.samples.times.binary_search(&at).ok()?;
            Some((&series.labels, *series.samples.values.get(index)?))
        })
        .collect();
    match (&expected.value, members.as_slice()) {
        (ExpectedValue::Scalar(wanted), [(labels, got)]) if labels.is_empty() => {
            number(*wanted, *got)
        }
        (ExpectedValue::Series(wanted), _) => vector(wanted, &members, false),
        (wanted, _) => mismatch(wanted.describe(), show(got)),
    }
}

fn number(wanted: f64, got: f64) -> Compared {
    if almost_equal(wanted, got, TOLERANCE) {
        Ok(())
    } else {
        mismatch(general(wanted), general(got))
    }
}

fn vector(wanted: &[(Labels, Vec<Point>)], got: &[(&Labels, f64)], ordered: bool) -> Compared {
    let all = || list(got.iter().map(|(labels, value)| one(labels, *value)));
    let places = places(wanted);
    let mut seen = vec![false; wanted.len()];
    for (position, &(labels, value)) in got.iter().enumerate() {
        let Some(&place) = places.get(labels) else {
            return mismatch(format!("no {labels}"), all());
        };
        if seen[place] {
            return mismatch(format!("{labels} once"), all());
        }
        seen[place] = true;
        if ordered && place != position {
            return mismatch(format!("{labels} in place {}", place + 1), all());
        }
        match wanted[place].1.as_slice() {
            [Point::Number(number)] if almost_equal(*number, value, TOLERANCE) => {}
            [Point::Number(number)] => {
                return mismatch(one(labels, *number), one(labels, value));
            }
            _ => return mismatch(format!("{labels} without a number"), one(labels, value)),
        }
    }
    missing(wanted, &seen, all)
}

fn matrix(wanted: &[(Labels, Vec<Point>)], got: &[MatrixSeries], grid: Grid) -> Compared {
    sorted(got)?;
    let all = || list(got.iter().map(row));
    let places = places(wanted);
    let mut seen = vec![false; wanted.len()];
    for series in got {
        let labels = &series.labels;
        let Some(&place) = places.get(labels) else {
            return mismatch(format!("no {labels}"), row(series));
        };
        if seen[place] {
            return mismatch(format!("{labels} once"), all());
        }
        seen[place] = true;
        let expected = samples(labels, &wanted[place].1, grid)?;
        let same = expected.len() == series.samples.len()
            && expected
                .iter()
                .zip(series.samples.iter())
                .all(|(a, b)| a.time == b.time && almost_equal(a.value, b.value, TOLERANCE));
        if !same {
            return mismatch(points(labels, expected.into_iter()), row(series));
        }
    }
    missing(wanted, &seen, all)
}

/// What a line of expected points comes to.
fn samples(labels: &Labels, points: &[Point], grid: Grid) -> Result<Vec<Sample>, Mismatch> {
    let times = (grid.from..=grid.to).step_by(usize::try_from(grid.step).unwrap_or(usize::MAX));
    if points.len() > times.clone().count() {
        return Err(Mismatch {
            wanted: format!("{} points for {labels}", points.len()),
            got: format!("a range of {} points", times.count()),
        });
    }
    let samples = times.zip(points).filter_map(|(time, point)| match point {
        Point::Number(value) => Some(Sample {
            time,
            value: *value,
        }),
        Point::Missing | Point::Histogram => None,
    });
    Ok(samples.collect())
}

fn places(wanted: &[(Labels, Vec<Point>)]) -> BTreeMap<&Labels, usize> {
    let labels = wanted.iter().map(|(labels, _)| labels);
    labels
        .enumerate()
        .map(|(place, labels)| (labels, place))
        .collect()
}

fn missing(wanted: &[(Labels, Vec<Point>)], seen: &[bool], got: impl Fn() -> String) -> Compared {
    // Upstream wants a series all of whose points are left out to be there, too: it cannot be.
    match wanted.iter().zip(seen).find(|(_, seen)| !**seen) {
        None => Ok(()),
        Some(((labels, _), _)) => mismatch(labels.to_string(), got()),
    }
}

fn sorted(series: &[MatrixSeries]) -> Compared {
    let wrong = series
        .windows(2)
        .find(|pair| pair[0].labels > pair[1].labels);
    match wrong {
        None => Ok(()),
        Some(pair) => mismatch(
            "series sorted by labels",
            format!("{} before {}", pair[0].labels, pair[1].labels),
        ),
    }
}

impl ExpectedValue {
    fn describe(&self) -> String {
        match self {
            Self::Scalar(value) => format!("the number {}", general(*value)),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Series(series) if series.is_empty() => "a vector of no series".to_owned(),
            Self::Series(series) => list(series.iter().map(|(labels, _)| labels.to_string())),
        }
    }
}

/// A value in one or more lines.
pub fn show(value: &Value) -> String {
    match value {
        Value::Scalar(sample) => format!("the number {}", general(sample.value)),
        Value::String(text) => format!("the text {text:?}"),
        Value::Vector(members) => list(members.iter().map(|m| one(&m.labels, m.sample.value))),
        Value::Matrix(series) => list(series.iter().map(row)),
    }
}

fn one(labels: &Labels, value: f64) -> String {
    format!("{labels} {}", general(value))
}

fn row(series: &MatrixSeries) -> String {
    points(&series.labels, series.samples.iter())
}

fn points(labels: &Labels, samples: impl Iterator<Item = Sample>) -> String {
    let mut text = labels.to_string();
    for sample in samples {
        let _ = write!(text, " {}@{}", general(sample.value), sample.time);
    }
    text
}

/// Lines of a list, the first ones of a long one.
fn list(lines: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 20;
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    let mut text = lines[..lines.len().min(SHOWN)].join("\n        ");
    if lines.len() > SHOWN {
        let _ = write!(text, "\n        … and {} more", lines.len() - SHOWN);
    }
    text
}
