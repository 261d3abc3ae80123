//! `lvm.conf`, as much of it as one setting needs.
//!
//! Format: lvm.conf(5): sections `name { … }`, settings `key = value`, also as `section/key = value`; comments from `#`;
//! a key that comes twice has its last value. What lvm itself refuses is an error here too.

use thiserror::Error;

/// Sections are not nested deeper than this.
const DEEPEST: usize = 32;

/// The file is none that lvm takes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not in the format of lvm.conf(5): {0}; `lvmconfig --validate` says where")]
pub struct LvmConfError(&'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    Text(&'a [u8]),
    Mark(u8),
}

/// The value of a yes-or-no setting such as `devices/issue_discards`; `None` when the file does not set it.
pub fn flag(content: &[u8], section: &str, key: &str) -> Result<Option<bool>, LvmConfError> {
    let mut tokens = Tokens { rest: content };
    let mut path: Vec<&[u8]> = Vec::new();
    let mut found = None;
    while let Some(token) = tokens.next()? {
        match token {
            Token::Mark(b'}') if path.pop().is_some() => {}
            Token::Word(name) | Token::Text(name) => match tokens.next()? {
                Some(Token::Mark(b'{')) if path.len() < DEEPEST => path.push(name),
                Some(Token::Mark(b'{')) => {
                    return Err(LvmConfError("sections are nested too deep"));
                }
                Some(Token::Mark(b'=')) => {
                    let value = value(&mut tokens)?;
                    if is_at(&path, name, section, key) {
                        found = value.and_then(truth);
                    }
                }
                _ => return Err(LvmConfError("neither `{` nor `=` after a name")),
            },
            Token::Mark(_) => return Err(LvmConfError("a mark out of place")),
        }
    }
    if path.is_empty() {
        Ok(found)
    } else {
        Err(LvmConfError("a section does not end"))
    }
}

/// Whether this is the setting: `devices { issue_discards`, or `devices/issue_discards` outside of sections.
fn is_at(path: &[&[u8]], name: &[u8], section: &str, key: &str) -> bool {
    let mut parts = path
        .iter()
        .flat_map(|part| part.split(|byte| *byte == b'/'))
        .chain(name.split(|byte| *byte == b'/'));
    parts.next() == Some(section.as_bytes())
        && parts.next() == Some(key.as_bytes())
        && parts.next().is_none()
}

/// A value after its `=`; `None` for a list.
fn value<'a>(tokens: &mut Tokens<'a>) -> Result<Option<Token<'a>>, LvmConfError> {
    match tokens.next()? {
        Some(Token::Mark(b'[')) => loop {
            match tokens.next()? {
                Some(Token::Mark(b']')) => return Ok(None),
                Some(Token::Mark(b',') | Token::Word(_) | Token::Text(_)) => {}
                _ => return Err(LvmConfError("a list does not end")),
            }
        },
        Some(token @ (Token::Word(_) | Token::Text(_))) => Ok(Some(token)),
        _ => Err(LvmConfError("no value after `=`")),
    }
}

/// A whole number, or one of lvm's words.
fn truth(value: Token<'_>) -> Option<bool> {
    match value {
        Token::Word(word) => {
            let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
            Some(number != 0)
        }
        Token::Text(b"y" | b"yes" | b"on" | b"true") => Some(true),
        Token::Text(b"n" | b"no" | b"off" | b"false") => Some(false),
        _ => None,
    }
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, LvmConfError> {
        self.skip();
        let Some((&first, tail)) = self.rest.split_first() else {
            return Ok(None);
        };
        match first {
            b'{' | b'}' | b'=' | b'[' | b']' | b',' => {
                self.rest = tail;
                Ok(Some(Token::Mark(first)))
            }
            b'"' | b'\'' => {
                let end = quoted(tail, first).ok_or(LvmConfError("a text does not end"))?;
                self.rest = &tail[end + 1..];
                Ok(Some(Token::Text(&tail[..end])))
            }
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}=[],#\"'".contains(byte);
                let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                Ok(Some(Token::Word(word)))
            }
        }
    }

    /// Blanks and comments.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'#') {
                return;
            }
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }
}

/// Where a quoted text ends; between double quotes a backslash takes the next byte with it.
fn quoted(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == quote {
            return Some(at);
        }
        at += if byte == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn discards(text: &str) -> Result<Option<bool>, LvmConfError> {
        flag(text.as_bytes(), "devices", "issue_discards")
    }

    /// As `lvmconfig devices/issue_discards` of lvm 2.03.16 answers.
    #[test]
    fn as_lvm_reads_it() {
        assert_eq!(discards(""), Ok(None));
        assert_eq!(discards("devices {\n\t# issue_discards = 1\n}\n"), Ok(None));
        assert_eq!(
            discards("devices {\n issue_discards = 0 # x }\n}\ndevices { issue_discards=1 }"),
            Ok(Some(true))
        );
        assert_eq!(
            discards("devices { issue_discards = 1\n issue_discards = 0 }"),
            Ok(Some(false))
        );
        assert_eq!(discards("devices/issue_discards=1"), Ok(Some(true)));
        assert_eq!(
            discards("devices { \"issue_discards\" = 2 }"),
            Ok(Some(true))
        );
        assert_eq!(
            discards("devices { s = 'a\\' issue_discards = 1 t = [ 1 , 2 ]\n x = @foo }"),
            Ok(Some(true))
        );
        assert_eq!(
            discards(
                "devices { a { issue_discards=1 } scan = [ \"/x{\", \"y}\" ] s = \"q\\\"{\" issue_discards = 0 }"
            ),
            Ok(Some(false))
        );
        assert_eq!(discards("devices { issue_discards=\"1\" }"), Ok(None));
        assert_eq!(
            discards("devices { issue_discards=\"yes\" }"),
            Ok(Some(true))
        );
        assert_eq!(discards("allocation { issue_discards=1 }"), Ok(None));
        for wrong in [
            "devices {\n issue_discards = 1\n",
            "}",
            "a",
            "a = ",
            "a = {",
            "a = [ 1",
            "a = \"x",
            "= 1",
        ] {
            assert!(discards(wrong).is_err(), "{wrong}");
        }
        assert!(discards(&"a {".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn comments_and_blanks_change_nothing(
            blanks in proptest::collection::vec("( |\n|\t|#[ -~]{0,10}\n){0,3}", 7), set: bool,
        ) {
            let [a, b, c, d, e, f, g] = blanks.as_slice() else { return Ok(()) };
            let text = format!("{a}devices{b}{{{c}issue_discards{d}={e}{}\n{f}}}{g}", u8::from(set));
            prop_assert_eq!(discards(&text), Ok(Some(set)), "{}", text);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = flag(&bytes, "devices", "issue_discards");
        }

        #[test]
        fn any_tokens_are_no_panic(text in "(devices|issue_discards|=|\\{|\\}|\\[|\\]|,|1|\"|'|\\\\|#|\n| ){0,40}") {
            let _ = discards(&text);
        }
    }
}
