//! One scrape: CPU, memory, latency, beside node_exporter; and how far from the system calls alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use tidegauge_rig::{Answer, FsKind, HangFs, LoopFs, Operations};

use super::client::{Ask, Client};
use super::document;
use super::mounts::Mounts;
use super::process::Exporter;
use super::table::{Figure, Goal, Row, markdown};

const LIMIT: Duration = Duration::from_secs(30);
/// How long the peer is given with a hung mount.
const HUNG_LIMIT: Duration = Duration::from_secs(12);

/// The flags that make the peer read what ours reads.
const PEER_FLAGS: [&str; 5] = [
    "--collector.disable-defaults",
    "--collector.diskstats",
    "--collector.filesystem",
    "--collector.pressure",
    "--collector.diskstats.device-exclude=^(z?ram|fd)\\d+$",
];
/// What an ordinary host has besides.
const PEER_MORE: [&str; 5] = [
    "--collector.btrfs",
    "--collector.nvme",
    "--collector.nfs",
    "--collector.mountstats",
    "--collector.mdadm",
];

struct Bench {
    ours: PathBuf,
    peer: PathBuf,
    rounds: usize,
    scrapes: usize,
    rows: Vec<Row>,
}

/// Measures and writes `docs/benchmarks.md`; with `quick` less of it, and nothing is written.
pub fn run(quick: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let mut bench = Bench {
        ours: root.join("target/release/tidegauge"),
        peer: root.join("target/peers/node_exporter/usr/bin/prometheus-node-exporter"),
        rounds: if quick { 3 } else { 7 },
        scrapes: if quick { 50 } else { 200 },
        rows: Vec::new(),
    };
    bench.ordinary()?;
    bench.hung()?;
    let count = if quick { 100 } else { 1000 };
    bench.many(&root.join("target/bench"), count)?;
    let table = markdown(&bench.rows);
    println!("{table}");
    if !quick {
        let text = section(&table)?;
        document::replace(root, "Scrapes", &text)?;
    }
    Ok(())
}

impl Bench {
    fn start_ours(&self) -> Result<Exporter> {
        Exporter::start(
            &self.ours,
            &["exporter".to_owned(), "--log.level=error".to_owned()],
        )
    }

    fn start_peer(&self, more: &[&str]) -> Result<Exporter> {
        let flags: Vec<String> = PEER_FLAGS
            .iter()
            .chain(more)
            .map(|&f| f.to_owned())
            .collect();
        Exporter::start(&self.peer, &flags)
    }

    /// CPU per scrape in ms and scrapes per second, ours and the peer's in turn.
    fn in_turn(
        &self,
        ours: &Exporter,
        peer: &Exporter,
        ask: Ask,
        scrapes: usize,
        mut between: impl FnMut() -> Result<()>,
    ) -> Result<[[Figure; 2]; 2]> {
        let mut runs = [const { [const { Vec::new() }; 2] }; 2];
        for _ in 0..self.rounds {
            between()?;
            for (exporter, runs) in [ours, peer].into_iter().zip(&mut runs) {
                let mut client = Client::connect(exporter.address, ask, LIMIT)?;
                client.scrape()?;
                let (cpu, began) = (exporter.cpu()?, Instant::now());
                for _ in 0..scrapes {
                    client.scrape()?;
                }
                let (took, cpu) = (began.elapsed(), exporter.cpu()? - cpu);
                #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                let n = scrapes as f64;
                runs[0].push(cpu.as_secs_f64() * 1e3 / n);
                runs[1].push(n / took.as_secs_f64());
            }
        }
        let figure = |runs: Vec<f64>| Figure::of(runs).context("no runs");
        let [[our_cpu, our_rate], [peer_cpu, peer_rate]] = runs;
        Ok([
            [figure(our_cpu)?, figure(our_rate)?],
            [figure(peer_cpu)?, figure(peer_rate)?],
        ])
    }

    fn push(&mut self, what: &str, peer: Result<Figure, String>, ours: Figure, goal: Goal) {
        self.rows.push(Row {
            what: what.to_owned(),
            peer,
            ours,
            goal,
        });
    }

