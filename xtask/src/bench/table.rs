//! Figures, peer and ours side by side, as a table in Markdown.

use std::fmt::Write as _;

/// Median, least and greatest of some runs.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    median: f64,
    min: f64,
    max: f64,
}

impl Figure {
    /// Of at least one run.
    pub fn of(mut runs: Vec<f64>) -> Option<Self> {
        runs.sort_by(f64::total_cmp);
        Some(Self {
            median: *runs.get(runs.len() / 2)?,
            min: *runs.first()?,
            max: *runs.last()?,
        })
    }

    /// This median as a share of the other's.
    pub fn ratio(self, other: Self) -> f64 {
        self.median / other.median
    }

    /// The median, and the least and the greatest.
    pub fn show(self) -> String {
        let digits = |v: f64| {
            if v >= 100.0 {
                0
            } else if v >= 10.0 {
                1
            } else {
                2
            }
        };
        let d = digits(self.median);
        format!("{:.d$} ({:.d$}–{:.d$})", self.median, self.min, self.max)
    }
}

/// One row: what was measured, the peer's figure, ours, and the goal as a largest ratio or value.
pub struct Row {
    /// What, with its unit.
    pub what: String,
    /// The peer's; `Err` says why there is none.
    pub peer: Result<Figure, String>,
    /// Ours.
    pub ours: Figure,
    /// What was to be reached.
    pub goal: Goal,
}

/// A goal of GOALS.
pub enum Goal {
    /// Ours is at most this share of the peer's.
    Ratio(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Told, not judged.
    None,
}

impl Row {
    /// Whether it was reached; `None` where there is no goal or no peer.
    fn reached(&self) -> Option<bool> {
        match (&self.goal, &self.peer) {
            (Goal::Ratio(most), Ok(peer)) => Some(self.ours.median <= most * peer.median),
            (Goal::AtMost(most), _) => Some(self.ours.median <= *most),
            _ => None,
        }
    }
}

/// The rows as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | peer | ours | ratio ours/peer | goal | reached |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (peer, ratio) = match &row.peer {
            Ok(peer) => (peer.show(), format!("{:.3}", row.ours.ratio(*peer))),
            Err(why) => (why.clone(), "–".to_owned()),
        };
        let goal = match row.goal {
            Goal::Ratio(most) => format!("ratio ≤ {most:.3}"),
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::None => "–".to_owned(),
        };
        let reached = row
            .reached()
            .map_or("–", |yes| if yes { "yes" } else { "**no**" });
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {peer} | {} | {ratio} | {goal} | {reached} |",
            row.what,
            row.ours.show()
        );
    }
    out
}
