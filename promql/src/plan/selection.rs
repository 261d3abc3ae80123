//! Selectors and subqueries: matchers, offsets, and how far back they reach.

use std::time::{Duration, SystemTime};

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{AtModifier, MatrixSelector, Offset, SubqueryExpr, VectorSelector};

use crate::error::Error;
use crate::pattern::anchored;
use crate::query::Options;
use crate::sample::millis;
use crate::selector::Selector;

use super::compile::{Compiler, Typed, refuse};
use super::{At, Range, Select, Source, VectorNode};

/// How far back of the time of evaluation the subqueries around reach.
#[derive(Clone, Copy, Default)]
pub(super) struct Reads {
    /// Milliseconds.
    back: i64,
    /// Whether they look at a time that is named.
    fixed: bool,
}

impl Reads {
    fn further(self, range: i64, offset: i64, at: Option<At>) -> Self {
        let before = match at {
            Some(At::Time(_)) => Self {
                back: 0,
                fixed: true,
            },
            Some(At::QueryStart | At::QueryEnd) => Self::default(),
            None => self,
        };
        Self {
            back: before.back.saturating_add(range).saturating_add(offset),
            fixed: before.fixed,
        }
    }
}

impl Compiler {
    pub fn select(&mut self, selector: &VectorSelector) -> Result<Select, Error> {
        let select = Select {
            matchers: matchers(selector)?,
            offset: offset(selector.offset.as_ref()),
            at: at(selector.at.as_ref())?,
        };
        let lookback = millis(Options::default().lookback);
        self.note(&select.matchers, lookback, select.offset, select.at);
        Ok(select)
    }

    pub fn range(&mut self, selector: &MatrixSelector) -> Result<Range, Error> {
        let range = Range {
            range: positive(selector.range)?,
            offset: offset(selector.vs.offset.as_ref()),
            at: at(selector.vs.at.as_ref())?,
            source: Source::Stored(matchers(&selector.vs)?),
        };
        if let Some(matchers) = range.matchers() {
            self.note(matchers, range.range, range.offset, range.at);
        }
        Ok(range)
    }

    pub fn subquery(&mut self, subquery: &SubqueryExpr) -> Result<Range, Error> {
        let (length, offset) = (positive(subquery.range)?, offset(subquery.offset.as_ref()));
        let at = at(subquery.at.as_ref())?;
        let step = subquery.step.map(positive).transpose()?;
        let outer = self.reads;
        self.reads = outer.further(length, offset, at);
        let inner = self.part(&subquery.expr)?.settled(false);
        self.reads = outer;
        let inner = match inner.typed {
            Typed::Vector(node) => node,
            other => {
                return Err(refuse(format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    other.value_type()
                )));
            }
        };
        Ok(Range {
            source: Source::Subquery { inner, step },
            range: length,
            offset,
            at,
        })
    }

    fn note(&mut self, matchers: &[Matcher], range: i64, offset: i64, at: Option<At>) {
        let reads = self.reads.further(range, offset, at);
        self.selectors.push(Selector {
            matchers: matchers.to_vec(),
            reach: Duration::from_millis(u64::try_from(reads.back).unwrap_or(0)),
            fixed: reads.fixed,
        });
    }
}

/// A duration that must not be zero.
fn positive(duration: Duration) -> Result<i64, Error> {
    match millis(duration) {
        0 => Err(refuse("duration must be greater than 0")),
        length => Ok(length),
    }
}

fn offset(offset: Option<&Offset>) -> i64 {
    match offset {
        None => 0,
        Some(Offset::Pos(back)) => millis(*back),
        Some(Offset::Neg(ahead)) => -millis(*ahead),
    }
}

fn at(modifier: Option<&AtModifier>) -> Result<Option<At>, Error> {
    Ok(match modifier {
        None => None,
        Some(AtModifier::Start) => Some(At::QueryStart),
        Some(AtModifier::End) => Some(At::QueryEnd),
        Some(AtModifier::At(time)) => Some(At::Time(
            match time.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => millis(after),
                Err(before) => -millis(before.duration()),
            },
        )),
    })
}

fn matchers(selector: &VectorSelector) -> Result<Vec<Matcher>, Error> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(refuse(
            "unexpected <or> in label matching, expected \",\" or \"}\": matchers are joined by \"and\" only",
        ));
    }
    let name = selector.name.as_deref();
    let name = name.map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
    let others = selector.matchers.matchers.iter().map(over_lines);
    Ok(name.into_iter().chain(others).collect())
}

/// In Prometheus a dot in a pattern stands for a line's end, too; the parser leaves that out.
fn over_lines(matcher: &Matcher) -> Matcher {
    let mut matcher = matcher.clone();
    if let MatchOp::Re(regex) | MatchOp::NotRe(regex) = &mut matcher.op
        && let Ok(over_lines) = anchored(&matcher.value)
    {
        *regex = over_lines;
    }
    matcher
}

impl VectorNode {
    /// The labels that an absent series has: those that are asked for by equality, but for the name.
    pub fn of_absent(matchers: &[Matcher]) -> crate::labels::Labels {
        let mut labels: Vec<(&str, &str)> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for matcher in matchers.iter().filter(|m| m.name != METRIC_NAME) {
            let name = matcher.name.as_str();
            if matches!(matcher.op, MatchOp::Equal) && !seen.contains(&name) {
                labels.push((name, &matcher.value));
                seen.push(name);
            } else {
                labels.retain(|(other, _)| *other != name);
            }
        }
        crate::labels::Labels::new(labels)
    }
}
