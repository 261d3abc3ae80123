//! The sidecar: takes in samples, evaluates rules over them, keeps the state of alerts. See ARCHITECTURE.md.

pub mod alert;
pub mod api;
pub mod clock;
pub mod feed;
pub mod rule;
pub mod rule_test;
pub mod store;
pub mod template;
pub mod window;
