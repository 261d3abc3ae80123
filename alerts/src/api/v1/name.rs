//! Names of labels in addresses. Those that are no plain names are written there with `U__` before them
//! (Prometheus, "Escaping schemes", value encoding).

/// The name that is meant. What begins with `U__` and is not well formed is meant as it stands.
pub fn unescape(name: &str) -> String {
    name.strip_prefix("U__")
        .and_then(decode)
        .unwrap_or_else(|| name.to_owned())
}

/// `__` is one underscore, `_1f600_` a character, the rest is meant as it stands.
fn decode(mut rest: &str) -> Option<String> {
    let mut name = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        name.push_str(&rest[..at]);
        let (code, after) = rest[at + 1..].split_once('_')?;
        name.push(match code {
            "" => '_',
            _ if code.len() > 6 || !code.bytes().all(|b| b.is_ascii_hexdigit()) => return None,
            _ => u32::from_str_radix(code, 16)
                .ok()
                .and_then(char::from_u32)?,
        });
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cases of prometheus/common, model/metric_test.go (TestUnescape…), and some more.
    #[test]
    fn names() {
        for (escaped, name) in [
            ("", ""),
            ("job", "job"),
            ("U__", ""),
            ("U__no:escaping_required", "U__no:escaping_required"),
            ("U__no:escaping__required", "no:escaping_required"),
            ("U__my__hat.has_2e_dots", "my_hat.has.dots"),
            ("U__http_2e_status:sum", "http.status:sum"),
            ("U__label_20_with_20__1F631_", "label with \u{1f631}"),
            ("U__bad_", "U__bad_"),
            ("U__bad_zz_", "U__bad_zz_"),
            ("U__too_1234567_", "U__too_1234567_"),
            ("U__surrogate_d900_", "U__surrogate_d900_"),
        ] {
            assert_eq!(unescape(escaped), name, "{escaped}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_meant(name in "(?s).{0,20}") {
            let mut escaped = String::from("U__");
            for c in name.chars() {
                match c {
                    '_' => escaped.push_str("__"),
                    c if c.is_ascii_alphanumeric() => escaped.push(c),
                    c => escaped.push_str(&format!("_{:x}_", u32::from(c))),
                }
            }
            prop_assert_eq!(unescape(&escaped), name);
        }

        #[test]
        fn no_name_is_a_panic(name in "(?s)U__[_a-f0-9\u{e9}.]{0,20}") {
            let _ = unescape(&name);
        }
    }
}
