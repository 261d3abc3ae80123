//! Device statistics of ATA disks: ACS-4, section 9.5 (log 04h), pages of 64-bit values at fixed offsets.

use serde::Deserialize;

use super::Report;
use super::lenient::{List, count, number, part, text};

/// Pages 0 to 7 and FFh are in use.
const PAGES: usize = 16;
const VALUES: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Statistics {
    #[serde(deserialize_with = "part")]
    pages: Option<List<Page, PAGES>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(deserialize_with = "count")]
    number: Option<u64>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "part")]
    table: Option<List<Row, VALUES>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(deserialize_with = "count")]
    offset: Option<u64>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "number")]
    value: Option<f64>,
    #[serde(deserialize_with = "part")]
    flags: Option<Flags>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Flags {
    #[serde(deserialize_with = "part")]
    valid: Option<bool>,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistic<'a> {
    /// Number of its page: 1 general, 3 rotating media, 4 errors, 5 temperature, 6 transport, 7 solid state.
    pub page: u64,
    /// The page's name.
    pub page_name: &'a str,
    /// Where it is in the page.
    pub offset: u64,
    /// Its name.
    pub name: &'a str,
    /// Its value; counts are exact, having at most 48 bits or so.
    pub value: f64,
}

impl Statistics {
    /// Those that the disk says are valid, each place once.
    pub(super) fn valid(&self) -> Vec<Statistic<'_>> {
        let mut all: Vec<Statistic<'_>> = Vec::new();
        for page in self.pages.iter().flat_map(|list| &list.0) {
            let Some(number) = page.number else { continue };
            for row in page.table.iter().flat_map(|list| &list.0) {
                let is_valid = row.flags.as_ref().and_then(|flags| flags.valid);
                let (Some(true), Some(offset), Some(value)) = (is_valid, row.offset, row.value)
                else {
                    continue;
                };
                if all.iter().all(|s| (s.page, s.offset) != (number, offset)) {
                    all.push(Statistic {
                        page: number,
                        page_name: page.name.as_deref().unwrap_or_default(),
                        offset,
                        name: row.name.as_deref().unwrap_or_default(),
                        value,
                    });
                }
            }
        }
        all
    }
}

impl Report {
    /// A value by its place.
    pub(super) fn exact_statistic(&self, page: u64, offset: u64) -> Option<f64> {
        let mut statistics = self.statistics();
        let found = statistics.find(|s| (s.page, s.offset) == (page, offset))?;
        Some(found.value)
    }

    /// A count by its place.
    pub(super) fn statistic(&self, page: u64, offset: u64) -> Option<u64> {
        let value = self.exact_statistic(page, offset)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a count that a double holds exactly"
        )]
        (value.fract() == 0.0 && (0.0..9e15).contains(&value)).then_some(value as u64)
    }
}
