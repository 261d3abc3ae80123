//! The series of a test, put into the store as time goes on.

use std::time::Duration;

use tidegauge_promql::script::{Point, parse_series};
use tidegauge_promql::{Labels, MemoryStorage, Sample, Timestamp};

use crate::rule::ms;

/// Series with the samples that are not in the store yet.
#[derive(Debug, Default)]
pub struct Input {
    series: Vec<(Labels, Vec<Sample>, usize)>,
}

impl Input {
    /// Reads series and their values. Of a series that is there twice the last counts.
    ///
    /// # Errors
    /// A line that is not of the notation.
    pub fn read(
        lines: &[(String, String)],
        start: Timestamp,
        interval: Duration,
    ) -> Result<Self, String> {
        let mut input = Self::default();
        for (series, values) in lines {
            let line = format!("{series} {values}");
            let notation = parse_series(&line).map_err(|error| format!("{line:?}: {error}"))?;
            let mut samples = Vec::with_capacity(notation.points.len());
            let mut time = start;
            for point in notation.points {
                match point {
                    Point::Number(value) => samples.push(Sample { time, value }),
                    Point::Missing => {}
                    Point::Histogram => {
                        return Err(format!("{line:?}: native histograms are not known here"));
                    }
                }
                time += ms(interval);
            }
            input
                .series
                .retain(|(labels, ..)| *labels != notation.labels);
            input.series.push((notation.labels, samples, 0));
        }
        Ok(input)
    }

    /// Puts all samples up to a time into the store.
    ///
    /// # Errors
    /// A sample that the store refuses, for a rule wrote the same series.
    pub fn advance(&mut self, until: Timestamp, store: &MemoryStorage) -> Result<(), String> {
        for (labels, samples, next) in &mut self.series {
            while let Some(sample) = samples.get(*next).filter(|sample| sample.time <= until) {
                if !store.append(labels, *sample) {
                    return Err(format!(
                        "{labels}: the sample at {} is not later than what a rule wrote",
                        sample.time
                    ));
                }
                *next += 1;
            }
        }
        Ok(())
    }
}
