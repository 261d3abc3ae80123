//! `smartctl --scan --json`: the devices that it knows of, those behind RAID controllers among them.

use serde::Deserialize;

use super::lenient::{List, part, text};
use super::{Envelope, ParseError};

/// More disks than any controller has.
const DEVICES: usize = 1024;

/// The answer to a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Scan {
    /// smartctl about itself.
    #[serde(deserialize_with = "part")]
    pub smartctl: Option<Envelope>,
    #[serde(deserialize_with = "part")]
    devices: Option<List<Found, DEVICES>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Found {
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
}

/// A device and how to ask it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The device node: `/dev/sda`, `/dev/bus/0`.
    pub node: String,
    /// What goes after `-d`: `sat`, `megaraid,0`.
    pub kind: String,
}

/// Kinds that stand for one of several disks behind a node, told apart by a number.
const MEMBERS: [&str; 8] = [
    "3ware,",
    "aacraid,",
    "areca,",
    "cciss,",
    "hpt,",
    "jmb39x",
    "megaraid,",
    "sssraid,",
];

impl Scan {
    /// Reads what smartctl printed.
    ///
    /// # Errors
    /// When it is not one JSON object.
    pub fn parse(printed: &[u8]) -> Result<Self, ParseError> {
        Ok(serde_json::from_str(&String::from_utf8_lossy(printed))?)
    }

    /// What it found, each once.
    pub fn entries(&self) -> Vec<Entry> {
        let found = self.devices.iter().flat_map(|list| &list.0);
        let mut entries: Vec<Entry> = found
            .filter_map(|found| Entry::new(found.name.as_deref()?, found.kind.as_deref()?))
            .collect();
        entries.sort();
        entries.dedup();
        entries
    }
}

impl Entry {
    /// `None` when the node is not below `/dev`, or either could be taken for an option.
    pub fn new(node: &str, kind: &str) -> Option<Self> {
        let is_kind = kind.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !kind.contains(char::is_whitespace);
        (node.starts_with("/dev/") && is_kind).then(|| Self {
            node: node.to_owned(),
            kind: kind.to_owned(),
        })
    }

    /// Whether it is one of several disks behind its node.
    pub fn is_member(&self) -> bool {
        MEMBERS.iter().any(|kind| self.kind.contains(kind))
    }

    /// A name for it that no other device has: the node's kernel name, with the kind for one of several.
    pub fn label(&self) -> String {
        let name = self.node.trim_start_matches("/dev/");
        if !self.is_member() {
            return name.to_owned();
        }
        let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        format!(
            "{name}_{}",
            self.kind.chars().map(clean).collect::<String>()
        )
    }
}

/// The version in the first line of what any smartctl prints: `smartctl 6.6 2017-11-05 r4594 …`.
pub fn version_of_text(printed: &[u8]) -> Option<(u32, u32)> {
    let printed = String::from_utf8_lossy(&printed[..printed.len().min(4096)]);
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("smartctl "))?;
    let version = line.split([' ', '-', 'p']).next()?;
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
