//! `match[]`: which series are meant.

use promql_parser::parser::Expr;
use tidegauge_promql::{Matcher, Query};

use super::error::quoted;

/// Reads selectors, each of which must ask for more than everything.
///
/// # Errors
/// When one is none, with what is wrong in it.
pub fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<Matcher>>, String> {
    texts.map(parse).collect()
}

const EVERYTHING: &str = "match[] must contain at least one non-empty matcher";

fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let query = Query::parse(text).map_err(|error| {
        let why = error.to_string();
        // The parser looks for it too, in its own words.
        let says_so = why.contains("at least one non-empty matcher");
        if says_so { EVERYTHING.to_owned() } else { why }
    })?;
    let (Expr::VectorSelector(selector), [plain]) = (query.expression(), query.selectors()) else {
        let text = quoted(text);
        return Err(format!(
            "parse error: a selector of series is expected, as up or {{job=\"x\"}}, not {text}"
        ));
    };
    if selector.offset.is_some() || selector.at.is_some() {
        return Err("parse error: a selector of series has no offset and no @".to_owned());
    }
    if plain.matchers.iter().all(|matcher| matcher.is_match("")) {
        return Err(EVERYTHING.to_owned());
    }
    Ok(plain.matchers.clone())
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
