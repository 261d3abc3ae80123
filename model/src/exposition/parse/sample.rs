//! A sample's line.

use std::borrow::Cow;

use super::ParseError;
use super::number::{timestamp_ms, value};
use super::scan::Scan;
use crate::exposition::Format;
use crate::exposition::event::{Exemplar, SampleLine};

type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;
type AfterValue<'a> = (Option<i64>, Option<Box<Exemplar<'a>>>);

/// `name{labels} value [timestamp]`, or with the name quoted as a thing of its own in the braces; in
/// OpenMetrics with an exemplar.
pub(super) fn sample<'a>(scan: &mut Scan<'a>) -> Result<SampleLine<'a>, ParseError> {
    let start = scan.clone();
    let mut name = None;
    if !scan.next_is(b'{') {
        if scan.next_is(b'"') {
            return Err(scan.error("a metric name; a quoted one stands in braces"));
        }
        name = Some(scan.name(true, "a metric name")?);
    }
    let mut parted = scan.blanks();
    let labels = if scan.next_is(b'{') {
        let labels = braces(scan, Some(&mut name))?;
        scan.blanks();
        // Text 0.0.4 needs no blank after the brace.
        parted = scan.format == Format::Text004;
        labels
    } else {
        Labels::new()
    };
    let Some(name) = name else {
        return Err(start.error("a metric name, before the braces or quoted in them"));
    };
    if !parted && !scan.gap() && !scan.is_at_end() {
        return Err(scan.error("a blank before the value"));
    }
    let value = number(scan)?;
    let (timestamp_ms, exemplar) = after_value(scan)?;
    Ok(SampleLine {
        name,
        labels,
        value,
        timestamp_ms,
        exemplar,
    })
}

/// What follows the series in a sample's line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AfterSeries {
    /// The value; every NaN is the same one.
    pub value: f64,
    /// Milliseconds since 1970, in OpenMetrics rounded to them.
    pub timestamp_ms: Option<i64>,
}

/// Reads what follows a sample's series that is known already: the line's rest, from the blank on. `None`
/// when it is not in the format: what is wrong then [`read_line`](super::read_line) tells of the whole line.
///
/// In a line that begins with the whole text of a series and a blank, that series is all that can stand
/// there: neither a name nor braces go on after a blank. (But for text 0.0.4, where braces may follow one;
/// those are no value.)
pub fn after_series(rest: &str, format: Format) -> Option<AfterSeries> {
    let mut scan = Scan::new(rest, 1, format);
    if !scan.gap() {
        return None;
    }
    let value = value(scan.word())?;
    let (timestamp_ms, _) = after_value(&mut scan).ok()?;
    Some(AfterSeries {
        value,
        timestamp_ms,
    })
}

/// The labels in braces. `name` takes a metric name among them, where one may stand.
fn braces<'a>(
    scan: &mut Scan<'a>,
    mut name: Option<&mut Option<Cow<'a, str>>>,
) -> Result<Labels<'a>, ParseError> {
    scan.expect("{", "'{'")?;
    let mut labels = Vec::new();
    loop {
        scan.blanks();
        if scan.take("}") {
            return Ok(labels);
        }
        let start = scan.clone();
        let label = scan.name(false, "a label name or '}'")?;
        scan.blanks();
        if start.next_is(b'"') && (scan.next_is(b',') || scan.next_is(b'}')) {
            match name.as_deref_mut() {
                Some(unnamed @ None) => *unnamed = Some(label),
                Some(Some(_)) => return Err(start.error("a label: the metric has a name already")),
                None => return Err(start.error("a label")),
            }
        } else {
            scan.expect("=", "'=' after the label name")?;
            scan.blanks();
            if !scan.next_is(b'"') {
                return Err(scan.error("a label value in quotes"));
            }
            let text = scan.quoted()?;
            labels.push((label, text));
            scan.blanks();
        }
        // A comma after the last one is allowed.
        if !scan.take(",") && !scan.next_is(b'}') {
            return Err(scan.error("',' or '}'"));
        }
    }
}

fn number(scan: &mut Scan) -> Result<f64, ParseError> {
    let start = scan.clone();
    value(scan.word()).ok_or_else(|| start.error("a value: a decimal number, NaN, +Inf or -Inf"))
}

/// The timestamp and the exemplar after a value.
fn after_value<'a>(scan: &mut Scan<'a>) -> Result<AfterValue<'a>, ParseError> {
    let expected = match scan.format {
        Format::Text004 => "a timestamp: whole milliseconds, or the end of the line",
        Format::OpenMetrics100 => "a timestamp in seconds, an exemplar or the end of the line",
    };
    let (mut timestamp, mut example) = (None, None);
    let mut before = scan.clone();
    let mut parted = scan.gap();
    if scan.is_at_end() && (!parted || scan.format == Format::Text004) {
        return Ok((None, None));
    }
    if parted && !scan.next_is(b'#') {
        let start = scan.clone();
        let ms = timestamp_ms(scan.word(), scan.format);
        timestamp = Some(ms.ok_or_else(|| start.error(expected))?);
        before = scan.clone();
        parted = scan.gap();
    }
    if parted && scan.format == Format::OpenMetrics100 && scan.take("# ") {
        example = Some(Box::new(exemplar(scan)?));
        before = scan.clone();
        parted = false;
    }
    // Prometheus lets blanks stand at the end of a line of text 0.0.4.
    if scan.is_at_end() && (!parted || scan.format == Format::Text004) {
        Ok((timestamp, example))
    } else {
        Err(before.error("the end of the line"))
    }
}

/// `{labels} value [timestamp]` after `# `.
fn exemplar<'a>(scan: &mut Scan<'a>) -> Result<Exemplar<'a>, ParseError> {
    let labels = braces(scan, None)?;
    scan.expect(" ", "a space before the exemplar's value")?;
    let value = number(scan)?;
    let mut timestamp = None;
    if scan.take(" ") {
        let start = scan.clone();
        let ms = timestamp_ms(scan.word(), scan.format);
        timestamp = Some(ms.ok_or_else(|| start.error("the exemplar's timestamp in seconds"))?);
    }
    Ok(Exemplar {
        labels,
        value,
        timestamp_ms: timestamp,
    })
}
