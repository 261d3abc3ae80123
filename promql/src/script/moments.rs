//! An expression whose time is written into it, so that it has the same value whenever it is asked.

use std::time::{Duration, SystemTime};

use promql_parser::parser::{AtModifier, Expr};

use crate::sample::Timestamp;

/// Functions whose value depends on the time of evaluation even when what they are called on does not (upstream's
/// `AtModifierUnsafeFunctions`).
const OF_THE_MOMENT: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// The expression with `@` on each selector and subquery that is not within one that has it; none where that
/// would not fix its value.
pub fn fixed(expression: &Expr, at: Timestamp) -> Option<Expr> {
    let mut expression = expression.clone();
    fix(&mut expression, &AtModifier::At(system_time(at)?)).then_some(expression)
}

/// Other times to evaluate the fixed expression at.
pub fn others(at: Timestamp) -> Vec<Timestamp> {
    if at == 0 {
        vec![-1000, 0, 1000]
    } else {
        vec![-10 * at, 0, at / 5, at, 10 * at]
    }
}

fn system_time(at: Timestamp) -> Option<SystemTime> {
    let distance = Duration::from_millis(at.unsigned_abs());
    if at < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Whether its value is fixed now.
fn fix(expression: &mut Expr, at: &AtModifier) -> bool {
    // `start()` and `end()` are the time of evaluation, too.
    let set = |place: &mut Option<AtModifier>| {
        if !matches!(place, Some(AtModifier::At(_))) {
            *place = Some(at.clone());
        }
    };
    match expression {
        Expr::VectorSelector(selector) => set(&mut selector.at),
        Expr::MatrixSelector(selector) => set(&mut selector.vs.at),
        // What is within is evaluated at its times alone.
        Expr::Subquery(subquery) => set(&mut subquery.at),
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate.param.as_mut();
            return fix(&mut aggregate.expr, at) & parameter.is_none_or(|p| fix(p, at));
        }
        Expr::Binary(binary) => return fix(&mut binary.lhs, at) & fix(&mut binary.rhs, at),
        Expr::Unary(unary) => return fix(&mut unary.expr, at),
        Expr::Paren(paren) => return fix(&mut paren.expr, at),
        Expr::Call(call) => {
            let name = call.func.name;
            let mut arguments = call.args.args.iter_mut();
            return !OF_THE_MOMENT.contains(&name) && arguments.all(|a| fix(a, at));
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_selectors_outside_of_subqueries() {
        for (text, fixed_text) in [
            (
                "-a + last_over_time(b[5m:1m])",
                Some("-a @ 60.000 + last_over_time(b[5m:1m] @ 60.000)"),
            ),
            ("rate(a[5m] @ 7)", Some("rate(a[5m] @ 7.000)")),
            ("a @ end()", Some("a @ 60.000")),
            ("1", Some("1")),
            ("timestamp(a)", None),
            ("sum(a) + time()", None),
        ] {
            let expression = promql_parser::parser::parse(text).unwrap();
            let got = fixed(&expression, 60_000).map(|e| e.to_string());
            assert_eq!(got.as_deref(), fixed_text, "{text}");
        }
    }
}
