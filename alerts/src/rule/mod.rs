//! Rules: files of them, and groups that are evaluated.

mod check;
mod evaluate;
mod failure;
pub(crate) mod fields;
mod file;
mod group;
mod lineage;
mod manager;
mod problem;
mod runner;
mod slots;
mod view;
mod world;
pub(crate) mod yaml;

#[cfg(test)]
mod manager_tests;
#[cfg(test)]
mod tests;

pub use check::{Known, warnings};
pub use evaluate::{ALERT_NAME, ms};
pub use failure::Failure;
pub use file::{AlertSpec, GroupSpec, LOOKBACK, RuleKind, RuleSpec, parse};
pub use group::{Evaluated, Group, Health, Rule};
pub use manager::{GroupStats, Manager, Outbox, Pace, longest_reach};
pub use problem::Problem;
pub use view::{AlertingView, GroupView, RuleView};
pub use world::{Limits, World};
