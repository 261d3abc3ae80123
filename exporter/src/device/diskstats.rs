//! `/proc/diskstats`: what every block device has done since boot.
//!
//! Format: kernel `Documentation/admin-guide/iostats.rst` and `block/genhd.c`, `diskstats_show`. 14
//! fields up to Linux 4.17, 18 with discards, 20 with flushes since 5.5.

use thiserror::Error;
use tidegauge_model::mount::DeviceNumber;

/// One line of `/proc/diskstats`. Sectors are of 512 bytes whatever the device; times are in
/// milliseconds and of 32 bits in the kernel, so they wrap after 49.7 days of accumulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStats<'a> {
    /// Device number.
    pub dev: DeviceNumber,
    /// Kernel name, such as `nvme0n1p3`.
    pub name: &'a str,
    /// Counters 4 to 20 of the line; those that this kernel lacks are absent.
    pub counters: Counters,
}

/// The counters of a device. `None` where the kernel is too old to have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of iostats.rst")]
pub struct Counters {
    pub reads: u64,
    pub reads_merged: u64,
    pub sectors_read: u64,
    pub read_ms: u64,
    pub writes: u64,
    pub writes_merged: u64,
    pub sectors_written: u64,
    pub write_ms: u64,
    /// Requests under way; a level, not a counter.
    pub in_flight: u64,
    pub io_ms: u64,
    pub weighted_io_ms: u64,
    pub discard: Option<Discards>,
    pub flush: Option<Flushes>,
}

/// Since Linux 4.18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of iostats.rst")]
pub struct Discards {
    pub discards: u64,
    pub merged: u64,
    pub sectors: u64,
    pub ms: u64,
}

/// Since Linux 5.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of iostats.rst")]
pub struct Flushes {
    pub flushes: u64,
    pub ms: u64,
}

/// A line that could not be understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("diskstats line {line}: {problem}; expected the format of iostats.rst")]
pub struct DiskStatsError {
    line: usize,
    problem: &'static str,
}

/// Parses the content of `/proc/diskstats`, line by line.
pub fn parse(content: &[u8]) -> impl Iterator<Item = Result<DiskStats<'_>, DiskStatsError>> {
    content
        .split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            parse_line(line).map_err(|problem| DiskStatsError {
                line: index + 1,
                problem,
            })
        })
}

fn parse_line(line: &[u8]) -> Result<DiskStats<'_>, &'static str> {
    let mut fields = line
        .split(u8::is_ascii_whitespace)
        .filter(|f| !f.is_empty());
    let device = |field: Option<&[u8]>| field.and_then(decimal).and_then(|n| u32::try_from(n).ok());
    let major = device(fields.next()).ok_or("no major number")?;
    let minor = device(fields.next()).ok_or("no minor number")?;
    let name = fields
        .next()
        .and_then(|f| std::str::from_utf8(f).ok())
        .ok_or("no device name")?;
    let mut values = [0u64; 17];
    let mut count = 0;
    for field in fields {
        // Fields that a later kernel adds are not known here and do no harm.
        let Some(value) = values.get_mut(count) else {
            break;
        };
        *value = decimal(field).ok_or("a counter is not a number")?;
        count += 1;
    }
    if count < 11 {
        return Err("fewer than 11 counters");
    }
    let [
        reads,
        reads_merged,
        sectors_read,
        read_ms,
        writes,
        writes_merged,
        sectors_written,
        write_ms,
        in_flight,
        io_ms,
        weighted_io_ms,
        rest @ ..,
    ] = values;
    let [discards, merged, sectors, ms, flushes, flush_ms] = rest;
    Ok(DiskStats {
        dev: DeviceNumber { major, minor },
        name,
        counters: Counters {
            reads,
            reads_merged,
            sectors_read,
            read_ms,
            writes,
            writes_merged,
            sectors_written,
            write_ms,
            in_flight,
            io_ms,
            weighted_io_ms,
            discard: (count >= 15).then_some(Discards {
                discards,
                merged,
                sectors,
                ms,
            }),
            flush: (count >= 17).then_some(Flushes {
                flushes,
                ms: flush_ms,
            }),
        },
    })
}

