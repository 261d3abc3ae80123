//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// Who asks, and by which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// Our own, at which it arrived.
    pub local: SocketAddr,
    /// Whether it has shown who it is: by a password, or by a certificate that was verified.
    pub authenticated: bool,
}
