//! Regular expressions as Prometheus takes them: matching whole texts, a dot for line ends, too.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::token::T_EQL_REGEX;
use regex::Regex;

/// The compiled pattern.
///
/// # Errors
/// When it is none. Braces that repeat nothing stand for themselves, as they do in Go.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, String> {
    // The parser of selectors knows what Go does with braces.
    let matcher = Matcher::new_matcher(T_EQL_REGEX, String::new(), format!("(?s:{pattern})"))?;
    match matcher.op {
        MatchOp::Re(regex) => Ok(regex),
        MatchOp::Equal | MatchOp::NotEqual | MatchOp::NotRe(_) => Err(pattern.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_over_lines() {
        let regex = anchored("a.*|b").unwrap();
        assert!(regex.is_match("a\nb") && regex.is_match("b") && !regex.is_match("cb"));
        assert!(anchored("a{b}").unwrap().is_match("a{b}"));
        assert!(anchored("a(").is_err());
    }
}
