//! `/proc/PID/mountstats`: what each NFS mount has done, as the client counts it. Reading it asks no server.
//!
//! Format: kernel `fs/proc_namespace.c` (`show_vfsstat`), `fs/nfs/super.c` (`nfs_show_stats`), `net/sunrpc/stats.c`
//! and the `print_stats` of `net/sunrpc/xprtsock.c` and `xprtrdma/transport.c`. What a kernel is too old to tell is
//! absent. A line that is not understood is counted and costs nothing but itself.

use std::borrow::Cow;
use std::path::Path;

use tidegauge_model::mount::unescape;

use super::kernel_file::{KernelFile, KernelFileError};

/// The file of process 1, or our own where that is not to be had.
#[derive(Debug)]
pub struct MountStatsFile {
    host: KernelFile,
    own: KernelFile,
}

impl MountStatsFile {
    /// Below `procfs`: `1/mountstats`, which is root's, else `self/mountstats`: the counters are those of the
    /// superblock, whichever mount namespace shows it.
    pub fn new(procfs: &Path) -> Self {
        Self {
            host: KernelFile::new(procfs.join("1/mountstats")),
            own: KernelFile::new(procfs.join("self/mountstats")),
        }
    }

    /// Reads it. The error is that of process 1's file, which is the one to have.
    pub fn read(&mut self) -> Result<&[u8], KernelFileError> {
        match self.host.read() {
            Ok(bytes) => Ok(bytes),
            Err(error) => self.own.read().map_err(|_| error),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountStats<'a> {
    /// The NFS mounts, in the kernel's order.
    pub mounts: Vec<NfsMount<'a>>,
    /// Lines that were not understood.
    pub bad_lines: u64,
    /// Number of the first of them and what is wrong with it.
    pub first_bad: Option<(usize, &'static str)>,
}

/// One NFS mount. Mounts of one superblock show the same numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NfsMount<'a> {
    /// What was mounted: `server:/export`, any bytes.
    pub source: Cow<'a, [u8]>,
    /// Where, any bytes.
    pub mountpoint: Cow<'a, [u8]>,
    /// Options in force, defaults included; comma separated. Without the server's address.
    pub options: &'a str,
    /// Seconds since it was mounted.
    pub age: Option<u64>,
    /// Length of the lease in seconds (version 4, since Linux 5.3).
    pub lease_time: Option<u64>,
    /// For how many seconds the lease has not been renewed in time; 0 while it holds.
    pub lease_expired: Option<u64>,
    /// What happened.
    pub events: Option<Events>,
    /// Bytes and pages moved.
    pub bytes: Option<ByteCounts>,
    /// The connections to the server; several with `nconnect`. Mounts of one server share them.
    pub transports: Vec<Transport<'a>>,
    /// Counters of each RPC procedure that the protocol has.
    pub operations: Vec<Operation<'a>>,
}

/// Events worth watching of those in `enum nfs_stat_eventcounters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Cached data of a file was thrown away.
    pub data_invalidate: u64,
    /// Cached attributes were thrown away.
    pub attribute_invalidate: u64,
    /// A file that was removed while open was renamed instead.
    pub silly_rename: u64,
    /// The server gave less than was asked for.
    pub short_read: u64,
    /// The server took less than was sent.
    pub short_write: u64,
    /// The server said "try again later".
    pub delay: u64,
}

/// `enum nfs_stat_bytecounters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of nfs_iostat.h")]
pub struct ByteCounts {
    pub normal_read: u64,
    pub normal_written: u64,
    pub direct_read: u64,
    pub direct_written: u64,
    pub server_read: u64,
    pub server_written: u64,
    pub read_pages: u64,
    pub write_pages: u64,
}

/// One connection (`xprt:`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport<'a> {
    /// `tcp`, `udp`, `rdma`, `local`.
    pub protocol: &'a str,
    /// Our port; 0 where there is none.
    pub source_port: u64,
    /// How often a port was bound.
    pub binds: u64,
    /// How often a connection was made.
    pub connects: Option<u64>,
    /// Seconds spent waiting for connections.
    pub connect_seconds: Option<u64>,
    /// Seconds since it was last used.
    pub idle_seconds: Option<u64>,
    /// Requests sent, those that were sent again included.
    pub sends: u64,
    /// Replies received.
    pub receives: u64,
    /// Replies to no request that is known.
    pub bad_xids: u64,
    /// At each send the number of requests under way was added.
    pub active: u64,
    /// At each send the number of requests that waited for a slot was added.
    pub backlog: u64,
    /// The most slots that were ever in use.
    pub max_slots: Option<u64>,
    /// At each send the length of the queue of those to be sent was added.
    pub sending: Option<u64>,
    /// At each send the length of the queue of those that wait for a reply was added.
    pub pending: Option<u64>,
}

