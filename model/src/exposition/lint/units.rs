//! Units in names: which are base units, and what to use instead of the others.

/// What promtool looks for, and the binary and large ones that it forgot.
const PREFIXES: [&str; 21] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mebi", "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi", "exa", "exbi",
];

const ABBREVIATIONS: [&str; 14] = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
];

fn base_of(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "amperes" => "amperes",
        "bytes" | "bits" => "bytes",
        "celsius" | "fahrenheit" | "rankine" => "celsius",
        "grams" | "pounds" | "ounces" => "grams",
        "joules" | "calories" => "joules",
        "kelvin" | "kelvins" => "kelvin",
        "meters" | "inches" | "yards" | "miles" => "meters",
        "metres" => "metres",
        "seconds" | "minutes" | "hours" | "days" | "weeks" => "seconds",
        "volts" => "volts",
        _ => return None,
    })
}

/// The first unit in a name that is not a base unit, and the base unit to use. As in promtool a base
/// unit before it hides it: `_seconds_days` counts seconds.
pub(super) fn non_base(name: &str) -> Option<(&str, &'static str)> {
    name.split('_')
        .find_map(|word| {
            let prefixed = || {
                PREFIXES
                    .iter()
                    .find_map(|prefix| word.strip_prefix(prefix).and_then(base_of))
            };
            base_of(word).or_else(prefixed).map(|base| (word, base))
        })
        .filter(|(word, base)| word != base)
}

/// Whether a word of the name, but not its first, is an abbreviated unit.
pub(super) fn has_abbreviation(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower
        .split('_')
        .skip(1)
        .any(|word| ABBREVIATIONS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_prefix() {
        for (name, expected) in [
            ("a_milliseconds_total", Some(("milliseconds", "seconds"))),
            ("a_mebibytes", Some(("mebibytes", "bytes"))),
            ("a_kilometres", Some(("kilometres", "metres"))),
            ("days", Some(("days", "seconds"))),
            ("a_seconds_days", None),
            ("a_thermometers", None),
            ("a_bytes", None),
            ("a_decibels", None),
        ] {
            assert_eq!(non_base(name), expected, "{name}");
        }
    }

    #[test]
    fn abbreviations_are_whole_words() {
        for name in ["a_s", "a_MB", "a_ms_total", "a__h__x", "A_B"] {
            assert!(has_abbreviation(name), "{name}");
        }
        for name in ["s", "ms_x", "a_min", "a_status"] {
            assert!(!has_abbreviation(name), "{name}");
        }
    }
}
