//! Fields that are read one by one: what is not as expected is absent, and the rest of the answer stays.
//!
//! Each field is first taken as it is written ([`RawValue`]), which no content can make fail, then read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Of a text this many bytes are kept: it becomes a label.
const LONGEST: usize = 128;

/// A part of its own; absent when it is not as expected.
pub fn part<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A number that is never negative: as a number or as a text of digits. What goes over 64 bits is the greatest.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(parse_count(raw.get().trim_matches('"')))
}

/// A number, as such or as a text.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    let number: Option<f64> = raw.get().trim_matches('"').parse().ok();
    // Rust takes words such as `inf`, and 1e400 as that.
    Ok(number.filter(|number| number.is_finite()))
}

/// A text, cut to what a label should hold, without what cannot be seen; absent when nothing is left.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = part(deserializer)?;
    let clean = text.map(|text| clip(&text, LONGEST));
    Ok(clean.filter(|text| !text.is_empty()))
}

/// The first `most` bytes of a text without control characters and spaces around it.
pub fn clip(text: &str, most: usize) -> String {
    let seen = text.trim().chars().filter(|c| !c.is_control());
    let mut clean = String::new();
    for c in seen {
        if clean.len() + c.len_utf8() > most {
            break;
        }
        clean.push(c);
    }
    clean
}

/// A number of digits only: no sign, no spaces.
pub fn parse_digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn parse_count(text: &str) -> Option<u64> {
    if let Ok(count) = text.parse::<u128>() {
        return Some(u64::try_from(count).unwrap_or(u64::MAX));
    }
    let number: f64 = text.parse().ok()?;
    if !number.is_finite() || number < 0.0 || number.fract() != 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a cast stops at the greatest"
    )]
    Some(number as u64)
}

/// A list of which no more than `MOST` are read; those that are not as expected are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MOST: usize>(pub Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for ListVisitor<T, MOST> {
    type Value = List<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MOST {
            let Some(raw) = from.next_element::<&RawValue>()? else {
                return Ok(List(list));
            };
            if let Ok(one) = serde_json::from_str(raw.get()) {
                list.push(one);
            }
        }
        while from.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(list))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        #[serde(deserialize_with = "count")]
        a: Option<u64>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Outer {
        #[serde(deserialize_with = "number")]
        n: Option<f64>,
        #[serde(deserialize_with = "part")]
        inner: Option<Inner>,
        #[serde(deserialize_with = "part")]
        list: Option<List<Inner, 2>>,
        #[serde(deserialize_with = "text")]
        t: Option<String>,
    }

    fn read(text: &str) -> Outer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_field_fails_alone() {
        let expected = Outer {
            n: Some(-1.5),
            inner: Some(Inner { a: Some(7) }),
            list: Some(List(vec![Inner { a: Some(1) }, Inner { a: None }])),
            t: Some("x y".into()),
        };
        let good = r#"{"n":-1.5,"inner":{"a":7},"list":[{"a":1},{"a":-1},{"a":3}],"t":" x y\n"}"#;
        assert_eq!(read(good), expected);
        for (field, bad) in [
            ("n", "1e400"),
            ("n", "null"),
            ("n", "{\"a\":[[1e999]]}"),
            ("n", "\"inf\""),
        ] {
            let text = good.replacen(
                &format!("\"{field}\":-1.5"),
                &format!("\"{field}\":{bad}"),
                1,
            );
            assert_eq!(
                read(&text),
                Outer {
                    n: None,
                    ..read(good)
                },
                "{bad}"
            );
        }
        assert_eq!(read(r#"{"inner":3,"list":{},"t":[]}"#), Outer::default());
        assert_eq!(read(r#"{"unknown":1e999,"inner":null}"#), Outer::default());
    }

    #[test]
    fn counts() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("340282366920938463463374607431768211455", Some(u64::MAX)),
            ("\"42\"", Some(42)),
            ("1e3", Some(1000)),
            ("1e400", None),
            ("1.5", None),
            ("-1", None),
            ("\"\"", None),
            ("true", None),
        ] {
            let read: Inner = serde_json::from_str(&format!("{{\"a\":{text}}}")).unwrap();
            assert_eq!(read.a, expected, "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(clip(&"é".repeat(100), 5), "éé");
        assert_eq!(clip("\u{0}a\nb ", 9), "ab");
    }
}
