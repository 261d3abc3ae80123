//! Whether every NFS server in use answers, and how fast: the procedure that does nothing is called on a timer,
//! over a new connection each time, from the exporter's own network namespace.
//!
//! A server that gives any answer of RPC is up; what it answers is shown apart. That it does not answer is a fact
//! of its own, so `up` is 0 then; its last reading is the last time that it answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use super::nfs::is_nfs;
use super::readings::{ReadingFamilies, State, Trouble, reading_families};
use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::isolate::{Answer, Isolated, Question};
use crate::device::nfs_options::{Options, Server};
use crate::device::nfs_probe::{ProbeError, Reached, Target};
use crate::device::rpc::Verdict;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::host::storage::MountLayout;
use crate::settings::{Setting, SettingKind, Settings};

/// So many servers are asked at a time.
const PARALLEL: usize = 32;
/// Every step of asking has a deadline of its own; a thread that is this much over it is given up.
const GRACE: Duration = Duration::from_secs(1);

static READINGS: ReadingFamilies = reading_families!("nfs_server", "server");
static UP: FamilySpec = FamilySpec::gauge(
    "tidegauge_nfs_server_up",
    "Whether the NFS server gave an answer in time, whatever it was; absent when it could not be asked.",
    &["tier", "server"],
);
static CONNECT: FamilySpec = FamilySpec::gauge(
    "tidegauge_nfs_server_connect_seconds",
    "How long the connection took (TCP).",
    &["tier", "server"],
);
static RESPONSE: FamilySpec = FamilySpec::gauge(
    "tidegauge_nfs_server_response_seconds",
    "How long the answer to a call took that does nothing, without the connection.",
    &["tier", "server", "version"],
);
static ANSWER: FamilySpec = FamilySpec::info(
    "tidegauge_nfs_server_answer_info",
    "What it answered: success, or program_mismatch and program_unavailable when it does not serve the version of NFS that a mount uses, and so on.",
    &["tier", "server", "version", "answer"],
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "nfs_server",
    help: "whether the servers of NFS mounts answer, and how fast (RPC NULL)",
    source: "the network, /proc/1/mountinfo",
    default_enabled: true,
    schedule: Schedule::Interval,
    settings: &[
        Setting {
            key: "interval",
            help: "how long to wait between two calls",
            kind: SettingKind::Duration,
            default: "15s",
        },
        Setting {
            key: "timeout",
            help: "how long a server has for its answer, the connection included",
            kind: SettingKind::Duration,
            default: "5s",
        },
    ],
    rights: &[],
    families: &[
        &UP,
        &CONNECT,
        &RESPONSE,
        &ANSWER,
        &READINGS.state,
        &READINGS.last,
        &READINGS.failures,
    ],
    build,
};

struct NfsServers {
    context: Context,
    timeout: Duration,
    isolated: Isolated<SocketAddr>,
    /// The answers that are no success, by server and version, so that each is logged once.
    told: BTreeMap<(String, u32), Verdict>,
}

fn build(context: &Context, settings: &Settings) -> Box<dyn Collector> {
    Box::new(NfsServers {
        context: context.clone(),
        timeout: settings
            .duration("timeout")
            .unwrap_or(Duration::from_secs(5)),
        isolated: Isolated::default(),
        told: BTreeMap::new(),
    })
}

impl Collector for NfsServers {
    fn collect(&mut self, pass: &Pass) -> Result<Vec<Family>, ReadError> {
        let servers = servers(in_use(&*pass.layout()?));
        let questions = servers.values().map(|(target, _)| {
            let (target, limit) = (target.clone(), self.timeout);
            let ask = Arc::clone(&self.context.access.nfs.0);
            let question: Question<_> = Box::new({
                let target = target.clone();
                move || ask.ask(&target, limit)
            });
            (target.address, question)
        });
        let questions = questions.collect();
        let answers = self.isolated.ask(questions, self.timeout + GRACE, PARALLEL);

        let readings = Arc::clone(&self.context.memory.readings);
        let mut round = readings.round(&READINGS, SystemTime::now());
        let (mut up, mut connect) = (Family::new(&UP), Family::new(&CONNECT));
        let (mut response, mut answer) = (Family::new(&RESPONSE), Family::new(&ANSWER));
        for ((name, (_, tier)), (_, answered)) in servers.iter().zip(answers) {
            let tier = tier.map_or("", |i| &self.context.tiers[i].name);
            let labels = Labels::new(&[("tier", tier), ("server", name)]);
            let result = result(answered);
            match &result {
                Ok(reached) => {
                    up.push(&labels, true);
                    if let Some(took) = reached.connect {
                        connect.push(&labels, took.as_secs_f64());
                    }
                    for (version, verdict, took) in &reached.calls {
                        let labels = labels.with("version", &version.to_string());
                        response.push(&labels, took.as_secs_f64());
                        answer.push(&labels.with("answer", verdict.name()), true);
                        self.tell(name, *version, *verdict);
                    }
                }
                Err((Blame::Server, _)) => up.push(&labels, false),
                Err((Blame::Ours, _)) => {}
            }
            round.tell(name, &labels, result.map(|_| ()).map_err(|(_, why)| why));
        }
        let mut families = vec![up, connect, response, answer];
        families.extend(round.finish());
        Ok(families)
    }
}

impl NfsServers {
    /// Logs an answer that is no success, once.
    fn tell(&mut self, server: &str, version: u32, verdict: Verdict) {
        let key = (server.to_owned(), version);
        let before = match verdict {
            Verdict::Success => self.told.remove(&key),
            _ => self.told.insert(key, verdict),
        };
        if before.unwrap_or(Verdict::Success) == verdict {
            return;
        }
        match verdict {
            Verdict::Success => tracing::info!(server, version, "it serves this version again"),
            _ => {
                tracing::warn!(server, version, answer = %verdict, "it is up, but does not serve a version of NFS that a mount uses")
            }
        }
    }
}

