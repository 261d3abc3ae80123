//! The connections to a server, counted once however many mounts share them.

use std::collections::BTreeMap;

use crate::device::mountstats::Transport;

/// What tells the connections of one server apart: the client keeps them by version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// As [`crate::device::nfs_options::Server::name`] has it; empty when it is not told.
    pub server: String,
    /// With the minor one: `4.2`.
    pub version: String,
    /// `tcp`, `udp`, `rdma`.
    pub protocol: String,
}

/// Sums over connections, of the fields of [`Transport`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// How many.
    pub connections: u64,
    pub binds: u64,
    pub connects: Option<u64>,
    pub connect_seconds: Option<u64>,
    /// That of the connection used last.
    pub idle_seconds: Option<u64>,
    pub sends: u64,
    pub receives: u64,
    pub bad_xids: u64,
    pub active: u64,
    pub backlog: u64,
    pub max_slots: Option<u64>,
    pub sending: Option<u64>,
    pub pending: Option<u64>,
}

impl Connections {
    fn add(&mut self, one: &Transport<'_>) {
        let sum = |mine: &mut u64, theirs: u64| *mine = mine.wrapping_add(theirs);
        let sum_known = |mine: &mut Option<u64>, theirs: Option<u64>| {
            if let Some(theirs) = theirs {
                *mine = Some(mine.unwrap_or_default().wrapping_add(theirs));
            }
        };
        self.connections += 1;
        sum(&mut self.binds, one.binds);
        sum_known(&mut self.connects, one.connects);
        sum_known(&mut self.connect_seconds, one.connect_seconds);
        self.idle_seconds = [self.idle_seconds, one.idle_seconds]
            .into_iter()
            .flatten()
            .min();
        sum(&mut self.sends, one.sends);
        sum(&mut self.receives, one.receives);
        sum(&mut self.bad_xids, one.bad_xids);
        sum(&mut self.active, one.active);
        sum(&mut self.backlog, one.backlog);
        sum_known(&mut self.max_slots, one.max_slots);
        sum_known(&mut self.sending, one.sending);
        sum_known(&mut self.pending, one.pending);
    }
}

#[derive(Debug, Default)]
struct Known {
    ports: Vec<u64>,
    /// The hottest, as index.
    tier: Option<usize>,
    sum: Connections,
}

/// The connections of all servers.
#[derive(Debug, Default)]
pub struct Transports(BTreeMap<Key, Known>);

impl Transports {
    /// Takes those of one mount. Mounts of one server share theirs, unless they were told not to
    /// (`nosharetransport`); then no local port of one is among the other's.
    pub fn take(&mut self, key: Key, tier: Option<usize>, of_mount: &[Transport<'_>]) {
        if of_mount.is_empty() {
            return;
        }
        let is_new = !self.0.contains_key(&key);
        let known = self.0.entry(key).or_default();
        known.tier = [known.tier, tier].into_iter().flatten().min();
        let ports = || {
            of_mount
                .iter()
                .map(|t| t.source_port)
                .filter(|&port| port != 0)
        };
        let others = ports().next().is_some()
            && !known.ports.is_empty()
            && ports().all(|port| !known.ports.contains(&port));
        if is_new || others {
            known.ports.extend(ports());
            of_mount.iter().for_each(|one| known.sum.add(one));
        }
    }

    /// All of them with the index of the tier.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, Option<usize>, &Connections)> {
        self.0
            .iter()
            .map(|(key, known)| (key, known.tier, &known.sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: &str) -> Key {
        Key {
            server: "192.0.2.7".into(),
            version: version.into(),
            protocol: "tcp".into(),
        }
    }

    fn tcp(source_port: u64, sends: u64) -> Transport<'static> {
        Transport {
            protocol: "tcp",
            source_port,
            sends,
            binds: 1,
            connects: Some(2),
            idle_seconds: Some(source_port),
            ..Transport::default()
        }
    }

    #[test]
    fn the_connections_of_a_server_count_once() {
        let mut all = Transports::default();
        let four = [tcp(700, 1), tcp(701, 2), tcp(702, 3), tcp(703, 4)];
        all.take(key("4.2"), Some(2), &four);
        // Read a moment later, when one had sent more.
        all.take(
            key("4.2"),
            Some(1),
            &[tcp(700, 9), tcp(701, 2), tcp(702, 3), tcp(703, 4)],
        );
        // Not connected at the moment.
        all.take(key("4.2"), None, &[tcp(0, 1)]);
        all.take(key("3"), None, &[tcp(800, 5)]);
        let found: Vec<_> = all.iter().collect();
        let (_, tier, three) = found[0];
        assert_eq!((tier, three.connections, three.sends), (None, 1, 5));
        let (_, tier, four) = found[1];
        assert_eq!((tier, four.connections, four.sends), (Some(1), 4, 10));
        assert_eq!(
            (four.connects, four.idle_seconds, four.max_slots),
            (Some(8), Some(700), None)
        );
    }

    #[test]
    fn mounts_that_share_no_connection_add_up() {
        let mut all = Transports::default();
        all.take(key("3"), None, &[tcp(700, 1)]);
        all.take(key("3"), None, &[tcp(900, 2)]);
        all.take(key("3"), None, &[tcp(900, 2)]);
        let (_, _, sum) = all.iter().next().unwrap();
        assert_eq!((sum.connections, sum.sends), (2, 3));
    }
}