    fn resident(&mut self, what: &str, peer: &Exporter, ours: &Exporter, goal: f64) -> Result<()> {
        let mib = |exporter: &Exporter| -> Result<Figure> {
            #[expect(clippy::cast_precision_loss, reason = "megabytes with two digits")]
            let value = exporter.resident()? as f64 / 1e6;
            Figure::of(vec![value]).context("one run")
        };
        let (peer, ours) = (mib(peer)?, mib(ours)?);
        self.push(what, Ok(peer), ours, Goal::AtMost(goal));
        Ok(())
    }

    fn ordinary(&mut self) -> Result<()> {
        println!("an ordinary host …");
        let _mounts: Vec<LoopFs> = [
            FsKind::Ext4,
            FsKind::Ext4,
            FsKind::Ext4,
            FsKind::Xfs,
            FsKind::Xfs,
            FsKind::Btrfs,
        ]
        .into_iter()
        .map(|kind| LoopFs::new(kind, if kind == FsKind::Xfs { 320 } else { 128 }))
        .collect();
        let (ours, peer) = (self.start_ours()?, self.start_peer(&PEER_MORE)?);
        ours.first_scrape(LIMIT).context("ours does not answer")?;
        peer.first_scrape(LIMIT)
            .context("the peer does not answer")?;
        let [[cpu, rate], [peer_cpu, peer_rate]] =
            self.in_turn(&ours, &peer, Ask::Gzip, self.scrapes, || Ok(()))?;
        self.push(
            "ordinary host: CPU of a scrape, ms",
            Ok(peer_cpu),
            cpu,
            Goal::Ratio(0.1),
        );
        self.push(
            "ordinary host: scrapes/s, one connection (more is better)",
            Ok(peer_rate),
            rate,
            Goal::None,
        );
        self.resident("ordinary host: RSS, MB", &peer, &ours, 8.0)?;
        drop((ours, peer));

        let first = |bench: &Self, own: bool| -> Result<f64> {
            let exporter = if own {
                bench.start_ours()?
            } else {
                bench.start_peer(&PEER_MORE)?
            };
            Ok(exporter
                .first_scrape(LIMIT)
                .context("no answer")?
                .as_secs_f64()
                * 1e3)
        };
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds * 2 {
            own.push(first(self, true)?);
            other.push(first(self, false)?);
        }
        let (own, other) = (
            Figure::of(own).context("runs")?,
            Figure::of(other).context("runs")?,
        );
        self.push(
            "ordinary host: start to first full scrape, ms",
            Ok(other),
            own,
            Goal::AtMost(50.0),
        );
        Ok(())
    }

    fn hung(&mut self) -> Result<()> {
        println!("a hung mount …");
        let hung = HangFs::new();
        let config = hung
            .mountpoint()
            .parent()
            .context("it has one")?
            .join("tidegauge.yml");
        // FUSE counts only when named.
        fs::write(
            &config,
            format!(
                "tiers: [{{name: hot, paths: [/]}}, {{name: cold, paths: [{:?}]}}]\n",
                hung.mountpoint()
            ),
        )?;
        let arguments = [
            "exporter".to_owned(),
            "--log.level=error".to_owned(),
            format!("--config={}", config.display()),
        ];
        let first = |bench: &Self| -> Result<f64> {
            let exporter = Exporter::start(&bench.ours, &arguments)?;
            let took = exporter
                .first_scrape(LIMIT)
                .context("no answer")?
                .as_secs_f64()
                * 1e3;
            // The kernel ends a process that waits in FUSE only when it is answered.
            hung.set(Operations::All, Answer::Normal);
            drop(exporter);
            Ok(took)
        };
        let mut later = Vec::new();
        for _ in 0..self.rounds * 2 {
            let without = first(self)?;
            hung.set(Operations::All, Answer::Hang);
            later.push(first(self)? - without);
        }
        hung.set(Operations::All, Answer::Hang);
        let peer = self.start_peer(&[])?;
        let said = match peer.first_scrape(HUNG_LIMIT) {
            Some(took) => format!("answered after {:.1} s", took.as_secs_f64()),
            None => format!("no answer in {} s", HUNG_LIMIT.as_secs()),
        };
        hung.set(Operations::All, Answer::Normal);
        drop(peer);
        let later = Figure::of(later).context("runs")?;
        self.push(
            "first scrape with a hung mount: later than without it, ms",
            Err(said),
            later,
            Goal::AtMost(100.0),
        );
        Ok(())
    }

