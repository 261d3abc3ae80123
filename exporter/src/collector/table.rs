//! Tables of families: each family with the function by which its value is found, so that what is listed, told and
//! documented cannot differ.

use std::borrow::Borrow;

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

/// A family and how its value is found.
pub type Row<F> = (FamilySpec, F);
/// Rows.
pub type Table<F, const N: usize> = [Row<F>; N];

/// The families of a table.
pub const fn specs<F, const N: usize>(table: &'static [Row<F>; N]) -> [&'static FamilySpec; N] {
    let mut all = [&table[0].0; N];
    let mut i = 1;
    while i < N {
        all[i] = &table[i].0;
        i += 1;
    }
    all
}

/// Lists of families, one after the other, `N` in all.
pub const fn join<const N: usize>(parts: &[&[&'static FamilySpec]]) -> [&'static FamilySpec; N] {
    let mut all = [parts[0][0]; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            all[at] = parts[part][i];
            (at, i) = (at + 1, i + 1);
        }
        part += 1;
    }
    assert!(at == N, "there are fewer families than that");
    all
}

/// The families of a table, without samples.
pub fn empty<F>(table: &'static [Row<F>]) -> Vec<Family> {
    table.iter().map(|(spec, _)| Family::new(spec)).collect()
}

/// Adds a sample to each family of a table whose value is known.
pub fn push<F>(
    families: &mut [Family],
    table: &'static [Row<F>],
    labels: &Labels,
    value: impl Fn(&F) -> Option<Value>,
) {
    for (family, (_, read)) in families.iter_mut().zip(table) {
        if let Some(value) = value(read) {
            family.push(labels, value);
        }
    }
}

/// The families of a table, each with the value of everything of which it is known.
pub fn filled<F, L: Borrow<Labels>, T>(
    table: &'static [Row<F>],
    things: &[(L, T)],
    value: impl Fn(&F, &T) -> Option<Value>,
) -> Vec<Family> {
    let of = |(spec, read): &'static Row<F>| {
        let mut family = Family::with_capacity(spec, things.len());
        for (labels, thing) in things {
            if let Some(value) = value(read, thing) {
                family.push(labels.borrow(), value);
            }
        }
        family
    };
    table.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: FamilySpec = FamilySpec::gauge("one", "", &[]);
    static TABLE: Table<fn(u64) -> Option<u64>, 2> = [
        (FamilySpec::gauge("two", "", &[]), |n| n.checked_mul(2)),
        (FamilySpec::gauge("less", "", &[]), |n| n.checked_sub(1)),
    ];
    static ALL: [&FamilySpec; 4] = join(&[&[&ONE], &specs(&TABLE), &[&ONE]]);

    #[test]
    fn families_are_listed_in_order() {
        assert_eq!(ALL.map(|spec| spec.name), ["one", "two", "less", "one"]);
    }

    #[test]
    fn a_value_that_is_not_known_is_absent() {
        let things = [(Labels::none(), 0), (Labels::none(), 3)];
        let families = filled(&TABLE, &things, |read, n| read(*n).map(Value::from));
        let values = |family: &Family| -> Vec<f64> {
            let samples = family.samples.iter();
            samples.map(|sample| sample.value.as_f64()).collect()
        };
        assert_eq!(values(&families[0]), [0.0, 6.0]);
        assert_eq!(values(&families[1]), [2.0]);
        let mut families = empty(&TABLE);
        push(&mut families, &TABLE, &Labels::none(), |read| {
            read(0).map(Value::from)
        });
        assert_eq!(values(&families[0]), [0.0]);
        assert!(families[1].samples.is_empty());
    }
}
