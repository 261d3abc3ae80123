//! Opens the address to listen on.

use std::io;
use std::net::TcpListener as StdListener;

use thiserror::Error;
use tokio::net::TcpListener;

/// The address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}; {hint}")]
pub struct BindError {
    address: String,
    source: io::Error,
    hint: &'static str,
}

/// Listens on `host:port`, or on all addresses of the host for `:port`. Needs a tokio runtime.
pub fn bind(address: &str) -> Result<TcpListener, BindError> {
    open(address).map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; choose another --web.listen-address, or port 0 for any free one"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
            io::ErrorKind::AddrNotAvailable => "this host has no such address",
            _ => "an address is HOST:PORT, [IPV6]:PORT or :PORT",
        };
        BindError { address: address.to_owned(), source, hint }
    })
}

fn open(address: &str) -> io::Result<TcpListener> {
    let listener = match address.strip_prefix(':') {
        // One socket for both families, where the host has IPv6.
        Some(port) => match StdListener::bind(format!("[::]:{port}")) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                StdListener::bind(format!("0.0.0.0:{port}"))?
            }
            other => other?,
        },
        None => StdListener::bind(address)?,
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind(&address).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot listen on {address}: ")),
            "{error}"
        );
        assert!(error.contains("another program listens there"), "{error}");
        assert!(
            bind("nonsense")
                .unwrap_err()
                .to_string()
                .contains("HOST:PORT")
        );
        assert!(bind(":0").is_ok());
    }
}