/// Whose fault it is that there is no answer.
enum Blame {
    /// The server's, or the network's between: it is down.
    Server,
    /// It was not asked: nothing is known of it.
    Ours,
}

/// An answer as a state.
fn result(answer: Answer<Result<Reached, ProbeError>>) -> Result<Reached, (Blame, Trouble)> {
    let (blame, trouble) = match answer {
        Answer::Answered(Ok(reached)) => return Ok(reached),
        Answer::Answered(Err(error)) => {
            let (blame, state) = match &error {
                ProbeError::Late { .. } => (Blame::Server, State::Late),
                ProbeError::Denied { .. } => (Blame::Ours, State::Denied),
                ProbeError::NotAsked { .. } => (Blame::Ours, State::Failed),
                ProbeError::Unsupported => (Blame::Ours, State::Unsupported),
                ProbeError::Io { .. } | ProbeError::NoReply(_) | ProbeError::TooLong(_) => {
                    (Blame::Server, State::Failed)
                }
            };
            (blame, Trouble::new(state, error))
        }
        Answer::Late(since) => {
            let reason = format!("it has not been asked to the end for {since:.0?}");
            (Blame::Server, Trouble::new(State::Late, reason))
        }
        Answer::Lost(reason) => (Blame::Ours, Trouble::new(State::Failed, reason)),
    };
    Err((blame, trouble))
}

/// The servers of all mounts that tell theirs, each with the mount's tier.
fn in_use(layout: &MountLayout) -> impl Iterator<Item = (Server, Option<usize>)> {
    let mounts = layout.mounts.iter().filter(|m| is_nfs(&m.fstype));
    mounts.filter_map(|mount| {
        let of_table = layout.table.at(&mount.mountpoint)?;
        let server = Options(&of_table.super_options).server(&mount.fstype)?;
        Some((server, mount.tier))
    })
}

/// Who is to be asked: each server once, by its name, with the hottest tier that it serves.
fn servers(
    in_use: impl Iterator<Item = (Server, Option<usize>)>,
) -> BTreeMap<String, (Target, Option<usize>)> {
    let mut servers: BTreeMap<String, (Target, Option<usize>)> = BTreeMap::new();
    for (server, of_mount) in in_use {
        let (target, tier) = servers.entry(server.name()).or_insert_with(|| {
            let target = Target {
                address: server.address,
                asks_portmapper: false,
                protocol: server.protocol,
                versions: Vec::new(),
            };
            (target, None)
        });
        add(target, &server);
        *tier = [*tier, of_mount].into_iter().flatten().min();
    }
    servers
}

/// One more mount of a server: all versions are asked, over TCP where any mount uses it.
fn add(target: &mut Target, server: &Server) {
    target.asks_portmapper |= server.asks_portmapper;
    target.protocol = target.protocol.min(server.protocol);
    if let Err(place) = target.versions.binary_search(&server.version) {
        target.versions.insert(place, server.version);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::device::nfs_options::Protocol;
    use crate::device::rpc::NoReply;

    fn of(mounts: &[(&str, &str, Option<usize>)]) -> BTreeMap<String, (Target, Option<usize>)> {
        servers(
            mounts.iter().filter_map(|(fstype, options, tier)| {
                Some((Options(options).server(fstype)?, *tier))
            }),
        )
    }

    #[test]
    fn a_server_of_many_mounts_is_asked_once_for_all_versions() {
        let found = of(&[
            ("nfs4", "vers=4.2,proto=tcp,addr=192.0.2.7", Some(2)),
            ("nfs", "vers=3,proto=udp,addr=192.0.2.7", None),
            ("nfs4", "vers=4.0,proto=tcp,addr=192.0.2.7", Some(1)),
            (
                "nfs4",
                "vers=4.1,port=20049,proto=rdma,addr=192.0.2.7",
                None,
            ),
            ("nfs", "vers=3", None),
        ]);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["192.0.2.7", "192.0.2.7:20049"]);
        let (target, tier) = &found["192.0.2.7"];
        assert_eq!((target.versions.as_slice(), *tier), (&[3, 4][..], Some(1)));
        assert!(target.asks_portmapper && target.protocol == Protocol::Tcp);
        assert_eq!(found["192.0.2.7:20049"].0.protocol, Protocol::Rdma);
    }

    #[test]
    fn only_what_says_something_of_the_server_makes_it_down() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let doing = "calling it";
        type Case = (Answer<Result<Reached, ProbeError>>, bool, State);
        let cases: [Case; 7] = [
            (
                Answer::Answered(Err(ProbeError::Late { doing })),
                true,
                State::Late,
            ),
            (
                Answer::Answered(Err(ProbeError::Io {
                    doing,
                    source: refused(),
                })),
                true,
                State::Failed,
            ),
            (
                Answer::Answered(Err(NoReply::Truncated.into())),
                true,
                State::Failed,
            ),
            (Answer::Late(Duration::from_secs(9)), true, State::Late),
            (
                Answer::Answered(Err(ProbeError::Denied {
                    doing,
                    source: refused(),
                })),
                false,
                State::Denied,
            ),
            (
                Answer::Answered(Err(ProbeError::Unsupported)),
                false,
                State::Unsupported,
            ),
            (Answer::Lost("no thread".into()), false, State::Failed),
        ];
        for (answer, is_down, state) in cases {
            let Err((blame, trouble)) = result(answer) else {
                panic!("none of them is an answer");
            };
            assert_eq!(matches!(blame, Blame::Server), is_down, "{trouble:?}");
            assert_eq!(trouble.state, state, "{trouble:?}");
        }
    }
}
