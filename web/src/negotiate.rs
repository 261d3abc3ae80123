//! Which format and which compression a client gets: RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3.

use tidegauge_model::exposition::Format;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// The value of `Content-Encoding`, where there is one.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// An element of a list with a weight: its name in lower case, its parameters, its `q` in thousandths.
struct Weighted<'a> {
    name: String,
    parameters: Vec<(String, &'a str)>,
    q: u16,
}

fn elements(header: &str) -> impl Iterator<Item = Weighted<'_>> {
    split(header, ',').filter_map(|element| {
        let mut parts = split(element, ';').map(str::trim);
        let name = parts.next().filter(|n| !n.is_empty())?.to_ascii_lowercase();
        let mut parsed = Weighted {
            name,
            parameters: Vec::new(),
            q: 1000,
        };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let (key, value) = (
                key.trim().to_ascii_lowercase(),
                value.trim().trim_matches('"'),
            );
            if key == "q" {
                parsed.q = quality(value);
            } else {
                parsed.parameters.push((key, value));
            }
        }
        Some(parsed)
    })
}

/// Splits where the separator does not stand in quotes (RFC 9110, 5.6.4).
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let here = c == separator && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        here
    })
}

/// A weight in thousandths; one that is malformed weighs nothing.
fn quality(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1000"
        )]
        Ok(q) if (0.0..=1.0).contains(&q) => (q * 1000.0).round() as u16,
        _ => 0,
    }
}

/// The format for an `Accept` header; text 0.0.4 without one, and where nothing of ours is asked for.
///
/// The most specific range that fits a format tells its weight, so that `*/*` brings back nothing that
/// was refused by name. At equal weight OpenMetrics is for those who name it.
pub fn format(accept: &str) -> Format {
    /// How a range fits: the greater, the more specific.
    const ANY: u8 = 0;
    const CLASS: u8 = 1;
    const NAME: u8 = 2;
    const VERSION: u8 = 3;
    // How specific, then how heavy: the greatest holds.
    let (mut open_metrics, mut text) = ((ANY, 0), (ANY, 0));
    for range in elements(accept) {
        let version = range
            .parameters
            .iter()
            .find(|(key, _)| key == "version")
            .map(|(_, v)| *v);
        let (format, fit) = match (range.name.as_str(), version) {
            ("application/openmetrics-text", Some("1.0.0")) => (&mut open_metrics, VERSION),
            ("application/openmetrics-text", None) => (&mut open_metrics, NAME),
            ("application/*", _) => (&mut open_metrics, CLASS),
            ("text/plain", Some("0.0.4")) => (&mut text, VERSION),
            ("text/plain", None) => (&mut text, NAME),
            ("text/*", _) => (&mut text, CLASS),
            ("*/*", _) => {
                open_metrics = open_metrics.max((ANY, range.q));
                (&mut text, ANY)
            }
            _ => continue,
        };
        *format = (*format).max((fit, range.q));
    }
    let named = open_metrics.0 >= NAME;
    let (open_metrics, text) = (open_metrics.1, text.1);
    if open_metrics > text || (named && open_metrics > 0 && open_metrics == text) {
        Format::OpenMetrics100
    } else {
        Format::Text004
    }
}

