//! Reading SMART of many disks, beside smartctl_exporter: the same smartctl for both, which answers after 20 ms; and
//! what becomes of the others when one disk hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tidegauge_rig::Scratch;

use super::client::{Ask, Client};
use super::document;
use super::process::Exporter;
use super::table::{Figure, Goal, Row, markdown};

const DISKS: usize = 24;
const ROUNDS: usize = 5;
/// For one round; a round of ours, which waits a second between two polls, has some of them.
const WINDOW: Duration = Duration::from_secs(6);
const POLLS: usize = 3;
const LIMIT: Duration = Duration::from_secs(30);
/// How long the peer is given with a hung disk.
const HUNG_LIMIT: Duration = Duration::from_secs(12);
const ANSWER: &str = include_str!("../../../exporter/tests/fixtures/host/smartctl/sdb.json");

struct Bench {
    ours: PathBuf,
    peer: PathBuf,
    scratch: Scratch,
    rows: Vec<Row>,
}

/// Measures and writes its section of `docs/benchmarks.md`.
pub fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the project")?;
    let mut bench = Bench {
        ours: root.join("target/release/tidegauge"),
        peer: root.join("target/peers/smartctl_exporter/usr/bin/smartctl_exporter"),
        scratch: Scratch::new("smart"),
        rows: Vec::new(),
    };
    bench.all_well()?;
    bench.one_hung()?;
    let table = markdown(&bench.rows);
    println!("{table}");
    document::replace(root, "SMART", &section(&table)?)
}

