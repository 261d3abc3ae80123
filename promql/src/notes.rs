//! What an evaluation has to say beside its value.

use std::collections::BTreeSet;

use crate::number::general;

/// Warnings and infos collected during one evaluation; each text once. The texts are Prometheus's, without the
/// position in the query.
#[derive(Debug, Default)]
pub struct Notes {
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
    /// The last metric that was said to be no counter: windows of one series come one after the other, and each of
    /// them would have the same text made again.
    last_not_counter: String,
}

impl Notes {
    /// Adds a warning: the value may be wrong.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.insert(text.into());
    }

    /// Adds an info: the query may not be what was meant.
    pub fn info(&mut self, text: impl Into<String>) {
        self.infos.insert(text.into());
    }

    /// Warnings and infos, each sorted.
    pub fn into_parts(self) -> (Vec<String>, Vec<String>) {
        (
            self.warnings.into_iter().collect(),
            self.infos.into_iter().collect(),
        )
    }

    /// Warns of a quantile that is none.
    pub fn check_quantile(&mut self, quantile: f64) {
        if !(0.0..=1.0).contains(&quantile) {
            self.warn(format!(
                "PromQL warning: quantile value should be between 0 and 1, got {}",
                general(quantile)
            ));
        }
    }

    /// Says so when a metric that is used as a counter has no name of one. A series without a name is a
    /// computed one, and may be anything.
    pub fn check_counter(&mut self, name: &str) {
        let fits = name.is_empty() || COUNTERS.iter().any(|suffix| name.ends_with(suffix));
        if !fits && self.last_not_counter != name {
            name.clone_into(&mut self.last_not_counter);
            self.info(format!(
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
            ));
        }
    }
}

/// How names of counters end.
const COUNTERS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_once_and_sorted() {
        let mut notes = Notes::default();
        notes.check_counter("b");
        notes.check_counter("a");
        notes.check_counter("b");
        notes.check_counter("x_total");
        notes.check_counter("");
        notes.check_quantile(1.0);
        notes.check_quantile(f64::NAN);
        notes.check_quantile(-5e-7);
        let (warnings, infos) = notes.into_parts();
        let about = "quantile value should be between 0 and 1, got";
        assert_eq!(
            warnings,
            [
                format!("PromQL warning: {about} -5e-07"),
                format!("PromQL warning: {about} NaN"),
            ]
        );
        let about =
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
        assert_eq!(
            infos,
            [
                format!("PromQL info: {about} \"a\""),
                format!("PromQL info: {about} \"b\""),
            ]
        );
    }
}