/// Counters of one RPC procedure (`struct rpc_iostats`). They grow when a request ends, not before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operation<'a> {
    /// As the kernel writes it: `READ`.
    pub name: &'a str,
    /// Requests that ended.
    pub requests: u64,
    /// How often they were sent; more than requests when some were sent again.
    pub transmissions: u64,
    /// How often a request waited for all its retransmissions in vain.
    pub major_timeouts: u64,
    /// Bytes sent, headers included.
    pub sent: u64,
    /// Bytes received, headers included.
    pub received: u64,
    /// Milliseconds from the request to its first sending.
    pub queue_ms: u64,
    /// Milliseconds from sending to the reply.
    pub response_ms: u64,
    /// Milliseconds from the request to its end.
    pub request_ms: u64,
    /// Requests that ended with an error (since Linux 5.3).
    pub errors: Option<u64>,
}

impl Operation<'_> {
    /// Adds another's counters, as for a sum over procedures.
    pub fn add(&mut self, other: &Operation<'_>) {
        for (mine, theirs) in [
            (&mut self.requests, other.requests),
            (&mut self.transmissions, other.transmissions),
            (&mut self.major_timeouts, other.major_timeouts),
            (&mut self.sent, other.sent),
            (&mut self.received, other.received),
            (&mut self.queue_ms, other.queue_ms),
            (&mut self.response_ms, other.response_ms),
            (&mut self.request_ms, other.request_ms),
        ] {
            *mine = mine.wrapping_add(theirs);
        }
        if let Some(errors) = other.errors {
            self.errors = Some(self.errors.unwrap_or_default().wrapping_add(errors));
        }
    }
}

/// Parses the content of a `mountstats` file. A last line without its end is not trusted: a number cut short
/// looks like a smaller one.
pub fn parse(content: &[u8]) -> MountStats<'_> {
    let mut stats = MountStats::default();
    // Whether the lines belong to an NFS mount, and whether its operations have begun.
    let (mut inside, mut operations) = (false, false);
    for (index, line) in content.split_inclusive(|b| *b == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else {
            if inside {
                stats.bad(index, "it has no end");
            }
            break;
        };
        if line.starts_with(b"device ") || line.starts_with(b"no device ") {
            (inside, operations) = (false, false);
            match header(line) {
                Ok(Some(mount)) => {
                    inside = true;
                    stats.mounts.push(mount);
                }
                Ok(None) => {}
                Err(problem) => stats.bad(index, problem),
            }
            continue;
        }
        if !inside || line.is_empty() {
            continue;
        }
        let Some(mount) = stats.mounts.last_mut() else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(line) else {
            stats.bad(index, "it is not text");
            continue;
        };
        let text = text.trim();
        if operations {
            match operation(text) {
                Ok(operation) => mount.operations.push(operation),
                Err(problem) => stats.bad(index, problem),
            }
        } else if text == "per-op statistics" {
            operations = true;
        } else if let Err(problem) = mount.take(text) {
            stats.bad(index, problem);
        }
    }
    stats
}

impl MountStats<'_> {
    fn bad(&mut self, index: usize, problem: &'static str) {
        self.bad_lines += 1;
        self.first_bad.get_or_insert((index + 1, problem));
    }
}

/// `device nas:/x mounted on /mnt with fstype nfs4 statvers=1.1`; `None` for a mount without statistics.
fn header(line: &[u8]) -> Result<Option<NfsMount<'_>>, &'static str> {
    let mut fields = line.split(|b| *b == b' ');
    if fields.next() == Some(b"no") {
        return Ok(None);
    }
    let source = fields.next().ok_or("no source")?;
    let mut word = |expected: &[u8]| fields.next() == Some(expected);
    if !(word(b"mounted") && word(b"on")) {
        return Err("no `mounted on`");
    }
    let mountpoint = fields.next().ok_or("no mount point")?;
    let mut word = |expected: &[u8]| fields.next() == Some(expected);
    if !(word(b"with") && word(b"fstype")) {
        return Err("no `with fstype`");
    }
    fields.next().ok_or("no filesystem type")?;
    Ok(fields
        .next()
        .filter(|field| field.starts_with(b"statvers="))
        .map(|_| NfsMount {
            source: unescape(source),
            mountpoint: unescape(mountpoint),
            ..NfsMount::default()
        }))
}

