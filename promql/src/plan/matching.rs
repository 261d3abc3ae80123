//! Which labels decide what belongs together: `by`, `without`, `on`, `ignoring`.

use promql_parser::label::METRIC_NAME;
use promql_parser::parser::LabelModifier;

use crate::engine::{Head, Names};
use crate::labels::Labels;

/// Names of labels that count, or that do not; sorted.
#[derive(Clone, Debug)]
pub(crate) enum Grouping {
    /// Only these.
    Only(Vec<String>),
    /// All but these and the metric's name.
    Without(Vec<String>),
}

impl Grouping {
    /// Of `by` or `without`, or of `on` or `ignoring`; of nothing what is given.
    pub fn of(modifier: Option<&LabelModifier>, otherwise: Self) -> Self {
        let sorted = |labels: &promql_parser::label::Labels| {
            let mut names = labels.labels.clone();
            names.sort_unstable();
            names.dedup();
            names
        };
        match modifier {
            Some(LabelModifier::Include(labels)) => Self::Only(sorted(labels)),
            Some(LabelModifier::Exclude(labels)) => Self::Without(sorted(labels)),
            None => otherwise,
        }
    }

    /// Whether a label counts.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.iter().any(|wanted| wanted == name),
            Self::Without(names) => name != METRIC_NAME && !names.iter().any(|other| other == name),
        }
    }

    /// The labels that count of a row's.
    pub fn labels(&self, head: &Head, names: Names) -> Labels {
        match self {
            Self::Only(wanted) if wanted.is_empty() => Labels::empty(),
            _ => Labels::new(head.iter(names).filter(|(name, _)| self.takes(name))),
        }
    }

    /// Appends the labels that count, so that they can be compared and hashed at once.
    pub fn write_key(&self, head: &Head, names: Names, key: &mut Vec<u8>) {
        /// No text has this byte.
        const END: u8 = 0xFF;
        let mut write = |name: &str, value: &str| {
            key.extend_from_slice(name.as_bytes());
            key.push(END);
            key.extend_from_slice(value.as_bytes());
            key.push(END);
        };
        match self {
            Self::Only(wanted) => {
                for name in wanted {
                    match head.label(names, name) {
                        "" => {}
                        value => write(name, value),
                    }
                }
            }
            Self::Without(_) => {
                for (name, value) in head.iter(names).filter(|(name, _)| self.takes(name)) {
                    write(name, value);
                }
            }
        }
    }
}
