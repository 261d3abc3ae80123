//! What goes first when there is no room.

use std::sync::Arc;

use tidegauge_promql::Timestamp;

use super::index::Index;
use super::series::{Change, Recent};

/// Drops closed chunks until so many bytes are free, and says by how much the weight changed. First those that are
/// furthest beyond what is demanded of their series, then the oldest; never the newest, open ones.
pub(super) fn evict(
    index: &mut Index,
    bytes: usize,
    now: Timestamp,
    demanded_seconds: impl Fn(&Recent) -> u32,
) -> Change {
    let mut chunks: Vec<(Rank, u32, usize)> = Vec::new();
    for (place, slot) in index.slots() {
        let Some(series) = &slot.series else { continue };
        let demanded = now.saturating_sub(i64::from(demanded_seconds(series)) * 1_000);
        chunks.extend(
            series
                .closed_chunks()
                .map(|(last, bytes)| (Rank::new(last, demanded), place, bytes)),
        );
    }
    chunks.sort_unstable();
    let mut freed = 0;
    let mut ends: Vec<(u32, usize)> = Vec::new();
    for (_, place, size) in chunks {
        if freed >= bytes {
            break;
        }
        freed += size;
        ends.push((place, 1));
    }
    // The chunks of one series go in the order of their times, so only their number counts.
    ends.sort_unstable();
    ends.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    let mut change = Change::default();
    for (place, count) in ends {
        if let Some(series) = index.slot_mut(place).and_then(|slot| slot.series.as_mut()) {
            let series = Arc::make_mut(series);
            let before = series.weight();
            series.forget_oldest(count);
            change += Change::between(before, series.weight());
        }
    }
    change
}

/// The order in which chunks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By so much older than what is demanded, negative: the most goes first.
    Beyond(i64),
    /// Demanded, by its time.
    Demanded(Timestamp),
}

impl Rank {
    fn new(last: Timestamp, demanded: Timestamp) -> Self {
        if last < demanded {
            Self::Beyond(last.saturating_sub(demanded))
        } else {
            Self::Demanded(last)
        }
    }
}
