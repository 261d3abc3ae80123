//! `match[]`: which series are meant.

use promql_parser::label::{METRIC_NAME, MatchOp};
use promql_parser::parser::{self, Expr};
use tidegauge_promql::Matcher;

use super::error::ApiError;

/// Reads selectors, each of which must ask for more than everything.
///
/// # Errors
/// When one is none, with what is wrong in it.
pub fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<Matcher>>, ApiError> {
    texts
        .map(|text| parse(text).map_err(ApiError::bad_data))
        .collect()
}

fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let Expr::VectorSelector(selector) = parser::parse(text)? else {
        return Err(format!(
            "1:1: parse error: a series selector is expected, such as up or {{job=\"x\"}}, not `{text}`"
        ));
    };
    if selector.offset.is_some() || selector.at.is_some() {
        return Err("1:1: parse error: a series selector has no offset and no @".to_owned());
    }
    if !selector.matchers.or_matchers.is_empty() {
        return Err("1:1: parse error: `or` between matchers is not understood".to_owned());
    }
    let name = selector
        .name
        .map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, &name));
    let matchers: Vec<_> = name.into_iter().chain(selector.matchers.matchers).collect();
    if matchers.iter().all(|matcher| matcher.is_match("")) {
        return Err("match[] must contain at least one non-empty matcher".to_owned());
    }
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_selector() {
        let of = |text: &str| parse_all([text].into_iter()).map(|sets| sets[0].len());
        assert_eq!(of("up"), Ok(1));
        assert_eq!(of(r#"up{job="x",a!~"b.*"}"#), Ok(3));
        assert_eq!(of(r#"{"a name","l b"="x"}"#), Ok(2));
        for wrong in [
            "",
            "{}",
            r#"{a=~".*"}"#,
            "up[5m]",
            "up offset 5m",
            "up @ 1",
            "rate(up[5m])",
            "1",
            r#"{a="b" or c="d"}"#,
            "{",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
