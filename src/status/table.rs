//! The report as a table for a terminal.
//!
//! ```text
//! hot   warning  ████████████████▌··│··│  83%  830 GB of 1.00 TB   170 GB free
//! ```

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};
use tidegauge_model::tier::{Level, Thresholds};
use tidegauge_model::units::{Bytes, format_duration};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::report::{BranchRow, DirectoryRow, FilesystemRow, Fill, Listing, Report, TierRow};
use super::terminal::Look;

/// Widths of the columns at the right end, and what is shown at all.
struct Columns {
    name: usize,
    bar: usize,
    sizes: bool,
    free: bool,
}

const LEVEL: usize = 8;
const PERCENT: usize = 5;
/// `  1.23 TB of 1.23 TB`
const SIZES: usize = 20;
/// `  1.23 TB free`
const FREE: usize = 14;

impl Columns {
    /// What fits: the fill level always, then a bar, free space, sizes, and the rest for names.
    fn new(width: usize, longest_name: usize) -> Self {
        let fixed = 1 + LEVEL + PERCENT;
        let (free, sizes) = (width >= 56, width >= 96);
        let right = if sizes { SIZES } else { 0 } + if free { FREE } else { 0 };
        let rest = width.saturating_sub(fixed + right);
        let bar = (rest * 2 / 5).clamp(5, 40);
        let name = rest.saturating_sub(bar + 1).min(longest_name.max(8));
        Self {
            name,
            bar: (width - fixed - right - name - 1).min(48),
            sizes,
            free,
        }
    }
}

/// Draws the report; every line ends with a newline and fits into the width.
pub fn draw(report: &Report, look: Look) -> String {
    let names = report.tiers.iter().flat_map(|tier| {
        let below = tier.filesystems.iter().map(|f| &f.mountpoint);
        below.chain(tier.directories.iter().map(|d| &d.path))
    });
    let names = names.chain(report.unassigned.iter().map(|f| &f.mountpoint));
    let longest = names.map(|n| clean(n, look).width() + 2).max().unwrap_or(0);
    let pen = Pen {
        look,
        columns: Columns::new(look.width, longest),
    };
    let mut out = String::new();
    if report.tiers.is_empty() {
        pen.line(
            &mut out,
            Style::new(),
            "no tiers: `tidegauge discover` says what was found and why not",
        );
    }
    for tier in &report.tiers {
        pen.tier(&mut out, tier);
    }
    if !report.unassigned.is_empty() {
        out.push('\n');
        pen.line(&mut out, Style::new().dimmed(), "in no tier");
        for row in &report.unassigned {
            pen.filesystem(&mut out, row, Thresholds::default(), true);
        }
    }
    if let Some(listing) = &report.listing {
        pen.listing(&mut out, listing);
    }
    out
}

struct Pen {
    look: Look,
    columns: Columns,
}

impl Pen {
    fn tier(&self, out: &mut String, tier: &TierRow) {
        if !out.is_empty() {
            out.push('\n');
        }
        match &tier.fill {
            Some(fill) => self.row(
                out,
                &tier.name,
                Style::new().bold(),
                tier.level,
                fill,
                tier.thresholds,
            ),
            None => {
                self.head(out, &tier.name, Style::new().bold(), tier.level);
                if tier.level == Level::Critical {
                    out.push_str(" down");
                }
                out.push('\n');
            }
        }
        for reason in &tier.reasons {
            self.line(out, style(tier.level), &format!("  {reason}"));
        }
        for row in &tier.filesystems {
            self.filesystem(out, row, tier.thresholds, false);
        }
        for row in &tier.directories {
            self.directory(out, row, tier.thresholds);
        }
    }

