//! The alerts of a rule: what states they have, how they change, who is told of them, and how they outlive a restart.

mod active;
mod database;
mod send;
mod source;
mod state;

#[cfg(test)]
mod database_tests;
#[cfg(test)]
mod model_tests;

pub use active::{Active, Hit, StepError, Terms};
pub use database::{Database, DatabaseError, RuleKey, Saved};
pub use send::{Delivery, Due};
pub use source::{AlwaysUp, Source, SourceHealth};
pub use state::{Alert, State};
