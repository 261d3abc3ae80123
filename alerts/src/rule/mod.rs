//! Rules: files of them, and groups that are evaluated.

mod evaluate;
pub(crate) mod fields;
mod file;
mod group;
mod problem;
mod world;
pub(crate) mod yaml;

pub use evaluate::{ALERT_NAME, ms};
pub use file::{AlertSpec, GroupSpec, LOOKBACK, RuleKind, RuleSpec, parse};
pub use group::{Evaluated, Group, Health, Rule};
pub use problem::Problem;
pub use world::{Limits, World};
