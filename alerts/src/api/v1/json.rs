//! Texts and labels as JSON. The rest of an answer is written field by field by whoever knows them.

use tidegauge_promql::Labels;

/// A text in quotes, as Go's encoder writes what may be shown in a page: `<`, `>`, `&` and the two line
/// separators of Unicode are escaped too.
pub fn text(text: &str, into: &mut Vec<u8>) {
    quote(text, true, into);
}

/// A set of labels. Prometheus escapes only what JSON asks for there.
pub fn labels(labels: &Labels, into: &mut Vec<u8>) {
    into.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        quote(name, false, into);
        into.push(b':');
        quote(value, false, into);
    }
    into.push(b'}');
}

/// What lies between brackets, with commas in between.
pub fn list<T>(
    items: impl IntoIterator<Item = T>,
    into: &mut Vec<u8>,
    mut item: impl FnMut(T, &mut Vec<u8>),
) {
    into.push(b'[');
    for (index, one) in items.into_iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        item(one, into);
    }
    into.push(b']');
}

/// Appends as it is.
pub fn raw(text: &str, into: &mut Vec<u8>) {
    into.extend_from_slice(text.as_bytes());
}

fn quote(text: &str, for_pages: bool, into: &mut Vec<u8>) {
    into.push(b'"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let Some(escape) = escape_of(c, for_pages) else {
            continue;
        };
        into.extend_from_slice(&text.as_bytes()[plain..at]);
        into.extend_from_slice(escape.as_bytes());
        plain = at + c.len_utf8();
    }
    into.extend_from_slice(&text.as_bytes()[plain..]);
    into.push(b'"');
}

fn escape_of(c: char, for_pages: bool) -> Option<String> {
    let text = match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\0'..='\x1f' => format!("\\u{:04x}", u32::from(c)),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if for_pages => {
            format!("\\u{:04x}", u32::from(c))
        }
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_escaped() {
        let mut out = Vec::new();
        text("a\"\\\n\u{1}<&>\u{2028}é", &mut out);
        out.push(b' ');
        labels(&Labels::new([("b", "<\t>"), ("a", "\u{7f}")]), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003e\\u2028é\" {\"a\":\"\u{7f}\",\"b\":\"<\\t>\"}"
        );
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_itself(given in "(?s).{0,40}", for_pages: bool) {
            let mut out = Vec::new();
            quote(&given, for_pages, &mut out);
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back, given);
        }
    }
}
