//! What the raw value of an ATA attribute means: 48 bits in which many models pack several numbers.
//!
//! smartctl knows the packing of each model (its drive database) and writes what it made of it into
//! `raw.string`; the forms are those of smartmontools' `ata_format_attr_raw_value` (atacmds.cpp):
//! `26 (Min/Max 13/41)`, `33 (0 20 0 0 0)`, `37054h+12m+58.233s`, `2 3 9`, `0/6`, `423 (Average 428)`.

use super::lenient::parse_digits;

/// No attribute has more numbers than bytes.
const MOST: usize = 6;

/// The numbers of a raw value, in smartctl's order. One number where it is one, or where the others are
/// only an explanation in parentheses; several where it writes several side by side (`2 3 9`, `0/6`).
///
/// `value` is the undecoded number; it is taken where the text is that number, or is none.
pub fn numbers(id: u64, value: Option<u64>, string: Option<&str>) -> Vec<u64> {
    let Some(string) = string else {
        return plausible(id, value).into_iter().collect();
    };
    let before = string.split('(').next().unwrap_or_default().trim();
    if let Some(hours) = hours(before) {
        return vec![hours];
    }
    let parts: Option<Vec<u64>> = before.split([' ', '/']).map(parse_digits).collect();
    match parts {
        Some(parts) if parts.len() == 1 => plausible(id, Some(parts[0])).into_iter().collect(),
        Some(parts) if parts.len() <= MOST => parts,
        // Hexadecimal (`0x0000001a0017`), or a form that is not known: no number is better than a wrong one.
        _ => Vec::new(),
    }
}

/// The whole hours of `37054h+12m+58.233s` or `16h+22m`.
fn hours(text: &str) -> Option<u64> {
    let (hours, rest) = text.split_once("h+")?;
    let (minutes, seconds) = rest.split_once('m')?;
    let seconds = seconds.strip_prefix('+').unwrap_or("0s");
    parse_digits(minutes)?;
    let seconds = seconds.strip_suffix('s')?;
    seconds.parse::<f64>().ok()?;
    parse_digits(hours)
}

/// Temperatures that smartctl did not take apart are no temperatures (240518299684).
fn plausible(id: u64, value: Option<u64>) -> Option<u64> {
    value.filter(|value| !matches!(id, 190 | 194) || *value < 256)
}

/// Errors and operations of Seagate's rate attributes (raw read error rate, seek error rate, hardware ECC
/// recovered), which smartctl shows as one number: 16 bits of errors over 32 bits of operations.
pub fn seagate_rate(id: u64, value: u64) -> Option<(u64, u64)> {
    (matches!(id, 1 | 7 | 195) && value < 1 << 48).then_some((value >> 32, value & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_smartctl_took_apart() {
        for (id, value, string, expected) in [
            (194, 176_094_511_130, "26 (Min/Max 13/41)", vec![26]),
            (194, 85_899_345_953, "33 (0 20 0 0 0)", vec![33]),
            (9, 3_342_485_283_705_022, "37054h+12m+58.233s", vec![37054]),
            (9, 982, "16h+22m", vec![16]),
            (9, 115_594_749_838_557, "34013 (105 34 0)", vec![34013]),
            (188, 8_590_065_666, "2 3 9", vec![2, 3, 9]),
            (170, 6, "0/6", vec![0, 6]),
            (3, 38_682_755_495, "423 (Average 428)", vec![423]),
            (5, 12, "12", vec![12]),
            (
                7,
                12_834_215_976_973,
                "12834215976973",
                vec![12_834_215_976_973],
            ),
            (194, 240_518_299_684, "240518299684", vec![]),
            (190, 240_518_299_684, "", vec![]),
            (1, 26, "0x00000000001a", vec![]),
            (9, 26, "26h", vec![]),
            (9, 26, "-26", vec![]),
        ] {
            assert_eq!(numbers(id, Some(value), Some(string)), expected, "{string}");
        }
        assert_eq!(numbers(5, Some(7), None), [7]);
        assert_eq!(numbers(194, Some(240_518_299_684), None), [0; 0]);
    }

    #[test]
    fn rates_of_seagate() {
        assert_eq!(
            seagate_rate(7, 12_834_215_976_973),
            Some((2988, 853_696_525))
        );
        assert_eq!(seagate_rate(1, 143_944_925), Some((0, 143_944_925)));
        assert_eq!(seagate_rate(5, 1), None);
        assert_eq!(seagate_rate(1, 1 << 48), None);
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic_and_gives_few_numbers(id in 0u64..300, value in any::<Option<u64>>(), text in ".{0,60}") {
            prop_assert!(numbers(id, value, Some(&text)).len() <= MOST);
        }
    }
}
