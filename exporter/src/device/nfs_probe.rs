//! Asks an NFS server whether it is there: the procedure that does nothing (NULL), which needs no rights, no
//! export and no port below 1024. Every step counts against one deadline.
//!
//! A connection is made anew each time: that the server accepts one is half of the answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use thiserror::Error;

use super::nfs_options::Protocol;
use super::rpc::{self, NoReply, Procedure, RecordError, Verdict};

/// A datagram may be lost: it is sent again after this long.
const RESEND: Duration = Duration::from_secs(1);

/// Who is asked what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address, with the port to try first.
    pub address: SocketAddr,
    /// Where nobody listens at that port, the server's portmapper is asked for another.
    pub asks_portmapper: bool,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The versions of NFS to ask for.
    pub versions: Vec<u32>,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// How long the connection took; none over UDP.
    pub connect: Option<Duration>,
    /// For each version the answer and how long it took.
    pub calls: Vec<(u32, Verdict, Duration)>,
}

/// Why a server did not answer.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// Not in time.
    #[error("{doing} got no answer in time; is it up, and does a firewall let this host through?")]
    Late {
        /// What was tried.
        doing: &'static str,
    },
    /// The network or the server's kernel said no.
    #[error("{doing} failed: {source}; is NFS running on the server?")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// This host does not let us ask.
    #[error(
        "{doing} is forbidden here: {source}; does the unit or a firewall of this host forbid it?"
    )]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// This host has not what is needed to ask.
    #[error("{doing} is not possible here: {source}")]
    NotAsked {
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// It answered with what is no RPC reply.
    #[error("what it answered is no RPC reply: {0}; is this the port of an NFS server?")]
    NoReply(#[from] NoReply),
    /// It answered with too much.
    #[error("what it answered is no RPC reply: {0}; is this the port of an NFS server?")]
    TooLong(RecordError),
    /// Nothing is asked over this transport.
    #[error("its mounts use RDMA, over which it is not asked")]
    Unsupported,
}

/// Asks servers; the network, or recordings in tests.
pub trait Ask: Send + Sync {
    /// Asks one, for no longer than `limit`.
    fn ask(&self, target: &Target, limit: Duration) -> Result<Reached, ProbeError>;
}

/// How servers are asked.
#[derive(Clone)]
pub struct Asker(pub Arc<dyn Ask>);

impl Default for Asker {
    fn default() -> Self {
        Self(Arc::new(Network { portmapper: 111 }))
    }
}

/// Asks over the network of the exporter's own network namespace.
#[derive(Debug)]
pub struct Network {
    /// The port of portmappers.
    pub portmapper: u16,
}

impl Ask for Network {
    fn ask(&self, target: &Target, limit: Duration) -> Result<Reached, ProbeError> {
        let until = Instant::now() + limit;
        match ask_at(target, target.address, until) {
            Err(ProbeError::Io { doing, source })
                if target.asks_portmapper && source.kind() == ErrorKind::ConnectionRefused =>
            {
                let refused = || ProbeError::Io { doing, source };
                // A portmapper that is not there or knows nothing makes the first answer no other one.
                match registered(target, self.portmapper, until) {
                    Ok(Some(port)) if port != target.address.port() => {
                        let mut address = target.address;
                        address.set_port(port);
                        ask_at(target, address, until)
                    }
                    _ => Err(refused()),
                }
            }
            other => other,
        }
    }
}

fn ask_at(target: &Target, address: SocketAddr, until: Instant) -> Result<Reached, ProbeError> {
    let mut line = Line::open(target.protocol, address, until)?;
    let mut calls = Vec::with_capacity(target.versions.len());
    for &version in &target.versions {
        let null = Procedure {
            program: rpc::NFS,
            version,
            number: 0,
        };
        let began = Instant::now();
        let (verdict, _) = line.call(null, &[])?;
        calls.push((version, verdict, began.elapsed()));
    }
    Ok(Reached {
        connect: line.connect,
        calls,
    })
}

/// The port at which the server's portmapper says that NFS is served.
fn registered(target: &Target, portmapper: u16, until: Instant) -> Result<Option<u16>, ProbeError> {
    // Of several versions the lowest is the one whose port may differ: version 4 is at the port of the mount.
    let version = target.versions.iter().copied().min().unwrap_or(3);
    let netid = match (target.protocol, target.address.is_ipv4()) {
        (Protocol::Udp, true) => "udp",
        (Protocol::Udp, false) => "udp6",
        (_, true) => "tcp",
        (_, false) => "tcp6",
    };
    let mut address = target.address;
    address.set_port(portmapper);
    let (procedure, arguments) = rpc::ask_port(rpc::NFS, version, netid);
    let mut line = Line::open(target.protocol, address, until)?;
    let (verdict, results) = line.call(procedure, &arguments)?;
    match verdict {
        Verdict::Success => Ok(rpc::port(procedure.version, &results)?),
        _ => Ok(None),
    }
}

/// A way to a server, good until a deadline.
struct Line {
    socket: Socket,
    connect: Option<Duration>,
    until: Instant,
}

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Line {
    fn open(protocol: Protocol, address: SocketAddr, until: Instant) -> Result<Self, ProbeError> {
        let fail = failed("connecting to it");
        let began = Instant::now();
        let socket = match protocol {
            Protocol::Tcp => {
                let left = left(until).map_err(&fail)?;
                let stream = TcpStream::connect_timeout(&address, left).map_err(&fail)?;
                // The call is one small write; it shall not wait for another one.
                stream.set_nodelay(true).map_err(&fail)?;
                Socket::Tcp(stream)
            }
            Protocol::Udp => {
                let any = match address {
                    SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
                    SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                let socket = UdpSocket::bind((any, 0)).map_err(&fail)?;
                // Only this server's datagrams come in, and a refusal comes back as an error.
                socket.connect(address).map_err(&fail)?;
                Socket::Udp(socket)
            }
            Protocol::Rdma => return Err(ProbeError::Unsupported),
        };
        let connect = matches!(socket, Socket::Tcp(_)).then(|| began.elapsed());
        Ok(Self {
            socket,
            connect,
            until,
        })
    }

    /// Calls, and waits for the answer and what it returns.
    fn call(
        &mut self,
        procedure: Procedure,
        arguments: &[u8],
    ) -> Result<(Verdict, Vec<u8>), ProbeError> {
        let xid = next_xid();
        let message = rpc::call(xid, procedure, arguments);
        let fail = failed("calling it");
        match &self.socket {
            Socket::Tcp(stream) => {
                let mut stream = Bounded {
                    stream,
                    until: self.until,
                };
                stream.write_all(&rpc::record(&message)).map_err(&fail)?;
                let reply = match rpc::read_record(&mut stream) {
                    Ok(reply) => reply,
                    Err(RecordError::Io(error)) => return Err(fail(error)),
                    Err(too_long) => return Err(ProbeError::TooLong(too_long)),
                };
                let reply = rpc::parse_reply(&reply, xid)?;
                Ok((reply.verdict, reply.results.to_vec()))
            }
            Socket::Udp(socket) => {
                let mut buffer = [0; 1024];
                loop {
                    socket.send(&message).map_err(&fail)?;
                    let again = Instant::now() + RESEND;
                    while let Some(length) =
                        receive(socket, &mut buffer, again.min(self.until)).map_err(&fail)?
                    {
                        match rpc::parse_reply(&buffer[..length], xid) {
                            // The answer to a call before this one.
                            Err(NoReply::OtherCall) => {}
                            reply => {
                                let reply = reply?;
                                return Ok((reply.verdict, reply.results.to_vec()));
                            }
                        }
                    }
                    left(self.until).map_err(&fail)?;
                }
            }
        }
    }
}

/// Takes a datagram; `None` when none came until then.
fn receive(socket: &UdpSocket, buffer: &mut [u8], until: Instant) -> io::Result<Option<usize>> {
    while let Ok(left) = left(until) {
        socket.set_read_timeout(Some(left))?;
        match socket.recv(buffer) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A stream on which every read and write ends at a deadline.
struct Bounded<'s> {
    stream: &'s TcpStream,
    until: Instant,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(left(self.until)?))?;
            match self.stream.read(buffer) {
                Err(error) if is_pause(&error) => {}
                other => return other,
            }
        }
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(Some(left(self.until)?))?;
            match self.stream.write(buffer) {
                Err(error) if is_pause(&error) => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Interrupted, or at the end of a time that may be shorter than what is left.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
}

/// How long there is still, at least a millisecond: a socket takes 0 for ever.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    Ok(left.max(Duration::from_millis(1)))
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> ProbeError {
    move |source| {
        if source.kind() == ErrorKind::TimedOut {
            return ProbeError::Late { doing };
        }
        match Errno::from_io_error(&source) {
            Some(Errno::ACCESS | Errno::PERM) => ProbeError::Denied { doing, source },
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::AFNOSUPPORT,
            ) => ProbeError::NotAsked { doing, source },
            _ => ProbeError::Io { doing, source },
        }
    }
}

/// Numbers of calls: never the same twice in a row, and others after a restart than before.
fn next_xid() -> u32 {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        AtomicU32::new(now.map_or(1, |now| now.subsec_nanos()) ^ std::process::id())
    });
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
