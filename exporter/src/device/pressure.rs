//! `/proc/pressure/io`: how long tasks waited for I/O.
//!
//! Format: kernel `Documentation/accounting/psi.rst`; totals are in microseconds.

use thiserror::Error;

/// Stall times since boot, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoPressure {
    /// At least one task waited.
    pub some_us: u64,
    /// All non-idle tasks waited.
    pub full_us: u64,
}

/// The file's content was not understood.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("/proc/pressure/io has no `{0}` line with a total; expected the format of psi.rst")]
pub struct PressureError(&'static str);

/// Parses `/proc/pressure/io`.
pub fn parse(content: &[u8]) -> Result<IoPressure, PressureError> {
    let text = String::from_utf8_lossy(content);
    let total = |kind: &'static str| {
        text.lines()
            .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
            .flat_map(str::split_whitespace)
            .find_map(|field| field.strip_prefix("total=")?.parse().ok())
            .ok_or(PressureError(kind))
    };
    Ok(IoPressure {
        some_us: total("some")?,
        full_us: total("full")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_lines() {
        let text = b"some avg10=0.01 avg60=0.01 avg300=0.00 total=781248\nfull avg10=0.01 avg60=0.01 avg300=0.00 total=708443\n";
        assert_eq!(
            parse(text),
            Ok(IoPressure {
                some_us: 781_248,
                full_us: 708_443
            })
        );
        assert_eq!(parse(b"some avg10=0 total=1\n"), Err(PressureError("full")));
        assert_eq!(
            parse(b"some total=x\nfull total=1"),
            Err(PressureError("some"))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
