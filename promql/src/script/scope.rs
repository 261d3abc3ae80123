//! What is out of scope: what this engine does not do by decision.

use std::fmt;
use std::sync::LazyLock;

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector};
use regex::Regex;

use crate::labels::Labels;

/// Why an evaluation is out of scope.
#[derive(Clone, Debug, PartialEq)]
pub enum OutOfScope {
    /// Native histograms are expected.
    ExpectsHistograms,
    /// It selects this series, which was loaded with native histograms.
    SelectsHistograms(Labels),
    /// It selects this series, which was loaded with start timestamps.
    SelectsStartTimestamps(Labels),
    /// It has arithmetic in a duration.
    DurationExpression,
    /// It has `smoothed` or `anchored`.
    ExtendedVector,
    /// It calls `info()`.
    Info,
}

impl fmt::Display for OutOfScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpectsHistograms => f.write_str("native histograms are expected"),
            Self::SelectsHistograms(series) => write!(f, "selects native histograms: {series}"),
            Self::SelectsStartTimestamps(series) => {
                write!(f, "selects a series with start timestamps: {series}")
            }
            Self::DurationExpression => f.write_str("duration expression"),
            Self::ExtendedVector => f.write_str("extended vector"),
            Self::Info => f.write_str("info()"),
        }
    }
}

static STRINGS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`"#).ok());
static INFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\binfo\s*\(").ok());
static EXTENDED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\b(smoothed|anchored)\b").ok());
static DURATIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let in_brackets = r"\[[^\]]*[-+*/%^(][^\]]*\]";
    let after_offset = r"\boffset\s*[-+]*\s*(\(|(step|range|min_of|max_of)\s*\()";
    Regex::new(&format!("(?i){in_brackets}|{after_offset}")).ok()
});

/// The tree of an expression that does not parse only because it trims native histograms (`</`, `>/`).
pub fn trimming(expression: &str) -> Option<Expr> {
    let plain = expression.replace("</", "<").replace(">/", ">");
    (plain != expression)
        .then(|| promql_parser::parser::parse(&plain).ok())
        .flatten()
}

/// What in the text of an expression is out of scope. `parses`: whether the engine takes it, so that only words, not
/// grammar, can be out of scope.
pub fn of_text(expression: &str, parses: bool) -> Option<OutOfScope> {
    let text = match &*STRINGS {
        Some(strings) => strings.replace_all(expression, "\"\""),
        None => expression.into(),
    };
    let has = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|p| p.is_match(&text));
    if has(&INFO) {
        return Some(OutOfScope::Info);
    }
    if parses {
        return None;
    }
    if has(&EXTENDED) {
        return Some(OutOfScope::ExtendedVector);
    }
    has(&DURATIONS).then_some(OutOfScope::DurationExpression)
}

/// The first of these series that an expression selects.
pub fn selected<'a>(expression: &Expr, series: &'a [Labels]) -> Option<&'a Labels> {
    if series.is_empty() {
        return None;
    }
    let mut selectors = Vec::new();
    selectors_of(expression, &mut selectors);
    series.iter().find(|labels| {
        selectors
            .iter()
            .any(|selector| labels.matches(&matchers(selector)))
    })
}

/// All matchers of a selector, the one for its name among them.
fn matchers(selector: &VectorSelector) -> Vec<Matcher> {
    let name = selector.name.iter().map(|name| Matcher {
        op: MatchOp::Equal,
        name: METRIC_NAME.to_owned(),
        value: name.clone(),
    });
    name.chain(selector.matchers.matchers.iter().cloned())
        .collect()
}

fn selectors_of<'a>(expression: &'a Expr, into: &mut Vec<&'a VectorSelector>) {
    match expression {
        Expr::VectorSelector(selector) => into.push(selector),
        Expr::MatrixSelector(selector) => into.push(&selector.vs),
        Expr::Aggregate(aggregate) => {
            selectors_of(&aggregate.expr, into);
            if let Some(parameter) = &aggregate.param {
                selectors_of(parameter, into);
            }
        }
        Expr::Binary(binary) => {
            selectors_of(&binary.lhs, into);
            selectors_of(&binary.rhs, into);
        }
        Expr::Unary(unary) => selectors_of(&unary.expr, into),
        Expr::Paren(paren) => selectors_of(&paren.expr, into),
        Expr::Subquery(subquery) => selectors_of(&subquery.expr, into),
        Expr::Call(call) => {
            for argument in &call.args.args {
                selectors_of(argument, into);
            }
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_text() {
        for (text, reason) in [
            ("info(a)", Some(OutOfScope::Info)),
            ("rate(a[5m] smoothed)", Some(OutOfScope::ExtendedVector)),
            ("a[5m+1m]", Some(OutOfScope::DurationExpression)),
            ("a[step()]", Some(OutOfScope::DurationExpression)),
            ("a offset (1m*2)", Some(OutOfScope::DurationExpression)),
            ("a offset -step()", Some(OutOfScope::DurationExpression)),
            (r#"a{b="info(smoothed"}[5m]"#, None),
            ("a[5m] offset -1m", None),
            ("(a - b)[5m:1m]", None),
        ] {
            assert_eq!(of_text(text, false), reason, "{text}");
        }
        assert_eq!(of_text("smoothed + 1", true), None);
    }

    #[test]
    fn trimming_of_histograms() {
        assert!(trimming("sum(a </ 1)").is_some());
        assert!(trimming("sum(a < 1)").is_none());
        assert!(trimming("sum(a </ 1").is_none());
    }

    #[test]
    fn by_series() {
        let series = [Labels::new([("__name__", "a"), ("b", "c")])];
        for (text, hit) in [
            ("sum(rate(a[5m]))", true),
            (r#"x + on() {b=~"c|d"}"#, true),
            (r#"a{b!="c"}"#, false),
            ("1 + b", false),
        ] {
            let expression = promql_parser::parser::parse(text).unwrap();
            assert_eq!(selected(&expression, &series).is_some(), hit, "{text}");
        }
    }
}
