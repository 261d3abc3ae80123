//! A file of records, each of which tells whether it is whole.
//!
//! The file begins with [`Header`]. A record is its length, the checksum of its content, the checksum of these eight
//! bytes (all little-endian u32, CRC-32), and the content. The second checksum tells a record that was not
//! written to its end from one with a wrong length.

use std::io::{self, Read};

use tidegauge_promql::Timestamp;

/// Bytes before a record's content.
const RECORD_HEAD: usize = 12;

/// No record is longer: a wrong length asks for no more memory than this.
pub(super) const LONGEST_RECORD: usize = 1 << 26;

/// The format that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Snapshot,
    Log,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Snapshot => b"TGWINSNP",
            Self::Log => b"TGWINLOG",
        }
    }
}

/// What stands at a file's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Of the snapshot and its log: they belong together.
    pub(super) number: u64,
    /// When it was made.
    pub(super) time: Timestamp,
}

/// Bytes of a header: magic, version, number, time, checksum.
const HEADER: usize = 8 + 4 + 8 + 8 + 4;

/// Why a file's beginning is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// It ends before its header does.
    Short,
    /// It is no file of this kind, or damaged.
    Damaged,
    /// It is of another version.
    Version(u32),
}

impl Header {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(self.kind.magic());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.time.to_le_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8; HEADER], kind: Kind) -> Result<Self, BadHeader> {
        let (content, sum) = bytes.split_at(HEADER - 4);
        let magic_and_version = content.split_at(8);
        let version = array(magic_and_version.1).map_or(0, u32::from_le_bytes);
        if magic_and_version.0 != kind.magic() {
            return Err(BadHeader::Damaged);
        }
        // Another version may have its checksum elsewhere.
        if version != VERSION && version < 1 << 16 && version > 0 {
            return Err(BadHeader::Version(version));
        }
        if array(sum).map(u32::from_le_bytes) != Some(crc32fast::hash(content)) {
            return Err(BadHeader::Damaged);
        }
        let number = array(&content[12..]).map(u64::from_le_bytes);
        let time = array(&content[20..]).map(i64::from_le_bytes);
        match (number, time) {
            (Some(number), Some(time)) => Ok(Self { kind, number, time }),
            _ => Err(BadHeader::Damaged),
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

/// Appends a record.
pub(super) fn put_record(bytes: &mut Vec<u8>, content: &[u8]) {
    let mut head = [0; RECORD_HEAD];
    head[..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    head[4..8].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
    let sum = crc32fast::hash(&head[..8]);
    head[8..].copy_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(content);
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole record.
    Record(&'a [u8]),
    /// A record with a wrong content. The next one can be read.
    Damaged,
    /// Nothing that makes sense; nothing after it can be read.
    Lost,
    /// So many bytes of a record that was not written to its end.
    Torn(u64),
    /// Nothing.
    End,
}

/// Reads a file of records.
pub(super) struct Records<R> {
    reader: R,
    content: Vec<u8>,
}

impl<R: Read> Records<R> {
    /// Reads the header.
    pub(super) fn open(mut reader: R, kind: Kind) -> io::Result<Result<(Self, Header), BadHeader>> {
        let mut bytes = [0; HEADER];
        if fill(&mut reader, &mut bytes)? < HEADER {
            return Ok(Err(BadHeader::Short));
        }
        let content = Vec::new();
        Ok(Header::parse(&bytes, kind).map(|header| (Self { reader, content }, header)))
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        let mut head = [0; RECORD_HEAD];
        let got = fill(&mut self.reader, &mut head)?;
        if got == 0 {
            return Ok(Next::End);
        }
        if got < RECORD_HEAD {
            return Ok(Next::Torn(got as u64));
        }
        if array(&head[8..]).map(u32::from_le_bytes) != Some(crc32fast::hash(&head[..8])) {
            return self.rest(&head);
        }
        let length = array(&head).map_or(0, u32::from_le_bytes) as usize;
        if length > LONGEST_RECORD {
            return Ok(Next::Lost);
        }
        self.content.clear();
        let wanted = length as u64;
        let got = self
            .reader
            .by_ref()
            .take(wanted)
            .read_to_end(&mut self.content)?;
        if got < length {
            return Ok(Next::Torn((RECORD_HEAD + got) as u64));
        }
        if array(&head[4..]).map(u32::from_le_bytes) != Some(crc32fast::hash(&self.content)) {
            return Ok(Next::Damaged);
        }
        Ok(Next::Record(&self.content))
    }

    /// After a power cut the end of a file may be zeros that were never written: that is no damage.
    fn rest(&mut self, head: &[u8]) -> io::Result<Next<'_>> {
        let mut count = head.len() as u64;
        let mut zeros = head.iter().all(|byte| *byte == 0);
        let mut buffer = [0; 4096];
        while zeros {
            let got = fill(&mut self.reader, &mut buffer)?;
            if got == 0 {
                return Ok(Next::Torn(count));
            }
            count += got as u64;
            zeros = buffer[..got].iter().all(|byte| *byte == 0);
        }
        Ok(Next::Lost)
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
