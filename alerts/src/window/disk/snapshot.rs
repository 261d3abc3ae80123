//! A snapshot: all series with their chunks, a record each.
//!
//! The content of a record is [`SERIES`], the labels, the number of chunks and each chunk after its length; that of the
//! last one is [`END`] and how many series there were. The series are not of one instant: each is as it was when
//! its turn came, and the log that belongs to the snapshot has all that was appended since the first.

use tidegauge_promql::{Labels, Series as _};

use super::wire::{Cursor, put_labels, put_number};
use crate::window::chunk::Chunk;
use crate::window::series::Recent;

const SERIES: u8 = 1;
const END: u8 = 2;

/// Writes the content of a series' record.
pub(super) fn put_series(content: &mut Vec<u8>, series: &Recent) {
    content.push(SERIES);
    put_labels(content, series.labels());
    let chunks: Vec<Chunk> = series.chunks().collect();
    put_number(content, chunks.len() as u64);
    for chunk in &chunks {
        put_number(content, chunk.bytes().len() as u64);
        content.extend_from_slice(chunk.bytes());
    }
}

/// Writes the content of the last record.
pub(super) fn put_end(content: &mut Vec<u8>, series: u64) {
    content.push(END);
    put_number(content, series);
}

/// The content of a record.
pub(super) enum Content {
    /// A series, and whether some of its chunks are of no use.
    Series(Recent, bool),
    /// The end, after so many series.
    End(u64),
}

/// Reads the content of a record. `None`: it makes no sense.
pub(super) fn parse(content: &[u8]) -> Option<Content> {
    let mut cursor = Cursor(content);
    match cursor.byte()? {
        END => cursor.number().map(Content::End),
        SERIES => {
            let labels = cursor.labels()?;
            parse_chunks(&mut cursor, labels)
        }
        _ => None,
    }
}

fn parse_chunks(cursor: &mut Cursor<'_>, labels: Labels) -> Option<Content> {
    let count = cursor.number()?;
    let (mut chunks, mut damaged): (Vec<Chunk>, bool) = (Vec::new(), false);
    for _ in 0..count {
        let length = usize::try_from(cursor.number()?).ok()?;
        let chunk = Chunk::checked(cursor.bytes(length)?);
        let last = chunks.last().map(Chunk::last);
        match chunk {
            Some(chunk) if last.is_none_or(|last| last < chunk.first()) => chunks.push(chunk),
            _ => damaged = true,
        }
    }
    Recent::restore(labels, chunks).map(|series| Content::Series(series, damaged))
}
