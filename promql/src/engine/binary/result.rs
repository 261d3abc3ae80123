//! What the result of two rows is called, and the errors of matching.

use crate::engine::names::{METADATA, is_metadata};
use crate::engine::{Head, Names};
use crate::error::Error;
use crate::labels::{Labels, pair};
use crate::plan::{Card, Grouping, Join};

/// Names results of a join.
pub(super) struct Namer<'a> {
    join: &'a Join,
    names: Names,
    /// Whether the result is no longer the metric that it was.
    loses_name: bool,
}

impl<'a> Namer<'a> {
    pub fn new(join: &'a Join, names: Names) -> Self {
        Self {
            loses_name: !join.operator.compares() || join.as_bool && names == Names::AtOnce,
            join,
            names,
        }
    }

    /// Of a row of the side of which there may be many for each of the other, and the other's, where each was
    /// found.
    pub fn head(&self, many: Option<&Head>, one: Option<&Head>) -> Head {
        let grouping = &self.join.grouping;
        let include: &[String] = match &self.join.card {
            Card::OneToOne => &[],
            Card::ManyLeft(include) | Card::ManyRight(include) => include,
        };
        let shortens = match (&self.join.card, grouping) {
            (Card::OneToOne, Grouping::Without(names)) => !names.is_empty(),
            (Card::OneToOne, Grouping::Only(_)) => true,
            _ => false,
        };
        if let Some(many) = many
            && !shortens
            && include.is_empty()
            && self.names == Names::AtOnce
        {
            // The labels that are there already.
            let nameless = many.is_nameless() || self.loses_name;
            return many.clone().nameless(nameless);
        }
        // What was not found stands for a row with the labels of the match.
        let labels = match (many, one) {
            (Some(many), _) => many.labels(self.names),
            (None, Some(one)) => grouping.labels(one, self.names),
            (None, None) => Labels::empty(),
        };
        let stays = |name: &str| match (&self.join.card, grouping) {
            (Card::OneToOne, Grouping::Only(names)) => names.iter().any(|on| on == name),
            (Card::OneToOne, Grouping::Without(names)) => !names.iter().any(|off| off == name),
            _ => true,
        };
        let mut labels = labels.keep(|name| stays(name) && !(self.loses_name && is_metadata(name)));
        for name in include {
            let value = match (one, many) {
                (Some(one), _) => one.label(self.names, name),
                (None, Some(many)) if grouping.takes(name) => many.label(self.names, name),
                _ => "",
            };
            labels = labels.with(name, value);
        }
        Head::new(labels).nameless(self.join.as_bool)
    }

    /// The labels that tell results apart.
    pub fn labels(&self, head: &Head) -> Labels {
        head.labels(self.names)
    }

    /// Whether names, or what goes with them, may be all that tells apart results named after these rows.
    pub fn may_confuse(&self, heads: &[Head]) -> bool {
        let metadata = |head: &Head| METADATA.map(|name| head.label(self.names, name).to_owned());
        let Some(first) = heads.first().map(metadata) else {
            return false;
        };
        self.loses_name && heads.iter().any(|head| metadata(head) != first)
    }

    /// Two rows match where only one may.
    pub fn duplicate(&self, first: &Head, second: &Head) -> Error {
        let group = quoted(&self.join.grouping.labels(second, self.names));
        let side = match self.join.card {
            Card::ManyRight(_) => "left",
            Card::OneToOne | Card::ManyLeft(_) => "right",
        };
        let mut both = [first, second].map(|head| quoted(&head.labels(self.names)));
        both.sort_unstable();
        let [first, second] = both;
        Error::Execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }

    /// Several rows match one, and nothing says that they may, or nothing tells the results apart.
    pub fn several(&self) -> Error {
        Error::Execution(match self.join.card {
            Card::OneToOne => {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".into()
            }
            Card::ManyLeft(_) | Card::ManyRight(_) => {
                "multiple matches for labels: grouping labels must ensure unique matches".into()
            }
        })
    }
}

/// As Prometheus writes labels in errors: the name among the others.
fn quoted(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(n, v)| pair(n, v)).collect();
    format!("{{{}}}", pairs.join(", "))
}
