//! What has to be known of a text before the parser sees it: the parser follows nesting by recursion, and takes
//! any number for a duration.

use crate::error::Error;

use super::compile::refuse;

/// How deep a tree may be. Prometheus has no such limit. The parser's own recursion and the release of the
/// tree need little for each level, what is ours makes room on the stack ([`with_stack`]).
const DEEPEST: usize = 1000;

/// Calls what may call itself, with enough room on the stack for one more level.
pub(crate) fn with_stack<R>(call: impl FnOnce() -> R) -> R {
    /// More than a level takes, without optimization too.
    const LEVEL: usize = 128 * 1024;
    stacker::maybe_grow(LEVEL, 16 * LEVEL, call)
}

/// The longest duration, in seconds, that is a number of milliseconds, and the latest time for `@`.
const LONGEST: f64 = 9e15;

/// Refuses what the parser could not bear.
///
/// # Errors
/// [`Error::Parse`].
pub(crate) fn check_text(text: &str) -> Result<(), Error> {
    let mut rest = text;
    // Of each open bracket: operators and brackets between it and here, and the deepest tree inside.
    let mut open = vec![Level::default()];
    while let Some(c) = rest.chars().next() {
        match c {
            '#' => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '"' | '\'' | '`' => {
                let (before, string) = text.split_at(text.len() - rest.len());
                rest = after_string(before, string, c)?;
                continue;
            }
            '(' | '[' | '{' => {
                if c == '[' {
                    check_number(&rest[1..])?;
                }
                open.push(Level::default());
            }
            ')' | ']' | '}' => {
                if let Some(inner) = close(&mut open) {
                    inner.check()?;
                }
            }
            ',' => {
                if let Some(level) = open.last_mut() {
                    level.next_part();
                }
            }
            '@' | ':' => check_number(&rest[1..])?,
            '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' => {
                if let Some(level) = open.last_mut() {
                    level.operators += 1;
                }
            }
            _ if c.is_ascii_digit() => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
                rest = &rest[end.unwrap_or(rest.len())..];
                continue;
            }
            _ if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
                    .unwrap_or(rest.len());
                let word = rest[..end].to_ascii_lowercase();
                rest = &rest[end..];
                if word == "offset" {
                    check_number(rest)?;
                }
                let joins = matches!(&*word, "and" | "or" | "unless" | "atan2");
                if let Some(level) = open.last_mut().filter(|_| joins) {
                    level.operators += 1;
                }
                continue;
            }
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    // Brackets that nobody closes count as well.
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().unwrap_or_default().check()
}

#[derive(Default)]
struct Level {
    operators: usize,
    deepest_inside: usize,
    deepest_part: usize,
}

impl Level {
    fn depth(&self) -> usize {
        (self.operators + self.deepest_inside).max(self.deepest_part)
    }

    fn next_part(&mut self) {
        self.deepest_part = self.depth();
        self.operators = 0;
        self.deepest_inside = 0;
    }

    fn check(&self) -> Result<(), Error> {
        if self.depth() > DEEPEST {
            return Err(refuse(format!(
                "expression is nested too deeply, more than {DEEPEST} levels: write parts of it as recording rules"
            )));
        }
        Ok(())
    }
}

fn close(open: &mut Vec<Level>) -> Option<&Level> {
    if open.len() < 2 {
        return None;
    }
    let depth = open.pop()?.depth() + 1;
    let outer = open.last_mut()?;
    outer.deepest_inside = outer.deepest_inside.max(depth);
    Some(outer)
}

/// What comes after a string that begins here. A byte that is no character by itself is refused: the parser
/// would take it for the character of that number.
fn after_string<'a>(before: &str, text: &'a str, quote: char) -> Result<&'a str, Error> {
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == quote {
            return Ok(&text[index + 1..]);
        }
        if c == '\\' && quote != '`' {
            let code = match chars.next() {
                Some((_, 'x')) => text.get(index + 2..index + 4).map(|code| (code, 16)),
                Some((_, '0'..='7')) => text.get(index + 1..index + 4).map(|code| (code, 8)),
                _ => None,
            };
            let byte = code.and_then(|(code, radix)| u32::from_str_radix(code, radix).ok());
            if byte.is_some_and(|byte| byte > 0x7F) {
                let end = text[1..].find(quote).map_or(text.len(), |end| end + 2);
                let string = &text[..end];
                if before
                    .trim_end_matches(['(', ' '])
                    .ends_with("count_values")
                {
                    // As upstream says it.
                    return Err(Error::Execution(format!("invalid label name {string}")));
                }
                return Err(refuse(format!(
                    "the string {string} is not valid UTF-8: write the character itself, or \\u and its number"
                )));
            }
        }
    }
    Ok("")
}

/// Refuses a number, where a duration or a time is expected, that is none.
fn check_number(text: &str) -> Result<(), Error> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '+' || c == '-');
    if let Some(comment) = text.strip_prefix('#') {
        return comment
            .find('\n')
            .map_or(Ok(()), |end| check_number(&comment[end..]));
    }
    let mut after_exponent = false;
    let end = text.find(|c: char| {
        let sign = after_exponent && (c == '+' || c == '-');
        after_exponent = c == 'e' || c == 'E';
        !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign)
    });
    let word = &text[..end.unwrap_or(text.len())];
    let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hexadecimal) => u128::from_str_radix(hexadecimal, 16).map_or(0.0, |n| n as f64),
        None => word.parse().unwrap_or(0.0),
    };
    if (-LONGEST..=LONGEST).contains(&number) {
        return Ok(());
    }
    Err(refuse(format!("duration or time out of range: {word:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_and_operators() {
        let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(check_text(&nested(DEEPEST)).is_ok());
        assert!(check_text(&nested(DEEPEST + 1)).is_err());
        assert!(check_text(&"(".repeat(DEEPEST + 1)).is_err());
        assert!(check_text(&format!("{}1", "-".repeat(DEEPEST + 1))).is_err());
        assert!(check_text(&format!("1{}", " or 1".repeat(DEEPEST + 1))).is_err());
        let wide = vec!["(1+(2))"; 5000].join(",");
        assert!(check_text(&format!("f({wide})")).is_ok());
        // What is no bracket and no operator.
        assert!(check_text(&format!("{:?} # {}", "(".repeat(999), "(".repeat(999))).is_ok());
        assert!(check_text(&format!("{:?}", "\\\"(".repeat(999))).is_ok());
    }

    #[test]
    fn bytes_that_are_no_characters() {
        assert!(check_text(r#"a{b="\xc5"}"#).is_err());
        assert!(check_text(r"a{b='\305'}").is_err());
        for good in [r#"a{b="\x41\101\\xc5"}"#, r"a{b=`\xc5`}", r#""\"#, r#""\x"#] {
            assert!(check_text(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn numbers_that_are_no_durations() {
        for bad in [
            "a[1e300]",
            "a[ NaN ]",
            "a offset Inf",
            "a offset -inf",
            "a @ 1e17",
            "a[1m:1e99]",
            "a[0xffffffffffffffffff]",
            "a[#x\nInf]",
            "a offset 1e+30",
        ] {
            assert!(check_text(bad).is_err(), "{bad}");
        }
        for good in [
            "a[5m]",
            "a[300]",
            "a offset 1e3",
            "a @ 1609746000.123",
            "a @ start()",
            "a:b[1h:]",
            "inf",
        ] {
            assert!(check_text(good).is_ok(), "{good}");
        }
    }
}
