//! Rules: files of them, and groups that are evaluated.

mod evaluate;
mod fields;
mod file;
mod group;
mod problem;
mod selectors;
mod world;
mod yaml;

pub use file::{AlertSpec, GroupSpec, LOOKBACK, RuleKind, RuleSpec, parse};
pub use group::{Evaluated, Group, Health, Rule};
pub use problem::Problem;
pub use selectors::{Demand, demands};
pub use world::{Limits, World};