/// The compression for an `Accept-Encoding` header; none without one. At equal weight zstd comes first,
/// since it costs the least, then gzip. A coding that is there twice has the greater weight.
pub fn encoding(accept_encoding: &str) -> Encoding {
    let (mut zstd, mut gzip, mut identity, mut any) = (None, None, None, None);
    for coding in elements(accept_encoding) {
        match coding.name.as_str() {
            "zstd" => zstd = zstd.max(Some(coding.q)),
            "gzip" | "x-gzip" => gzip = gzip.max(Some(coding.q)),
            "identity" => identity = identity.max(Some(coding.q)),
            "*" => any = any.max(Some(coding.q)),
            _ => {}
        }
    }
    let weight = |named: Option<u16>| named.or(any).unwrap_or(0);
    let mut best = (identity.unwrap_or(0), Encoding::Identity);
    for (q, encoding) in [
        (weight(gzip), Encoding::Gzip),
        (weight(zstd), Encoding::Zstd),
    ] {
        if q > 0 && q >= best.0 {
            best = (q, encoding);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_scrapers_send() {
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for header in [
            prometheus_2_42,
            prometheus_3,
            "application/openmetrics-text",
        ] {
            assert_eq!(format(header), Format::OpenMetrics100, "{header}");
        }
        let text_first = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1";
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        for header in [
            "",
            "*/*",
            "text/plain",
            text_first,
            browser,
            "application/json",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(format(header), Format::Text004, "{header}");
        }
    }

    #[test]
    fn what_is_refused_by_name_does_not_come_back_by_a_wildcard() {
        for header in [
            "text/plain;q=0, */*;q=0.5",
            "*/*, text/*;q=0",
            "text/plain;version=0.0.4;q=0, text/plain, application/*;q=0.1",
        ] {
            assert_eq!(format(header), Format::OpenMetrics100, "{header}");
        }
        for header in [
            "application/openmetrics-text;q=0, application/*",
            "application/openmetrics-text;version=1.0.0;q=0, application/openmetrics-text",
            "application/json, text/plain, */*",
        ] {
            assert_eq!(format(header), Format::Text004, "{header}");
        }
    }

    #[test]
    fn separators_in_quotes_separate_nothing() {
        for header in [
            r#"application/openmetrics-text;x="a,b";q=0"#,
            r#"application/openmetrics-text;x="a;q=1\",";q=0"#,
            r#"text/html;x=",application/openmetrics-text""#,
        ] {
            assert_eq!(format(header), Format::Text004, "{header}");
        }
        assert_eq!(encoding(r#"gzip;x=",";q=0"#), Encoding::Identity);
    }

    #[test]
    fn encodings() {
        for (header, expected) in [
            ("", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("gzip, deflate, br, zstd", Encoding::Zstd),
            ("zstd;q=0.5, gzip;q=0.8", Encoding::Gzip),
            ("gzip;q=0", Encoding::Identity),
            ("identity, gzip;q=0.5", Encoding::Identity),
            ("*", Encoding::Zstd),
            ("zstd;q=0, *;q=0.1", Encoding::Gzip),
            ("br", Encoding::Identity),
            ("GZIP ; Q=1", Encoding::Gzip),
            ("gzip;q=nonsense", Encoding::Identity),
            ("gzip, x-gzip;q=0, zstd;q=0.5", Encoding::Gzip),
            ("gzip;q=0.5, gzip;q=0", Encoding::Gzip),
        ] {
            assert_eq!(encoding(header), expected, "{header}");
        }
    }

    /// A media range of ours or another, with a weight of 0, 0.5, 1 or none.
    fn range() -> impl Strategy<Value = String> {
        const NAMES: [&str; 8] = [
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0",
            "application/*",
            "text/plain",
            "Text/Plain;version=\"0.0.4\"",
            "text/*",
            "text/html",
            "*/*",
        ];
        const WEIGHTS: [&str; 5] = ["", ";q=0", "; q=0.5", ";Q=1.000", ";x=\",\";q=0"];
        (
            proptest::sample::select(&NAMES[..]),
            proptest::sample::select(&WEIGHTS[..]),
        )
            .prop_map(|(name, weight)| format!("{name}{weight}"))
    }

    proptest! {
        /// The order of a header's elements has no meaning.
        #[test]
        fn any_order_has_the_same_answer(ranges in proptest::collection::vec(range(), 0..6)) {
            let forth = ranges.join(",");
            let back = ranges.iter().rev().cloned().collect::<Vec<_>>().join(" , ");
            prop_assert_eq!(format(&forth), format(&back), "{}", forth);
        }

        /// Whoever refuses one of ours by name and takes the other gets the other.
        #[test]
        fn what_is_refused_is_not_sent(ranges in proptest::collection::vec(range(), 0..6)) {
            let others = ranges.join(",");
            let text = format!("application/openmetrics-text;version=1.0.0;q=0,{others},text/plain;version=0.0.4");
            if !others.contains("openmetrics-text; version=1.0.0") {
                prop_assert_eq!(format(&text), Format::Text004, "{}", text);
            }
            let open = format!("text/plain;version=0.0.4;q=0,{others},application/openmetrics-text;version=1.0.0");
            if !others.contains("version=\"0.0.4\"") && !others.contains("openmetrics-text; version=1.0.0") {
                prop_assert_eq!(format(&open), Format::OpenMetrics100, "{}", open);
            }
        }

        #[test]
        fn any_header_has_an_answer(header in "(?s).{0,200}", pieces in proptest::collection::vec("(gzip|zstd|text/plain|[*]/[*]|;|,|q=|[0-9.]|\")", 0..20)) {
            let _ = (format(&header), encoding(&header));
            let _ = (format(&pieces.concat()), encoding(&pieces.concat()));
        }
    }
}
