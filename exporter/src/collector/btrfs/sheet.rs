//! Samples of many families, put together filesystem by filesystem.

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

/// Families in the order of their list.
pub struct Sheet(Vec<Family>);

impl Sheet {
    /// An empty one for these families.
    pub fn new(specs: &'static [&'static FamilySpec]) -> Self {
        Self(specs.iter().map(|spec| Family::new(spec)).collect())
    }

    /// Adds a sample.
    pub fn push(&mut self, spec: &'static FamilySpec, labels: &Labels, value: impl Into<Value>) {
        let family = self.0.iter_mut().find(|f| std::ptr::eq(f.spec, spec));
        if let Some(family) = family {
            family.push(labels, value);
        }
    }

    /// Adds a sample, if the value is known.
    pub fn push_known(
        &mut self,
        spec: &'static FamilySpec,
        labels: &Labels,
        value: Option<impl Into<Value>>,
    ) {
        if let Some(value) = value {
            self.push(spec, labels, value);
        }
    }

    /// Adds a sample for each of some states: 1 for the one that holds.
    pub fn push_state(
        &mut self,
        spec: &'static FamilySpec,
        labels: &Labels,
        name: &str,
        states: impl IntoIterator<Item = &'static str>,
        holds: &str,
    ) {
        for state in states {
            self.push(spec, &labels.with(name, state), state == holds);
        }
    }

    /// All that have samples.
    pub fn finish(self) -> Vec<Family> {
        let has_samples = |family: &Family| !family.samples.is_empty();
        self.0.into_iter().filter(has_samples).collect()
    }
}
