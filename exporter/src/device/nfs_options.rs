//! Options of an NFS mount, as the mount table and mountstats show them, and the server that they name.
//!
//! Format: nfs(5); kernel `fs/nfs/super.c`, `nfs_show_mount_options`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Where NFS is served unless said otherwise (RFC 7530, section 3.1).
pub const NFS_PORT: u16 = 2049;

/// Options, comma separated.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(pub &'a str);

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// RDMA, over which nothing is asked here.
    Rdma,
}

/// The server of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address, with the port to try first.
    pub address: SocketAddr,
    /// The mount names no port, so that the kernel asks the server's portmapper (versions 2 and 3).
    pub asks_portmapper: bool,
    /// How it is reached.
    pub protocol: Protocol,
    /// The version of NFS, without the minor one.
    pub version: u32,
}

impl<'a> Options<'a> {
    /// The value of `key=value`.
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.0
            .split(',')
            .find_map(|option| option.strip_prefix(key)?.strip_prefix('='))
    }

    /// The value as a number.
    pub fn number(self, key: &str) -> Option<u64> {
        self.value(key)?.parse().ok()
    }

    /// Whether the word is among them.
    pub fn has(self, word: &str) -> bool {
        self.0.split(',').any(|option| option == word)
    }

    /// The server, where its address is told.
    pub fn server(self, fstype: &str) -> Option<Server> {
        let address = self.value("addr")?;
        let version = self.value("vers").or_else(|| self.value("nfsvers"));
        let version = version
            .and_then(|text| text.split('.').next()?.parse().ok())
            .unwrap_or(if fstype == "nfs4" { 4 } else { 3 });
        let protocol = match self.value("proto").unwrap_or("tcp") {
            "udp" | "udp6" => Protocol::Udp,
            "rdma" | "rdma6" => Protocol::Rdma,
            _ => Protocol::Tcp,
        };
        let port = self
            .number("port")
            .and_then(|port| u16::try_from(port).ok());
        let port = port.filter(|port| *port != 0);
        Some(Server {
            address: socket_address(address, port.unwrap_or(NFS_PORT))?,
            asks_portmapper: port.is_none() && version < 4,
            protocol,
            version,
        })
    }
}

impl Server {
    /// Its name in labels: the address, with the port where that is not NFS's.
    pub fn name(&self) -> String {
        if self.address.port() == NFS_PORT {
            let text = self.address.to_string();
            let end = text.rfind(':').unwrap_or(text.len());
            text[..end].trim_matches(['[', ']']).to_owned()
        } else {
            self.address.to_string()
        }
    }
}

/// An address as the kernel writes it: a link-local one with the number of its interface (`fe80::1%2`).
fn socket_address(text: &str, port: u16) -> Option<SocketAddr> {
    if let Some((address, scope)) = text.split_once('%') {
        let address: Ipv6Addr = address.parse().ok()?;
        let scope = scope.parse().ok()?;
        return Some(SocketAddrV6::new(address, port, 0, scope).into());
    }
    let address: IpAddr = text.parse().ok()?;
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(fstype: &str, options: &str) -> Server {
        Options(options).server(fstype).unwrap()
    }

    #[test]
    fn the_server_of_each_version() {
        let three = server("nfs", "rw,vers=3,hard,proto=tcp,addr=192.0.2.7");
        assert_eq!(three.address.to_string(), "192.0.2.7:2049");
        assert!(three.asks_portmapper && three.version == 3);
        assert_eq!(three.name(), "192.0.2.7");
        let named = server(
            "nfs",
            "vers=3,proto=udp,port=2049,mountport=635,addr=192.0.2.7",
        );
        assert!(!named.asks_portmapper && named.protocol == Protocol::Udp);
        let four = server(
            "nfs4",
            "rw,vers=4.2,proto=tcp6,clientaddr=::1,addr=2001:db8::7",
        );
        assert_eq!((four.version, four.name().as_str()), (4, "2001:db8::7"));
        assert!(!four.asks_portmapper);
        let tunnel = server("nfs4", "vers=4.1,port=20049,proto=tcp,addr=::1");
        assert_eq!(tunnel.name(), "[::1]:20049");
        let local = server("nfs4", "addr=fe80::1%3,proto=rdma6");
        assert_eq!((local.name().as_str(), local.version), ("fe80::1%3", 4));
        assert_eq!(local.protocol, Protocol::Rdma);
    }

    #[test]
    fn a_server_without_an_address_is_none() {
        for options in ["rw,hard", "addr=", "addr=nas", "addr=fe80::1%eth0", "addr"] {
            assert_eq!(Options(options).server("nfs"), None, "{options}");
        }
    }

    proptest! {
        #[test]
        fn any_options_are_no_panic(text in "(?s).{0,80}", port: u16, version in 2u32..5) {
            let _ = Options(&text).server("nfs");
            let options = format!("vers={version},port={port},addr=192.0.2.1");
            let server = Options(&options).server("nfs").unwrap();
            prop_assert_eq!(server.version, version);
            prop_assert_eq!(server.address.port(), if port == 0 { NFS_PORT } else { port });
        }
    }
}
