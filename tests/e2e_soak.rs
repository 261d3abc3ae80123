//! 100,000 scrapes while mounts come and go: memory, threads and descriptors stay what they are.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidegauge_rig::{Exporter, FsKind, LoopFs, needs};

const SCRAPES: u64 = 100_000;
/// A connection is used for so many, then closed, every second one without having read its last answer.
const OF_ONE_CONNECTION: u64 = 50;
const CLIENTS: u64 = 4;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Anonymous memory in KiB, without pages of files, which come and go with the program's code.
    memory: u64,
    threads: usize,
    descriptors: usize,
}

fn held(pid: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    Held {
        memory,
        threads: count("task"),
        descriptors: count("fd"),
    }
}

/// One request on a connection, and the whole of its answer.
fn scrape(stream: &mut BufReader<TcpStream>, n: u64) {
    ask(stream.get_mut(), n);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
    }
    let mut total = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let size = u64::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = Vec::new();
        stream.take(size + 2).read_to_end(&mut chunk).unwrap();
        assert_eq!(chunk.len() as u64, size + 2, "the answer is whole");
        total += size;
        if size == 0 {
            break;
        }
    }
    assert!(total > 500, "{total} bytes");
}

fn ask(stream: &mut TcpStream, n: u64) {
    let accept = ["text/plain", "application/openmetrics-text;version=1.0.0"];
    let encoding = ["identity", "gzip", "zstd"];
    let (accept, encoding) = (accept[n as usize % 2], encoding[n as usize % 3]);
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: soak\r\nAccept: {accept}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
}

/// Scrapes until all clients together have reached `until`.
fn soak(address: &str, done: &AtomicU64, until: u64) {
    while done.load(Ordering::Relaxed) < until {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        for _ in 0..OF_ONE_CONNECTION {
            let n = done.fetch_add(1, Ordering::Relaxed);
            scrape(&mut stream, n);
        }
        if done.load(Ordering::Relaxed).is_multiple_of(2) {
            ask(stream.get_mut(), 0);
        }
    }
}

fn all_clients(address: &str, done: &AtomicU64, until: u64) {
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| soak(address, done, until));
        }
    });
}

/// Mounts and unmounts below `top`, again and again.
fn churn(fs: &LoopFs, top: &Path, stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let bound = fs.bind(&top.join("bound"));
        let at = top.join("memory");
        fs::create_dir_all(&at).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let status = Command::new(program).args(arguments).arg(&at).status();
            assert!(status.unwrap().success(), "{program}");
        };
        run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        run("umount", &[]);
        drop(bound);
        rounds += 1;
    }
    rounds
}

/// Ends the mounting when it is dropped, by a failure too.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hundred_thousand_scrapes_leave_nothing_behind() {
    needs!("root", "loop", "binary");
    let (fs, other) = (LoopFs::new(FsKind::Ext4, 64), LoopFs::new(FsKind::Ext4, 32));
    let data = fs.mountpoint().join("data");
    fs::create_dir(&data).unwrap();
    let config = format!(
        "tiers:\n  - name: hot\n    paths: [{:?}]\n    directories: [{{path: {data:?}, budget: 1GB}}]\ncollectors: {{directory: {{interval: 1s}}}}\n",
        fs.mountpoint()
    );
    let exporter = Exporter::start(&["--web.max-requests=0"], &config);
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (early, late, rounds) = std::thread::scope(|scope| {
        let churning = scope.spawn(|| churn(&other, &fs.mountpoint().join("churn"), &stop));
        let stopper = Stop(&stop);
        all_clients(exporter.address(), &done, SCRAPES / 5);
        let early = held(exporter.pid());
        all_clients(exporter.address(), &done, SCRAPES);
        let late = held(exporter.pid());
        drop(stopper);
        (early, late, churning.join().unwrap())
    });
    println!(
        "{} scrapes, {rounds} rounds of mounts: {early:?}, {late:?}",
        done.load(Ordering::Relaxed)
    );
    assert!(
        done.load(Ordering::Relaxed) >= SCRAPES && rounds > 100,
        "{rounds} rounds"
    );
    // The allocator's arenas, one for each thread, settle late: a leak of 40 bytes a scrape is still seen.
    assert!(late.memory <= early.memory + 3072, "{early:?} {late:?}");
    // Threads for mounts that are being asked, and connections that are just being closed.
    assert!(late.threads <= early.threads + 2, "{early:?} {late:?}");
    assert!(
        late.descriptors <= early.descriptors + 8,
        "{early:?} {late:?}"
    );
    exporter.stop();
}
