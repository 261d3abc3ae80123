//! The sidecar: takes in samples, evaluates rules over them, keeps the state of alerts. See ARCHITECTURE.md.

pub mod clock;
pub mod store;
pub mod window;
