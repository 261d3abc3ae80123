//! Tables of families: what each is, and how its samples are had from a page.

use tidegauge_model::metric::{Family, Labels, Value};

use crate::collector::table;

/// Labels of everything that a controller tells of itself.
pub const LABELS: &[&str] = &["tier", "device"];

/// A family and how a page `P` fills it.
pub type Row<P> = table::Row<fn(&P, &mut Samples<'_>)>;

/// Where the samples of one page go.
pub struct Samples<'a> {
    family: &'a mut Family,
    labels: &'a Labels,
}

impl Samples<'_> {
    /// A sample, unless it is absent.
    pub fn value(&mut self, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.family.push(self.labels, value);
        }
    }

    /// A counter of any size.
    pub fn count(&mut self, count: impl Into<u128>) {
        self.value(Some(exact(count.into())));
    }

    /// A sample with one more label, unless it is absent.
    pub fn labelled(&mut self, name: &str, label: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.family.push(&self.labels.with(name, label), value);
        }
    }

    /// A sample for each bit that has a name, and one for all others together.
    pub fn bits(&mut self, bits: u8, names: &[(u8, &str)]) {
        let mut rest = bits;
        for (bit, name) in names {
            self.labelled("warning", name, Some(bits & 1 << bit != 0));
            rest &= !(1 << bit);
        }
        self.labelled("warning", "other", Some(rest != 0));
    }
}

/// With all digits where they fit into 64 bits.
fn exact(count: u128) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus holds no more than f64"
    )]
    u64::try_from(count).map_or_else(|_| Value::F64(count as f64), Value::U64)
}

/// Adds the families of one kind of page, filled from all such pages.
pub fn fill<P>(rows: &'static [Row<P>], pages: &[(Labels, P)], families: &mut Vec<Family>) {
    for (spec, read) in rows {
        let mut family = Family::with_capacity(spec, pages.len());
        for (labels, page) in pages {
            read(
                page,
                &mut Samples {
                    family: &mut family,
                    labels,
                },
            );
        }
        families.push(family);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_128_bits_lose_no_more_than_they_must() {
        assert_eq!(exact(u64::MAX.into()), Value::U64(u64::MAX));
        assert_eq!(exact(1 << 64), Value::F64(18_446_744_073_709_551_616.0));
        assert_eq!(exact(u128::MAX), Value::F64(u128::MAX as f64));
    }
}
