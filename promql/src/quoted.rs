//! Texts in quotes, as PromQL has them.
//!
//! Not read by the parser's function: that one panics on `"\é"`, and takes the byte `\xff` for a character.

use std::str::Chars;

/// The text within its quotes, `"…"`, `'…'` or `` `…` ``, with Go's escapes resolved (upstream's `util/strutil/quote.go`);
/// in backquotes there are none.
///
/// # Errors
/// What is wrong: no quotes, a quote within, an escape that is none, bytes that are no UTF-8.
pub fn unquote(text: &str) -> Result<String, &'static str> {
    let mut chars = text.chars();
    let (Some(quote @ ('"' | '\'' | '`')), Some(last)) = (chars.next(), chars.next_back()) else {
        return Err("a text in quotes is expected");
    };
    if last != quote {
        return Err("a text has no closing quote");
    }
    let inner = chars.as_str();
    if quote == '`' {
        let closed = !inner.contains('`');
        return closed
            .then(|| inner.to_owned())
            .ok_or("a quote within a text");
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c == quote || c == '\n' {
            return Err("a quote or a line's end within a text");
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        match escape(&mut chars, quote)? {
            Escaped::Byte(byte) => bytes.push(byte),
            Escaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "escaped bytes are not UTF-8")
}

/// A text in quotes, as Go's `%q` and so Prometheus writes it.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c if c.is_control() || (c.is_whitespace() && c != ' ') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

enum Escaped {
    Byte(u8),
    Char(char),
}

const WRONG: &str = "a wrong escape in a text";

/// What comes after a backslash.
fn escape(chars: &mut Chars<'_>, quote: char) -> Result<Escaped, &'static str> {
    let c = chars.next().ok_or(WRONG)?;
    let byte = match c {
        'a' => 0x07,
        'b' => 0x08,
        't' => b'\t',
        'n' => b'\n',
        'v' => 0x0b,
        'f' => 0x0c,
        'r' => b'\r',
        '\\' => b'\\',
        '"' if quote == '"' => b'"',
        '\'' if quote == '\'' => b'\'',
        'x' => u8::try_from(digits(chars, 0, 2, 16)?).map_err(|_| WRONG)?,
        '0'..='7' => {
            let first = c.to_digit(8).unwrap_or_default();
            u8::try_from(digits(chars, first, 2, 8)?).map_err(|_| WRONG)?
        }
        'u' | 'U' => {
            let count = if c == 'u' { 4 } else { 8 };
            let code = digits(chars, 0, count, 16)?;
            return char::from_u32(code).map(Escaped::Char).ok_or(WRONG);
        }
        _ => return Err(WRONG),
    };
    Ok(Escaped::Byte(byte))
}

/// So many further digits of a number.
fn digits(chars: &mut Chars<'_>, first: u32, count: u32, base: u32) -> Result<u32, &'static str> {
    (0..count).try_fold(first, |value, _| {
        let digit = chars.next().and_then(|c| c.to_digit(base)).ok_or(WRONG)?;
        value
            .checked_mul(base)
            .map(|value| value + digit)
            .ok_or(WRONG)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        for (text, value) in [
            (r#""a\"b\\c\n""#, "a\"b\\c\n"),
            (r"'it\'s \x41\101\u00e9\U0001F600'", "it's AAé😀"),
            (r"`a\n'b`", r"a\n'b"),
            (r#""\xc3\xa9""#, "é"),
            (r#""""#, ""),
        ] {
            assert_eq!(unquote(text).as_deref(), Ok(value), "{text}");
        }
        for text in [
            "",
            "\"",
            "a",
            "'a\"",
            r#""\'""#,
            r#""\q""#,
            "\"\\é\"",
            r#""\xff""#,
            r#""\x4""#,
            r#""\400""#,
            r#""\ud800""#,
            r#""\UFFFFFFFF""#,
            r#""a"b""#,
            "`a`b`",
            r#""\""#,
            "\"a\nb\"",
        ] {
            assert!(unquote(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(text in "[\"'`]?[\\\\a-f0-7xuU\"'é]{0,9}[\"'`]?") {
            let _ = unquote(&text);
        }

        #[test]
        fn as_the_parser_writes_them(text in ".{0,9}") {
            let quoted = format!("\"{}\"", promql_parser::util::escape_string(&text));
            prop_assert_eq!(unquote(&quoted), Ok(text));
        }
    }
}