impl<'a> NfsMount<'a> {
    fn take(&mut self, line: &'a str) -> Result<(), &'static str> {
        let Some((key, value)) = line.split_once(':') else {
            return Ok(());
        };
        let value = value.trim();
        match key {
            "opts" => self.options = value,
            "age" => self.age = Some(decimal(value).ok_or("the age is not a number")?),
            "nfsv4" => {
                for (key, place) in [
                    ("lease_time", &mut self.lease_time),
                    ("lease_expired", &mut self.lease_expired),
                ] {
                    *place = value
                        .split(',')
                        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                        .map(|number| decimal(number).ok_or("a lease is not a number"))
                        .transpose()?;
                }
            }
            "events" => {
                let [_, _, data_invalidate, attribute_invalidate, ..] = numbers::<4>(value)?;
                let all = numbers::<25>(value)?;
                let [silly_rename, short_read, short_write, delay] =
                    [all[21], all[22], all[23], all[24]];
                self.events = Some(Events {
                    data_invalidate,
                    attribute_invalidate,
                    silly_rename,
                    short_read,
                    short_write,
                    delay,
                });
            }
            "bytes" => {
                let [
                    normal_read,
                    normal_written,
                    direct_read,
                    direct_written,
                    server_read,
                    server_written,
                    read_pages,
                    write_pages,
                ] = numbers(value)?;
                self.bytes = Some(ByteCounts {
                    normal_read,
                    normal_written,
                    direct_read,
                    direct_written,
                    server_read,
                    server_written,
                    read_pages,
                    write_pages,
                });
            }
            "xprt" => self.transports.push(transport(value)?),
            // What else there is (caps, sec, impl_id, fsc) is not shown.
            _ => {}
        }
        Ok(())
    }
}

/// `tcp 783 1 2 0 0 66 66 0 66 0 2 0 0`, of a length by protocol and kernel.
fn transport(text: &str) -> Result<Transport<'_>, &'static str> {
    let (protocol, rest) = text.split_once(' ').ok_or("a transport without counters")?;
    // Only the time without use may be negative, when the clock of jiffies says so.
    let fields: Vec<Option<u64>> = rest
        .split_ascii_whitespace()
        .map(|field| match field.strip_prefix('-') {
            Some(number) => decimal(number).map(|_| None),
            None => decimal(field).map(Some),
        })
        .collect::<Option<_>>()
        .ok_or("a counter of a transport is not a number")?;
    let at = |index: usize| fields.get(index).copied().flatten();
    let must = |index: usize| at(index).ok_or("a transport with too few counters");
    let common = |from: usize| -> Result<Transport<'_>, &'static str> {
        Ok(Transport {
            protocol,
            sends: must(from)?,
            receives: must(from + 1)?,
            bad_xids: must(from + 2)?,
            active: must(from + 3)?,
            backlog: must(from + 4)?,
            ..Transport::default()
        })
    };
    match protocol {
        "udp" => Ok(Transport {
            source_port: must(0)?,
            binds: must(1)?,
            max_slots: at(7),
            sending: at(8),
            pending: at(9),
            ..common(2)?
        }),
        "tcp" | "rdma" | "local" => {
            // One on this host has no port.
            let port = usize::from(protocol != "local");
            let own = |index: usize| at(index).filter(|_| protocol != "rdma");
            Ok(Transport {
                source_port: if port == 1 { must(0)? } else { 0 },
                binds: must(port)?,
                connects: Some(must(port + 1)?),
                connect_seconds: Some(must(port + 2)?),
                idle_seconds: at(port + 3),
                // After these RDMA has counters of its own.
                max_slots: own(port + 9),
                sending: own(port + 10),
                pending: own(port + 11),
                ..common(port + 4)?
            })
        }
        _ => Err("a transport of an unknown kind"),
    }
}

/// `READ: 1 1 0 152 4212 0 0 0 0`, without the last one before Linux 5.3.
fn operation(line: &str) -> Result<Operation<'_>, &'static str> {
    let (name, rest) = line.split_once(':').ok_or("an operation without a name")?;
    let [
        requests,
        transmissions,
        major_timeouts,
        sent,
        received,
        queue_ms,
        response_ms,
        request_ms,
    ] = numbers(rest)?;
    let errors = rest.split_ascii_whitespace().nth(8);
    Ok(Operation {
        name,
        requests,
        transmissions,
        major_timeouts,
        sent,
        received,
        queue_ms,
        response_ms,
        request_ms,
        errors: errors
            .map(|field| decimal(field).ok_or("a counter is not a number"))
            .transpose()?,
    })
}

/// The first `N` numbers; more than that do no harm.
fn numbers<const N: usize>(text: &str) -> Result<[u64; N], &'static str> {
    let mut all = [0; N];
    let mut fields = text.split_ascii_whitespace();
    for place in &mut all {
        let field = fields.next().ok_or("too few counters")?;
        *place = decimal(field).ok_or("a counter is not a number")?;
    }
    Ok(all)
}

/// An unsigned decimal number; `None` for anything else, an overflow too.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
