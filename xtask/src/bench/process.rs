//! A program under measurement: its CPU time and memory as the kernel counts them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidegauge_rig::Scratch;

use super::client::{Ask, Client};

/// A running exporter; killed when dropped.
pub struct Exporter {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    began: Instant,
}

impl Exporter {
    /// Starts `program` with these arguments and its listen address.
    pub fn start(program: &Path, arguments: &[String]) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], tidegauge_rig::free_port()));
        let began = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {}; run tests/peers.sh and cargo build --release first",
                    program.display()
                )
            })?;
        Ok(Self {
            child,
            address,
            began,
        })
    }

    /// `tidegauge exporter`, once it has answered a scrape.
    pub fn target(program: &Path, limit: Duration) -> Result<Self> {
        let target = Self::start(
            program,
            &["exporter".to_owned(), "--log.level=error".to_owned()],
        )?;
        let answered = target.first_scrape(limit);
        answered.context("the target does not answer")?;
        Ok(target)
    }

    /// `tidegauge alerts` with a configuration, and its state in the folder `state`.
    pub fn sidecar(program: &Path, scratch: &Scratch, config: &str) -> Result<Self> {
        let config = scratch.file("tidegauge.yml", config);
        Self::start(
            program,
            &[
                "alerts".to_owned(),
                "--log.level=error".to_owned(),
                format!("--config={}", config.display()),
                format!("--state-dir={}", scratch.folder("state").display()),
            ],
        )
    }

    /// A Prometheus with a configuration, and its blocks in the folder `data`.
    pub fn prometheus(program: &Path, scratch: &Scratch, config: &str) -> Result<Self> {
        let config = scratch.file("prometheus.yml", config);
        Self::start(
            program,
            &[
                "--log.level=error".to_owned(),
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", scratch.folder("data").display()),
            ],
        )
    }

    /// Time from the start to the end of the first scrape that was answered; `None` after `limit`.
    pub fn first_scrape(&self, limit: Duration) -> Option<Duration> {
        loop {
            let left = limit.checked_sub(self.began.elapsed())?;
            match Client::connect(self.address, Ask::Plain, left) {
                Ok(mut client) => {
                    return client.scrape().ok().map(|_| self.began.elapsed());
                }
                // Not listening yet.
                Err(_) => std::thread::sleep(Duration::from_micros(500)),
            }
        }
    }

    /// CPU time of all its threads so far (schedstat, in nanoseconds).
    pub fn cpu(&self) -> Result<Duration> {
        let mut total = 0u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread that just ended has no file; its time is small.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total += text
                .split(' ')
                .next()
                .and_then(|n| n.parse::<u64>().ok())
                .unwrap_or(0);
        }
        Ok(Duration::from_nanos(total))
    }

    /// CPU time of the process so far, threads that have ended included, children not: proc(5), in ticks of 10 ms.
    pub fn cpu_whole(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks: [u64; 2] = match fields.get(11..13) {
            Some([user, system]) => [user.parse()?, system.parse()?],
            _ => [0, 0],
        };
        Ok(Duration::from_millis((ticks[0] + ticks[1]) * 10))
    }

    /// Resident memory in bytes, all of it.
    pub fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Resident memory in bytes that is not pages of files.
    pub fn anonymous(&self) -> Result<u64> {
        self.status("RssAnon:")
    }

    /// Waits until it says that it is ready.
    pub fn ready(&self, limit: Duration) -> Result<()> {
        let address = self.address.to_string();
        while self.began.elapsed() < limit {
            if tidegauge_rig::get(&address, "/-/ready", &[]).is_ok_and(|a| a.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("{address} is not ready after {limit:?}")
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix(field))
            .with_context(|| format!("no {field}"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib << 10)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may hang in a mount of the benchmark; what matters is that it was told to end.
        let _ = self.child.kill();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