    fn many(&mut self, folder: &Path, count: usize) -> Result<()> {
        println!("{count} filesystems on {count} loop devices …");
        let mounts = Mounts::new(folder, count)?;
        let scrapes = (self.scrapes / 20).max(3);
        let (ours, peer) = (self.start_ours()?, self.start_peer(&[])?);
        ours.first_scrape(LIMIT).context("ours does not answer")?;
        peer.first_scrape(LIMIT)
            .context("the peer does not answer")?;
        let named = |what: &str| format!("{count} filesystems: {what}");
        for (ask, name) in [
            (Ask::Plain, "plain text"),
            (Ask::Gzip, "gzip, as Prometheus asks"),
        ] {
            let mut floors = Vec::new();
            let between = || floor(&mounts, count).map(|ms| floors.push(ms));
            let [[cpu, _], [peer_cpu, _]] = self.in_turn(&ours, &peer, ask, scrapes, between)?;
            self.push(
                &named(&format!("CPU of a scrape, {name}, ms")),
                Ok(peer_cpu),
                cpu,
                Goal::Ratio(0.05),
            );
            if ask == Ask::Plain {
                self.push(
                    &named("the same beside the system calls alone (peer column), ms"),
                    Figure::of(floors).ok_or_else(|| "not measured".to_owned()),
                    cpu,
                    Goal::Ratio(1.5),
                );
            }
        }
        self.resident(&named("RSS, one client, MB"), &peer, &ours, 16.0)?;
        for exporter in [&ours, &peer] {
            std::thread::scope(|scope| {
                let clients: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| -> Result<()> {
                            let mut client = Client::connect(exporter.address, Ask::Gzip, LIMIT)?;
                            (0..scrapes).try_for_each(|_| client.scrape().map(drop))
                        })
                    })
                    .collect();
                clients.into_iter().try_for_each(|c| {
                    c.join()
                        .unwrap_or_else(|_| anyhow::bail!("a client panicked"))
                })
            })?;
        }
        self.resident(
            &named("RSS after eight clients at once, MB"),
            &peer,
            &ours,
            16.0,
        )
    }
}

/// CPU of this thread, in ms, for the system calls that one scrape cannot do without: the mount table
/// and diskstats read whole, one statfs for each filesystem.
fn floor(mounts: &Mounts, count: usize) -> Result<f64> {
    let cpu = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let ms = now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6;
        ms
    };
    let points: Vec<PathBuf> = (0..count).map(|n| mounts.point(n)).collect();
    let before = cpu();
    let mut buffer = vec![0; 64 << 10];
    for path in ["/proc/1/mountinfo", "/proc/diskstats"] {
        let mut file = fs::File::open(path)?;
        while std::io::Read::read(&mut file, &mut buffer)? > 0 {}
    }
    for point in &points {
        rustix::fs::statfs(point)?;
    }
    Ok(cpu() - before)
}

fn section(table: &str) -> Result<String> {
    Ok(format!(
        "By `cargo xtask bench scrape` (needs root, `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}. The peer is Debian's node_exporter 1.11 with\n\
         `{}`,\n\
         on the ordinary host also `{}`. Ours runs with its defaults. Both run at the same time and are\n\
         scraped in turn; figures are medians, with the least and the greatest in parentheses. CPU is what the\n\
         kernel's scheduler counted for all threads. Only the ratios count: absolute times vary with the machine.\n\n\
         {table}",
        document::machine()?,
        PEER_FLAGS.join(" "),
        PEER_MORE.join(" "),
    ))
}
