//! All functions by name.

use super::{Function, Kind, OverWindow, dates, math, over_time, rates, regress, variation};

/// Sorted by name.
pub static FUNCTIONS: &[Function] = &[
    each("abs", |value, _| Some(value.abs())),
    whole("absent"),
    whole("absent_over_time"),
    each("acos", |value, _| Some(value.acos())),
    each("acosh", |value, _| Some(value.acosh())),
    each("asin", |value, _| Some(value.asin())),
    each("asinh", |value, _| Some(value.asinh())),
    each("atan", |value, _| Some(value.atan())),
    each("atanh", |value, _| Some(value.atanh())),
    over("avg_over_time", over_time::avg),
    each("ceil", |value, _| Some(value.ceil())),
    over("changes", variation::changes),
    each("clamp", math::clamp),
    each("clamp_max", math::clamp_max),
    each("clamp_min", math::clamp_min),
    each("cos", |value, _| Some(value.cos())),
    each("cosh", |value, _| Some(value.cosh())),
    over("count_over_time", over_time::count),
    of_time("day_of_month", dates::day_of_month),
    of_time("day_of_week", dates::day_of_week),
    of_time("day_of_year", dates::day_of_year),
    of_time("days_in_month", dates::days_in_month),
    each("deg", |value, _| Some(value * 180.0 / std::f64::consts::PI)),
    over("delta", rates::delta),
    over("deriv", regress::deriv),
    over("double_exponential_smoothing", regress::smooth),
    whole("end"),
    each("exp", |value, _| Some(value.exp())),
    Function {
        keeps_name: true,
        ..over("first_over_time", over_time::first)
    },
    each("floor", |value, _| Some(value.floor())),
    whole("histogram_avg"),
    whole("histogram_count"),
    whole("histogram_fraction"),
    whole("histogram_quantile"),
    whole("histogram_quantiles"),
    whole("histogram_stddev"),
    whole("histogram_stdvar"),
    whole("histogram_sum"),
    of_time("hour", dates::hour),
    over("idelta", rates::idelta),
    over("increase", rates::increase),
    whole("info"),
    over("irate", rates::irate),
    whole("label_join"),
    whole("label_replace"),
    Function {
        keeps_name: true,
        ..over("last_over_time", over_time::last)
    },
    each("ln", |value, _| Some(value.ln())),
    each("log10", |value, _| Some(value.log10())),
    each("log2", |value, _| Some(value.log2())),
    over("mad_over_time", over_time::mad),
    whole("max_of"),
    over("max_over_time", over_time::max),
    whole("min_of"),
    over("min_over_time", over_time::min),
    of_time("minute", dates::minute),
    of_time("month", dates::month),
    whole("pi"),
    over("predict_linear", regress::predict_linear),
    over("present_over_time", over_time::present),
    over("quantile_over_time", over_time::quantile),
    each("rad", |value, _| Some(value * std::f64::consts::PI / 180.0)),
    whole("range"),
    over("rate", rates::rate),
    over("resets", variation::resets),
    each("round", math::round),
    whole("scalar"),
    each("sgn", math::sgn),
    each("sin", |value, _| Some(value.sin())),
    each("sinh", |value, _| Some(value.sinh())),
    whole("sort"),
    whole("sort_by_label"),
    whole("sort_by_label_desc"),
    whole("sort_desc"),
    each("sqrt", |value, _| Some(value.sqrt())),
    whole("start"),
    whole("start_timestamp"),
    over("stddev_over_time", over_time::stddev),
    over("stdvar_over_time", over_time::stdvar),
    whole("step"),
    over("sum_over_time", over_time::sum),
    each("tan", |value, _| Some(value.tan())),
    each("tanh", |value, _| Some(value.tanh())),
    whole("time"),
    whole("timestamp"),
    over("ts_of_first_over_time", over_time::ts_of_first),
    over("ts_of_last_over_time", over_time::ts_of_last),
    over("ts_of_max_over_time", over_time::ts_of_max),
    over("ts_of_min_over_time", over_time::ts_of_min),
    whole("vector"),
    of_time("year", dates::year),
];

const fn over(name: &'static str, function: OverWindow) -> Function {
    called(name, Kind::OverWindow(function))
}

const fn each(name: &'static str, function: fn(f64, &[f64]) -> Option<f64>) -> Function {
    called(name, Kind::Each(function))
}

const fn of_time(name: &'static str, function: fn(f64) -> f64) -> Function {
    called(name, Kind::OfTime(function))
}

const fn whole(name: &'static str) -> Function {
    called(name, Kind::Whole)
}

const fn called(name: &'static str, kind: Kind) -> Function {
    Function {
        name,
        kind,
        keeps_name: false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn sorted() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(find("rate").is_some());
        assert!(find("integral").is_none());
    }
}
