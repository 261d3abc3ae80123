//! From tables to the values of an answer.

use crate::error::Error;
use crate::sample::{Sample, Samples, Timestamp};
use crate::value::{MatrixSeries, Value, VectorSample};

use super::names::{Head, Names, Same, unite_by};
use super::steps::Steps;
use super::table::{Table, is_present};

/// A scalar.
pub(super) fn scalar(value: f64, time: Timestamp) -> Value {
    Value::Scalar(Sample { time, value })
}

/// The only column, in its order.
///
/// # Errors
/// When names went only now, and rows have the same labels without them.
pub(super) fn vector(table: Table, time: Timestamp, names: Names) -> Result<Value, Error> {
    let table = without_names(table, names)?;
    let values = (0..table.len())
        .map(|index| table.row(index)[0])
        .collect::<Vec<_>>();
    let samples = table.heads.into_iter().zip(values);
    let present = samples.filter(|(_, value)| is_present(*value));
    Ok(Value::Vector(
        present
            .map(|(head, value)| VectorSample {
                labels: head.into_labels(),
                sample: Sample { time, value },
            })
            .collect(),
    ))
}

/// All columns, sorted by labels.
///
/// # Errors
/// As [`vector`].
pub(super) fn matrix(table: Table, steps: Steps, names: Names) -> Result<Value, Error> {
    let table = without_names(table, names)?;
    let series = |(head, row): (&Head, &[f64])| {
        let count = row.iter().filter(|value| is_present(**value)).count();
        let mut samples = Samples::with_capacity(count);
        for (time, &value) in steps
            .times()
            .zip(row)
            .filter(|(_, value)| is_present(**value))
        {
            samples.push(Sample { time, value });
        }
        MatrixSeries {
            labels: head.clone().into_labels(),
            samples,
        }
    };
    let mut series: Vec<MatrixSeries> = table.iter().map(series).collect();
    series.retain(|series| !series.samples.is_empty());
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Value::Matrix(series))
}

fn without_names(table: Table, names: Names) -> Result<Table, Error> {
    if names == Names::AtOnce || table.heads.iter().all(|head| !head.is_nameless()) {
        return Ok(table);
    }
    unite_by(table, Same::Unite, |head| head.clone().into_labels())
}