    fn filesystem(&self, out: &mut String, row: &FilesystemRow, thresholds: Thresholds, dim: bool) {
        let name = format!("  {}", row.mountpoint);
        let plain = if dim {
            Style::new().dimmed()
        } else {
            Style::new()
        };
        match &row.fill {
            Ok(fill) => self.row(out, &name, plain, row.level, fill, thresholds),
            Err(reason) => self.failed(out, &name, plain, row.level, reason),
        }
        let mut notes = Vec::new();
        if row.read_only {
            notes.push("read-only".to_owned());
        }
        if let Some(age) = row.age {
            notes.push(format!(
                "does not answer; as of {:.0} s ago",
                age.as_secs_f64()
            ));
        }
        if !notes.is_empty() {
            self.line(out, style(row.level), &format!("    {}", notes.join(", ")));
        }
    }

    fn directory(&self, out: &mut String, row: &DirectoryRow, thresholds: Thresholds) {
        let name = format!("  {}", row.path);
        match &row.fill {
            Ok(fill) => self.row(out, &name, Style::new(), row.level, fill, thresholds),
            Err(reason) => self.failed(out, &name, Style::new(), row.level, reason),
        }
        let older = row.detail.iter().flat_map(|detail| &detail.older);
        let older: Vec<String> = older
            .map(|(age, bytes)| format!("{} {}", format_duration(*age), Bytes(*bytes)))
            .collect();
        if !older.is_empty() {
            let text = format!("    not changed for {}", older.join(", "));
            self.line(out, Style::new().dimmed(), &text);
        }
    }

    fn listing(&self, out: &mut String, listing: &Listing) {
        type Size = fn(&BranchRow) -> u64;
        let tables: [(&str, &[BranchRow], Size); 2] = [
            ("biggest directories", &listing.biggest, |row| row.used),
            (
                "coldest directories, by what was not changed",
                &listing.coldest,
                |row| row.cold,
            ),
        ];
        for (title, rows, size) in tables {
            out.push('\n');
            self.line(out, Style::new().bold(), title);
            if rows.is_empty() {
                self.line(out, Style::new(), "  none");
            }
            for row in rows {
                self.branch(out, row, Bytes(size(row)));
            }
        }
        for (path, reason) in &listing.failed {
            self.line(out, style(Level::Unknown), &format!("  {path}: {reason}"));
        }
    }

    /// ```text
    ///   400 GB  12% not changed for 30d  hot  /data/hot/postgresql/16
    /// ```
    fn branch(&self, out: &mut String, row: &BranchRow, size: Bytes) {
        let percent = cold_percent(row);
        let age = format_duration(row.age);
        let numbers = if self.look.width >= 70 {
            format!("  {size:>8}  {percent:>4} not changed for {age:<4}  ")
        } else {
            format!("  {size:>8} {percent:>4} {age:<4} ")
        };
        let rest = self.look.width.saturating_sub(numbers.width());
        let name = format!("{}  {}", row.tier, row.path);
        out.push_str(&clean(&numbers, self.look));
        out.push_str(&shorten(&clean(&name, self.look), rest, self.look));
        out.push('\n');
    }

    fn failed(&self, out: &mut String, name: &str, plain: Style, level: Level, reason: &str) {
        self.head(out, name, plain, level);
        out.push('\n');
        self.line(out, style(level), &format!("    {reason}"));
    }

    fn row(
        &self,
        out: &mut String,
        name: &str,
        plain: Style,
        level: Level,
        fill: &Fill,
        thresholds: Thresholds,
    ) {
        self.head(out, name, plain, level);
        out.extend(std::iter::repeat_n(' ', LEVEL + 1 - word(level).len()));
        self.bar(out, fill.ratio.unwrap_or(0.0), thresholds);
        // As df: rounded up, so that 100 % is shown before nothing is left.
        let percent = fill
            .ratio
            .map_or_else(|| "-".to_owned(), |r| format!("{:.0}%", (r * 100.0).ceil()));
        self.paint(out, style(level), &format!("{percent:>PERCENT$}"));
        if self.columns.sizes {
            let (used, size) = (Bytes(fill.used).to_string(), Bytes(fill.size).to_string());
            let _ = write!(out, "  {used:>7} of {size:>7}");
        }
        if self.columns.free {
            let free = Bytes(fill.avail).to_string();
            let _ = write!(out, "  {free:>7} free");
        }
        out.push('\n');
    }