/// An unsigned decimal number; `None` for anything else, an overflow too.
fn decimal(field: &[u8]) -> Option<u64> {
    field.iter().try_fold(0u64, |n, b| {
        b.is_ascii_digit()
            .then(|| n.checked_mul(10)?.checked_add(u64::from(b - b'0')))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_lengths_of_a_line() {
        let text = b"   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n 8 1 sda1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n";
        let lines: Vec<_> = parse(text).map(Result::unwrap).collect();
        assert_eq!(lines[0].counters.discard, None);
        assert_eq!(
            lines[1].counters.discard,
            Some(Discards {
                discards: 12,
                merged: 13,
                sectors: 14,
                ms: 15
            })
        );
        assert_eq!(
            (lines[1].counters.flush, lines[2].counters.flush),
            (
                None,
                Some(Flushes {
                    flushes: 16,
                    ms: 17
                })
            )
        );
        assert_eq!(
            (lines[2].name, lines[2].counters.weighted_io_ms),
            ("vda", 11)
        );
    }

    #[test]
    fn bad_lines_are_told_by_number() {
        let errors: Vec<_> = parse(b"8 0 sda 1 2\n8 0 sda 1 2 3 4 -5 6 7 8 9 10 11\nx\n8 0 \xff 1")
            .map(|l| l.unwrap_err().to_string())
            .collect();
        assert!(errors[0].starts_with("diskstats line 1: fewer than 11 counters"));
        assert!(errors[1].starts_with("diskstats line 2: a counter is not a number"));
        assert!(errors[2].starts_with("diskstats line 3: no major number"));
        assert!(errors[3].starts_with("diskstats line 4: no device name"));
    }

    #[test]
    fn this_host_agrees_with_the_procfs_crate() {
        let content = std::fs::read("/proc/diskstats").unwrap();
        let theirs = procfs::diskstats().unwrap();
        let ours: Vec<_> = parse(&content).map(Result::unwrap).collect();
        assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(our.name, their.name);
            assert_eq!(i64::from(our.dev.minor), i64::from(their.minor));
            assert!(u64::from(u32::MAX) >= our.counters.io_ms && their.reads >= our.counters.reads);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes).for_each(drop);
        }

        /// Of any length of line, whatever stands before and after it.
        #[test]
        fn each_line_is_read_by_itself(
            lines in proptest::collection::vec(
                ("[a-z]{1,8}[0-9]{0,2}", proptest::collection::vec(any::<u64>(), 0..20), any::<bool>()),
                0..6,
            ),
        ) {
            let mut text = String::new();
            for (name, values, blank) in &lines {
                let values = values.iter().map(|v| format!(" {v}")).collect::<String>();
                text += &format!("{}   8       1 {name}{values}\n", if *blank { "\n" } else { "" });
            }
            let read: Vec<_> = parse(text.as_bytes()).collect();
            prop_assert_eq!(read.len(), lines.len());
            for (read, (name, values, _)) in read.iter().zip(&lines) {
                prop_assert_eq!(read.is_ok(), values.len() >= 11);
                let Ok(read) = read else { continue };
                prop_assert_eq!(read.name, name.as_str());
                prop_assert_eq!(read.counters.weighted_io_ms, values[10]);
                prop_assert_eq!(read.counters.discard.map(|d| d.ms), values.get(14).copied());
                let flush = values.get(16).map(|ms| Flushes { flushes: values[15], ms: *ms });
                prop_assert_eq!(read.counters.flush, flush);
            }
        }

        #[test]
        fn every_number_is_kept(values in proptest::collection::vec(any::<u64>(), 17)) {
            let text = values.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            let line = format!("8 0 sda {text}");
            let got = parse(line.as_bytes()).next().unwrap().unwrap().counters;
            prop_assert_eq!((got.reads, got.io_ms, got.flush.unwrap().ms), (values[0], values[9], values[16]));
        }
    }
}
