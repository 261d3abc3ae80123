//! Writes a snapshot in pieces, so that an answer of megabytes needs only a piece's memory.
//!
//! Sources: Prometheus "Exposition formats" (text 0.0.4) and the OpenMetrics 1.0.0 specification.

use super::Format;
use crate::metric::{Family, MetricKind, Sample, Value};
use crate::snapshot::Snapshot;

/// Where the next piece begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    group: usize,
    family: usize,
    sample: usize,
    done: bool,
}

/// Appends to `out` until it holds at least `at_least` bytes or the text is complete; returns whether
/// more follows. `wanted` says which groups are written, by collector name. Families without samples
/// are left out: a header alone says nothing.
pub fn write_chunk(
    snapshot: &Snapshot,
    wanted: &dyn Fn(&str) -> bool,
    format: Format,
    cursor: &mut Cursor,
    out: &mut Vec<u8>,
    at_least: usize,
) -> bool {
    while let Some(group) = snapshot.groups.get(cursor.group) {
        let Some(family) = group
            .families
            .get(cursor.family)
            .filter(|_| cursor.family > 0 || wanted(group.collector))
        else {
            *cursor = Cursor {
                group: cursor.group + 1,
                ..Cursor::default()
            };
            continue;
        };
        if cursor.sample == 0 && !family.samples.is_empty() {
            write_header(family, format, out);
        }
        for sample in &family.samples[cursor.sample..] {
            write_sample(family.spec.name, sample, out);
            cursor.sample += 1;
            if out.len() >= at_least {
                return true;
            }
        }
        cursor.family += 1;
        cursor.sample = 0;
    }
    if !cursor.done {
        cursor.done = true;
        if format == Format::OpenMetrics100 {
            out.extend_from_slice(b"# EOF\n");
        }
    }
    false
}

fn write_header(family: &Family, format: Format, out: &mut Vec<u8>) {
    let spec = family.spec;
    let (name, kind) = match (format, spec.kind) {
        (Format::Text004, MetricKind::Counter) => (spec.name, "counter"),
        (Format::Text004, MetricKind::Gauge | MetricKind::Info) => (spec.name, "gauge"),
        // OpenMetrics names the family without the suffix that its samples carry.
        (Format::OpenMetrics100, MetricKind::Counter) => (
            spec.name.strip_suffix("_total").unwrap_or(spec.name),
            "counter",
        ),
        (Format::OpenMetrics100, MetricKind::Info) => {
            (spec.name.strip_suffix("_info").unwrap_or(spec.name), "info")
        }
        (Format::OpenMetrics100, MetricKind::Gauge) => (spec.name, "gauge"),
    };
    for piece in ["# HELP ", name, " "] {
        out.extend_from_slice(piece.as_bytes());
    }
    for byte in spec.help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if format == Format::OpenMetrics100 => out.extend_from_slice(b"\\\""),
            other => out.push(other),
        }
    }
    for piece in ["\n# TYPE ", name, " ", kind, "\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

fn write_sample(name: &str, sample: &Sample, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    let labels = sample.labels.rendered();
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels.as_bytes());
        out.push(b'}');
    }
    out.push(b' ');
    match sample.value {
        Value::U64(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        Value::F64(v) => write_float(v, out),
    }
    out.push(b'\n');
}

fn write_float(v: f64, out: &mut Vec<u8>) {
    if v.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if v.is_infinite() {
        out.extend_from_slice(if v > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        out.extend_from_slice(zmij::Buffer::new().format_finite(v).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::metric::{FamilySpec, Labels};
    use crate::snapshot::Group;

    static READS: FamilySpec =
        FamilySpec::counter("t_reads_total", "Reads \"done\" \\ so far.", &["device"]);
    static INFO: FamilySpec = FamilySpec::info("t_disk_info", "Identity.", &["device"]);
    static RATIO: FamilySpec = FamilySpec::gauge("t_used_ratio", "Used.", &[]);
    static EMPTY: FamilySpec = FamilySpec::gauge("t_empty", "Never there.", &[]);

    fn snapshot() -> Snapshot {
        let device = Labels::new(&[("device", "sd\"a")]);
        let mut reads = Family::new(&READS);
        reads.push(&device, u64::MAX);
        reads.push(&Labels::new(&[("device", "sdb")]), 7u64);
        let mut info = Family::new(&INFO);
        info.push(&device, true);
        let mut ratio = Family::new(&RATIO);
        for v in [0.8125, f64::NAN, f64::INFINITY, 1e-7, 123_456_789_012.5] {
            ratio.push(&Labels::none(), v);
        }
        Snapshot {
            taken: SystemTime::UNIX_EPOCH,
            groups: vec![
                Group {
                    collector: "disk",
                    families: Arc::new([reads, info, Family::new(&EMPTY)]),
                },
                Group {
                    collector: "other",
                    families: Arc::new([ratio]),
                },
            ],
        }
    }

    fn write(format: Format, at_least: usize, wanted: &dyn Fn(&str) -> bool) -> String {
        let (snapshot, mut cursor, mut all) = (snapshot(), Cursor::default(), Vec::new());
        loop {
            let mut piece = Vec::new();
            let more = write_chunk(&snapshot, wanted, format, &mut cursor, &mut piece, at_least);
            all.extend_from_slice(&piece);
            if !more {
                return String::from_utf8(all).unwrap();
            }
        }
    }

    #[test]
    fn both_formats() {
        insta::assert_snapshot!(write(Format::Text004, 1 << 20, &|_| true), @r#"
        # HELP t_reads_total Reads "done" \\ so far.
        # TYPE t_reads_total counter
        t_reads_total{device="sd\"a"} 18446744073709551615
        t_reads_total{device="sdb"} 7
        # HELP t_disk_info Identity.
        # TYPE t_disk_info gauge
        t_disk_info{device="sd\"a"} 1
        # HELP t_used_ratio Used.
        # TYPE t_used_ratio gauge
        t_used_ratio 0.8125
        t_used_ratio NaN
        t_used_ratio +Inf
        t_used_ratio 1e-7
        t_used_ratio 123456789012.5
        "#);
        insta::assert_snapshot!(write(Format::OpenMetrics100, 1 << 20, &|c| c == "disk"), @r#"
        # HELP t_reads Reads \"done\" \\ so far.
        # TYPE t_reads counter
        t_reads_total{device="sd\"a"} 18446744073709551615
        t_reads_total{device="sdb"} 7
        # HELP t_disk Identity.
        # TYPE t_disk info
        t_disk_info{device="sd\"a"} 1
        # EOF
        "#);
    }

    #[test]
    fn pieces_of_any_size_make_the_same_text() {
        for format in [Format::Text004, Format::OpenMetrics100] {
            let whole = write(format, 1 << 20, &|_| true);
            for size in [1, 2, 40, 100, 250] {
                assert_eq!(write(format, size, &|_| true), whole, "pieces of {size}");
            }
        }
    }
}