impl Bench {
    /// A smartctl for disks x0 to x23, of which the last hangs or does not.
    fn command(&self, hangs: bool) -> Result<PathBuf> {
        // The peer shows nothing of a disk about which there is an error message.
        let (before, rest) = ANSWER.split_once("\"messages\":[").context("a message")?;
        let (_, after) = rest.split_once("],").context("its end")?;
        let answer = format!("{before}{after}").replace("\"exit_status\":4", "\"exit_status\":0");
        // The peer tells disks apart by what their answers call them.
        for n in 0..DISKS {
            let own = answer.replace("/dev/sdb", &format!("/dev/x{n}"));
            self.scratch.file(&format!("x{n}.json"), &own);
        }
        let folder = self.scratch.path();
        let devices: Vec<String> = (0..DISKS)
            .map(|n| format!(r#"{{"name":"/dev/x{n}","info_name":"/dev/x{n}","type":"sat","protocol":"ATA"}}"#))
            .collect();
        let scan = format!(
            r#"{{"smartctl":{{"version":[7,3],"exit_status":0}},"devices":[{}]}}"#,
            devices.join(",")
        );
        let scan = self.scratch.file("scan.json", &scan);
        let hung = if hangs {
            format!("/dev/x{}", DISKS - 1)
        } else {
            "none".to_owned()
        };
        let script = format!(
            "#!/bin/sh\ncase $* in *--scan*) exec cat {scan:?} ;; esac\nfor node in \"$@\"; do :; done\n[ \"$node\" != {hung} ] || exec sleep 1000\nsleep 0.02\nexec cat {folder:?}/\"${{node##*/}}.json\"\n"
        );
        let file = self.scratch.file("smartctl", &script);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(file)
    }

    fn start_ours(&self, hangs: bool) -> Result<Exporter> {
        let words: Vec<String> = (0..DISKS).map(|n| format!("/dev/x{n}:sat")).collect();
        Exporter::start(
            &self.ours,
            &[
                "exporter".to_owned(),
                "--log.level=error".to_owned(),
                "--collector.disable-defaults".to_owned(),
                "--collector.smart".to_owned(),
                "--collector.smart.interval=1s".to_owned(),
                "--collector.smart.timeout=5s".to_owned(),
                format!(
                    "--collector.smart.command={}",
                    self.command(hangs)?.display()
                ),
                format!("--collector.smart.devices={}", words.join(",")),
            ],
        )
    }

    /// It polls at a scrape, when the last poll is older than its interval.
    fn start_peer(&self, hangs: bool) -> Result<Exporter> {
        Exporter::start(
            &self.peer,
            &[
                "--log.level=error".to_owned(),
                "--smartctl.interval=1ms".to_owned(),
                format!("--smartctl.path={}", self.command(hangs)?.display()),
            ],
        )
    }

    fn all_well(&mut self) -> Result<()> {
        println!("{DISKS} disks …");
        let (ours, peer) = (self.start_ours(false)?, self.start_peer(false)?);
        let healthy = |text: &str| count(text, "tidegauge_smart_healthy{");
        wait(&ours, |text| healthy(text) == DISKS)?;
        peer.first_scrape(LIMIT)
            .context("the peer does not answer")?;
        let shown = count(&text(&peer)?, "smartctl_device_smart_status{");
        ensure!(shown == DISKS, "the peer shows {shown} disks");

        let mut runs = [const { Vec::new() }; 6];
        for _ in 0..ROUNDS {
            let [
                our_cpu,
                our_wall,
                our_scrape,
                peer_cpu,
                peer_wall,
                peer_scrape,
            ] = &mut runs;
            let (cpu, began) = (ours.cpu_whole()?, Instant::now());
            let (mut polls, mut last, mut slowest) = (0u32, 0.0, 0.0f64);
            while began.elapsed() < WINDOW {
                let mut client = Client::connect(ours.address, Ask::Plain, LIMIT)?;
                let asked = Instant::now();
                client.scrape()?;
                slowest = slowest.max(asked.elapsed().as_secs_f64() * 1e3);
                let text = text(&ours)?;
                let ended = sample(
                    &text,
                    "tidegauge_collector_last_success_timestamp_seconds{collector=\"smart\"}",
                );
                if ended != Some(last) {
                    last = ended.unwrap_or(last);
                    polls += 1;
                    let took = sample(
                        &text,
                        "tidegauge_collector_duration_seconds{collector=\"smart\"}",
                    );
                    our_wall.push(took.context("no duration")? * 1e3);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            our_cpu.push((ours.cpu_whole()? - cpu).as_secs_f64() * 1e3 / f64::from(polls.max(1)));
            our_scrape.push(slowest);

            let cpu = peer.cpu_whole()?;
            for _ in 0..POLLS {
                let mut client = Client::connect(peer.address, Ask::Plain, LIMIT)?;
                let asked = Instant::now();
                client.scrape()?;
                let took = asked.elapsed().as_secs_f64() * 1e3;
                peer_wall.push(took);
                peer_scrape.push(took);
            }
            #[expect(clippy::cast_precision_loss, reason = "a few")]
            let polls = POLLS as f64;
            peer_cpu.push((peer.cpu_whole()? - cpu).as_secs_f64() * 1e3 / polls);
        }
        let [
            our_cpu,
            our_wall,
            our_scrape,
            peer_cpu,
            peer_wall,
            peer_scrape,
        ] = runs.map(|runs| Figure::of(runs).context("runs"));
        for (what, peer, ours) in [
            (
                "CPU of the exporter for a poll of all disks, ms",
                peer_cpu?,
                our_cpu?,
            ),
            ("a poll of all disks, ms", peer_wall?, our_wall?),
            ("slowest scrape meanwhile, ms", peer_scrape?, our_scrape?),
        ] {
            self.push(&format!("{DISKS} disks: {what}"), Ok(peer), ours);
        }
        let [peer, ours] = [&peer, &ours].map(|exporter| -> Result<Figure> {
            #[expect(clippy::cast_precision_loss, reason = "megabytes with two digits")]
            let megabytes = exporter.resident()? as f64 / 1e6;
            Figure::of(vec![megabytes]).context("one run")
        });
        self.push(&format!("{DISKS} disks: RSS, MB"), Ok(peer?), ours?);
        Ok(())
    }

    fn one_hung(&mut self) -> Result<()> {
        println!("one of them hangs …");
        let ours = self.start_ours(true)?;
        let mut slowest = Vec::new();
        // Until it was given up once and the others were shown.
        let began = Instant::now();
        let shown = loop {
            let mut client = Client::connect(ours.address, Ask::Plain, LIMIT);
            if let Ok(client) = &mut client {
                let asked = Instant::now();
                client.scrape()?;
                slowest.push(asked.elapsed().as_secs_f64() * 1e3);
                let shown = count(&text(&ours)?, "tidegauge_smart_healthy{");
                if shown > 0 {
                    break shown;
                }
            }
            ensure!(began.elapsed() < LIMIT, "ours shows none");
            std::thread::sleep(Duration::from_millis(50));
        };
        ensure!(shown == DISKS - 1, "ours shows {shown} disks");
        drop(ours);
        let peer = self.start_peer(true)?;
        let said = match peer.first_scrape(HUNG_LIMIT) {
            Some(took) => format!("answered after {:.1} s", took.as_secs_f64()),
            None => format!("no answer in {} s", HUNG_LIMIT.as_secs()),
        };
        drop(peer);
        let scrape = Figure::of(slowest).context("runs")?;
        self.push(
            &format!("one of {DISKS} hangs: a scrape, ms; ours shows the other {shown}"),
            Err(said),
            scrape,
        );
        Ok(())
    }

    fn push(&mut self, what: &str, peer: Result<Figure, String>, ours: Figure) {
        self.rows.push(Row {
            what: what.to_owned(),
            peer,
            ours,
            goal: Goal::None,
        });
    }
}

fn text(exporter: &Exporter) -> Result<String> {
    let answer = tidegauge_rig::get(&exporter.address.to_string(), "/metrics", &[])?;
    Ok(answer.text().to_owned())
}

fn count(text: &str, start: &str) -> usize {
    text.lines().filter(|line| line.starts_with(start)).count()
}

fn sample(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn wait(exporter: &Exporter, is_there: impl Fn(&str) -> bool) -> Result<()> {
    let began = Instant::now();
    while !text(exporter).is_ok_and(|text| is_there(&text)) {
        ensure!(began.elapsed() < LIMIT, "ours shows nothing");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn section(table: &str) -> Result<String> {
    Ok(format!(
        "By `cargo xtask bench smart` (needs `tests/peers.sh` and `cargo build --release` before it).\n\n\
         {}. The peer is Debian's smartctl_exporter 0.14. Both run the same smartctl, a script\n\
         that answers for each of {DISKS} disks with a recorded answer after 20 ms, or for one of them never. Ours polls\n\
         on its own timer, four disks at a time, and a scrape takes what the last poll found; it also reads the scan,\n\
         the self-test log and the device statistics. The peer polls at the scrape, all disks at once. CPU is that of the exporter's\n\
         process without its children (in ticks of 10 ms), the same script being run by both.\n\n\
         {table}",
        document::machine()?
    ))
}
