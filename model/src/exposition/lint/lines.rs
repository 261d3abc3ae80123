//! What Prometheus reads but others do not: its own tools and whatever else is built on Go's `expfmt`
//! (promtool, the Pushgateway, node_exporter's textfile collector) take text 0.0.4 by the letter.

use super::{Finding, Severity, shown};
use crate::exposition::{Event, SampleLine};

/// Checks a line that was read, given as its event and its bytes.
pub(super) fn check(line: usize, event: &Event<'_>, raw: &[u8]) -> Option<Finding> {
    let (metric, quoted) = match event {
        Event::Sample(SampleLine { name, .. }) => (name, false),
        Event::Help { family, .. } => (family, true),
        _ => return None,
    };
    let (problem, hint) = if let Some(escape) = unknown_escape(raw, quoted) {
        (
            format!("invalid escape sequence \\{escape}"),
            "write a backslash as \\\\; there are only \\\\, \\\" and \\n",
        )
    } else if !quoted && (raw.ends_with(b" ") || raw.ends_with(b"\t")) {
        (
            "blank at the end of the line".to_owned(),
            "take it away: Prometheus bears it, promtool and others do not",
        )
    } else {
        return None;
    };
    Some(Finding {
        line,
        metric: shown(metric),
        problem,
        hint,
        severity: Severity::Error,
    })
}

/// The first backslash that escapes nothing; only within quotes, unless the whole line counts as quoted.
fn unknown_escape(raw: &[u8], whole: bool) -> Option<char> {
    let text = String::from_utf8_lossy(raw);
    let mut chars = text.chars();
    let mut quoted = whole;
    while let Some(c) = chars.next() {
        match c {
            '"' if !whole => quoted = !quoted,
            '\\' if quoted => match chars.next() {
                Some('\\' | '"' | 'n') => {}
                other => return Some(other.unwrap_or(' ')),
            },
            _ => {}
        }
    }
    None
}

/// Checks that the last line ends.
pub(super) fn check_end(raw: &[&[u8]]) -> Option<Finding> {
    let last = raw.last()?.trim_ascii();
    (!last.is_empty()).then(|| Finding {
        line: raw.len(),
        metric: String::new(),
        problem: "the last line has no end".to_owned(),
        hint: "end it with a newline; without one the text may be cut off",
        severity: Severity::Error,
    })
}