    /// The name, shortened or filled up, and the level in words.
    fn head(&self, out: &mut String, name: &str, plain: Style, level: Level) {
        let width = self.columns.name;
        let name = shorten(&clean(name, self.look), width, self.look);
        let pad = width.saturating_sub(name.width()) + 1;
        self.paint(out, plain, &name);
        out.extend(std::iter::repeat_n(' ', pad));
        self.paint(out, style(level), word(level));
    }

    /// The bar, with a mark where each threshold lies.
    fn bar(&self, out: &mut String, ratio: f64, thresholds: Thresholds) {
        let width = self.columns.bar;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few dozen cells"
        )]
        let cell =
            |ratio: f64| ((ratio.clamp(0.0, 1.0) * width as f64).round() as usize).min(width);
        let filled = if ratio > 0.0 { cell(ratio).max(1) } else { 0 };
        let marks = [cell(thresholds.warning.0), cell(thresholds.critical.0)];
        let (full, empty, mark) = if self.look.unicode {
            ('█', '·', '│')
        } else {
            ('#', '.', '|')
        };
        for at in 0..width {
            let is_mark = marks.contains(&at);
            let level = if at >= marks[1] {
                Level::Critical
            } else if at >= marks[0] {
                Level::Warning
            } else {
                Level::Ok
            };
            let mut buffer = [0; 4];
            if at < filled {
                self.paint(out, style(level), full.encode_utf8(&mut buffer));
            } else if is_mark {
                self.paint(out, style(level), mark.encode_utf8(&mut buffer));
            } else {
                self.paint(out, Style::new().dimmed(), empty.encode_utf8(&mut buffer));
            }
        }
    }

    /// A line of text, wrapped at blanks where it can be, cut where it must.
    fn line(&self, out: &mut String, style: Style, text: &str) {
        let text = clean(text, self.look);
        let indent: String = text.chars().take_while(|c| *c == ' ').collect();
        let mut line = indent.clone();
        let mut flush = |line: &str| {
            self.paint(out, style, &shorten(line, self.look.width, self.look));
            out.push('\n');
        };
        for word in text.split_whitespace() {
            let blank = usize::from(line.len() > indent.len());
            if line.width() + blank + word.width() > self.look.width && blank == 1 {
                flush(&line);
                line.clone_from(&indent);
            }
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
        flush(&line);
    }

    fn paint(&self, out: &mut String, style: Style, text: &str) {
        if self.look.color && style != Style::new() {
            // Writing to a String cannot fail.
            let _ = write!(out, "{style}{text}{style:#}");
        } else {
            out.push_str(text);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share has no need of more than 53 bits"
)]
fn cold_percent(row: &BranchRow) -> String {
    // Rounded down: all of it is cold only when all of it is.
    format!(
        "{:.0}%",
        (row.cold as f64 / row.used.max(1) as f64 * 100.0).floor()
    )
}

fn style(level: Level) -> Style {
    let color = match level {
        Level::Ok => AnsiColor::Green,
        Level::Warning => AnsiColor::Yellow,
        Level::Critical => AnsiColor::Red,
        Level::Unknown => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// The level in words, so that nothing depends on colour.
pub fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Critical => "critical",
        Level::Unknown => "unknown",
    }
}

/// Text that cannot move the cursor or change the terminal: control characters, and without UTF-8
/// everything beyond ASCII, are escaped.
fn clean(text: &str, look: Look) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() || c.width().unwrap_or(0) == 0;
        if hidden || (!look.unicode && !c.is_ascii()) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `width` columns, cut in the middle: both ends of a path say more than its middle.
fn shorten(text: &str, width: usize, look: Look) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let gap = if look.unicode { "…" } else { "~" };
    let room = width.saturating_sub(1);
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let mut taken = String::new();
        for c in chars {
            used += c.width().unwrap_or(0);
            if used > room {
                break;
            }
            taken.push(c);
        }
        taken
    };
    let front = take(&mut text.chars(), room / 2);
    let back = take(&mut text.chars().rev(), room - room / 2);
    format!("{front}{gap}{}", back.chars().rev().collect::<String>())
}
