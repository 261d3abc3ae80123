//! Limits on the labels of a series.

use tidegauge_promql::Labels;

use super::error::ScrapeError;

/// What labels may be; a scrape with others fails, as in Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelLimits {
    /// How many, the metric's name and the target's labels among them.
    pub number: Option<u64>,
    /// The length of their names in bytes.
    pub name_length: Option<u64>,
    /// The length of their values in bytes.
    pub value_length: Option<u64>,
}

impl LabelLimits {
    /// Whether a series is within them.
    pub(super) fn check(&self, labels: &Labels) -> Result<(), ScrapeError> {
        let over = |limit: Option<u64>, number: usize| {
            limit.filter(|limit| u64::try_from(number).is_ok_and(|number| number > *limit))
        };
        let error = |key, what: &str, number, limit| ScrapeError::Label {
            key,
            metric: shortened(labels.name()),
            what: what.to_owned(),
            number,
            limit,
        };
        if self.number.is_some() {
            let number = labels.len();
            if let Some(limit) = over(self.number, number) {
                return Err(error("label_limit", "number of labels", number, limit));
            }
        }
        if self.name_length.is_none() && self.value_length.is_none() {
            return Ok(());
        }
        for (name, value) in labels.iter() {
            if let Some(limit) = over(self.name_length, name.len()) {
                let what = format!("length of the name {}", shortened(name));
                return Err(error("label_name_length_limit", &what, name.len(), limit));
            }
            if let Some(limit) = over(self.value_length, value.len()) {
                let what = format!("length of the value of {}", shortened(name));
                return Err(error("label_value_length_limit", &what, value.len(), limit));
            }
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(50).collect()
}
