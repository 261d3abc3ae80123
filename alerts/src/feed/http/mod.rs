//! Asks exporters over HTTP/1.1.

mod body;
mod client;
mod connection;
pub(super) mod endpoint;
pub(super) mod feed;
mod login;
#[cfg(test)]
mod server;
mod tls;
