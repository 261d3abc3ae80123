//! The HTTP server that the exporter and the sidecar stand on: connections within limits, TLS, passwords,
//! compression, configuration read again. What is served is a [`Handler`]'s. See ARCHITECTURE.md.

pub mod answer;
mod bind;
pub mod body;
mod connection;
pub mod intake;
pub mod metrics;
pub mod negotiate;
mod peer;
pub mod problem;
pub mod reload;
pub mod secure;
mod server;
pub mod stats;

pub use self::bind::{BindError, bind};
pub use self::body::Body;
pub use self::peer::Peer;
pub use self::server::{Handler, Options, serve};
pub use self::stats::HttpStats;
