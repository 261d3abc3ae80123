//! Results as promtool prints them.

use std::fmt::Write as _;

use serde::Deserialize;

/// Names and values.
type Metric = std::collections::BTreeMap<String, String>;
/// A time in seconds, and a value as text.
type Point = (f64, String);

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Result {
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
    Scalar(Point),
    String(Point),
}

#[derive(Deserialize)]
struct Sample {
    metric: Metric,
    value: Point,
}

#[derive(Deserialize)]
struct Series {
    metric: Metric,
    values: Vec<Point>,
}

/// What is under `data` of an answer as lines: `up{job="x"} => 1 @[1435781451.781]`.
///
/// # Errors
/// When it is no result of a query, or one with native histograms.
pub fn text(data: &str) -> std::result::Result<String, serde_json::Error> {
    let mut out = String::new();
    match serde_json::from_str(data)? {
        Result::Vector(samples) => {
            for sample in &samples {
                name(&sample.metric, &mut out);
                out.push_str(" => ");
                point(&sample.value, &mut out);
            }
        }
        Result::Matrix(mut matrix) => {
            // As promtool, by name and labels.
            matrix.sort_by(|a, b| a.metric.cmp(&b.metric));
            for series in &matrix {
                name(&series.metric, &mut out);
                out.push_str(" =>\n");
                for one in &series.values {
                    point(one, &mut out);
                }
            }
        }
        Result::Scalar(scalar) => {
            out.push_str("scalar: ");
            point(&scalar, &mut out);
        }
        Result::String((_, text)) => {
            out.push_str(&on_one_line(&text));
            out.push('\n');
        }
    }
    if out.is_empty() {
        out.push('\n');
    }
    Ok(out)
}

fn name(metric: &Metric, out: &mut String) {
    let metric_name = metric.get("__name__").map_or("", String::as_str);
    let labels: Vec<_> = metric
        .iter()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| format!("{}={value:?}", on_one_line(label)))
        .collect();
    out.push_str(&on_one_line(metric_name));
    if !labels.is_empty() || metric_name.is_empty() {
        let _infallible = write!(out, "{{{}}}", labels.join(", "));
    }
}

fn point((time, value): &Point, out: &mut String) {
    // With an exponent JSON has it, promtool never.
    let plain = value.parse::<f64>().ok().filter(|v| v.is_finite());
    match plain {
        Some(plain) => {
            let _infallible = write!(out, "{plain} @[{time}]");
        }
        None => {
            let _infallible = write!(out, "{} @[{time}]", on_one_line(value));
        }
    }
    out.push('\n');
}

/// Control characters, which would write into the terminal, escaped.
pub fn on_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_result() {
        for (data, lines) in [
            (
                r#"{"resultType":"vector","result":[{"metric":{"job":"a\"b","__name__":"up"},"value":[1.5,"1e-07"]},{"metric":{},"value":[2,"NaN"]}]}"#,
                "up{job=\"a\\\"b\"} => 0.0000001 @[1.5]\n{} => NaN @[2]\n",
            ),
            (
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"b"},"values":[[1,"+Inf"]]},{"metric":{"__name__":"a"},"values":[[1,"1"],[2,"-0"]]}],"stats":{}}"#,
                "a =>\n1 @[1]\n-0 @[2]\nb =>\n+Inf @[1]\n",
            ),
            (
                r#"{"resultType":"scalar","result":[1,"2"]}"#,
                "scalar: 2 @[1]\n",
            ),
            (
                r#"{"resultType":"string","result":[1,"a\u001bb"]}"#,
                "a\\u{1b}b\n",
            ),
            (r#"{"resultType":"vector","result":[]}"#, "\n"),
        ] {
            assert_eq!(text(data).unwrap(), lines);
        }
        assert!(text("{}").is_err() && text("[]").is_err());
    }
}
