//! What an expression asks the store for: which series, and how far back.

use std::time::Duration;

use promql_parser::parser::{Expr, Offset, VectorSelector};
use tidegauge_promql::{METRIC_NAME, MatchOp, Matcher};

/// Series that an expression looks at.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Matchers, that of the metric's name (`__name__`) among them; a series is meant if all match.
    pub matchers: Vec<Matcher>,
    /// How far back from the time of evaluation samples are needed, look-back included.
    pub reach: Duration,
}

impl Demand {
    /// The metric's name, where the selector says it.
    pub fn metric(&self) -> Option<&str> {
        self.matchers
            .iter()
            .find(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal)
            .map(|matcher| matcher.value.as_str())
    }
}

/// All that an expression asks for. `@` with a fixed time is taken for no reach at all: no window can promise it.
pub fn demands(expression: &Expr, lookback: Duration) -> Vec<Demand> {
    let mut found = Vec::new();
    walk(expression, 0, lookback, &mut found);
    found
}

/// `before`: how far back the expression itself is evaluated, in milliseconds; negative for offsets ahead.
fn walk(expression: &Expr, before: i64, lookback: Duration, found: &mut Vec<Demand>) {
    match expression {
        Expr::VectorSelector(selector) => select(selector, before + ms(lookback), found),
        Expr::MatrixSelector(selector) => select(&selector.vs, before + ms(selector.range), found),
        Expr::Subquery(subquery) => {
            let before = before + ms(subquery.range) + shift(subquery.offset.as_ref());
            walk(&subquery.expr, before, lookback, found);
        }
        Expr::Aggregate(aggregate) => {
            walk(&aggregate.expr, before, lookback, found);
            if let Some(parameter) = &aggregate.param {
                walk(parameter, before, lookback, found);
            }
        }
        Expr::Unary(unary) => walk(&unary.expr, before, lookback, found),
        Expr::Binary(binary) => {
            walk(&binary.lhs, before, lookback, found);
            walk(&binary.rhs, before, lookback, found);
        }
        Expr::Paren(paren) => walk(&paren.expr, before, lookback, found),
        Expr::Call(call) => {
            for argument in &call.args.args {
                walk(argument, before, lookback, found);
            }
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn select(selector: &VectorSelector, reach: i64, found: &mut Vec<Demand>) {
    let reach = reach + shift(selector.offset.as_ref());
    let reach = Duration::from_millis(u64::try_from(reach).unwrap_or(0));
    let name = selector
        .name
        .as_ref()
        .map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
    let mut add = |matchers: &[Matcher]| {
        let matchers = name.iter().chain(matchers).cloned().collect();
        found.push(Demand { matchers, reach });
    };
    let alternatives = &selector.matchers.or_matchers;
    if alternatives.is_empty() {
        add(&selector.matchers.matchers);
    }
    for alternative in alternatives {
        add(alternative);
    }
}

fn shift(offset: Option<&Offset>) -> i64 {
    match offset {
        None => 0,
        Some(Offset::Pos(by)) => ms(*by),
        Some(Offset::Neg(by)) => -ms(*by),
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back() {
        for (text, wanted) in [
            ("up", vec![("up", 300)]),
            (
                "rate(a[1h]) / on() b offset 10m",
                vec![("a", 3600), ("b", 900)],
            ),
            (
                "max_over_time(rate(a[5m])[1h:1m] offset 1d)",
                vec![("a", 90_300)],
            ),
            (
                "predict_linear(a[6h], 3600) < 0 and on(x) topk(2, c)",
                vec![("a", 21_600), ("c", 300)],
            ),
            ("a offset -10m", vec![("a", 0)]),
            ("time() > bool 5", vec![]),
        ] {
            let expression = promql_parser::parser::parse(text).unwrap();
            let demands = demands(&expression, Duration::from_secs(300));
            let got: Vec<(&str, u64)> = demands
                .iter()
                .map(|demand| (demand.metric().unwrap(), demand.reach.as_secs()))
                .collect();
            assert_eq!(got, wanted, "{text}");
        }
    }
}
