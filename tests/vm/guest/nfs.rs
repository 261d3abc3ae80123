//! The NAS that dies: versions 3 and 4 at once, the server stopped, the server silent, and back again. Every scrape
//! on the way is measured; the numbers are held against the kernel's file and nfsstat.

mod relay;
mod server;
mod watch;

use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tidegauge_rig::{Exporter, needs, wait_until};

use self::relay::Relay;
use self::server::Nas;
use self::watch::{Scrape, Watch};

/// A machine under emulation is slow, and its server has a grace period of 10 s.
const LIMIT: Duration = Duration::from_secs(90);
/// What mounts that do not answer may cost a scrape (DESIGN).
const HELD_UP: Duration = Duration::from_millis(100);
/// What the same scrape costs more at times, for no reason of ours: two emulated processors are shared by the
/// program, the server and the test, whose kernel threads are busy while connections are tried again and again.
const EMULATION: Duration = Duration::from_millis(400);

fn run(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The counters of an operation in the kernel's file, for a mount point.
fn raw(mountpoint: &str, operation: &str) -> Vec<f64> {
    let text = std::fs::read("/proc/1/mountstats").unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mount = format!(" mounted on {mountpoint} with ");
    let line = text
        .lines()
        .skip_while(|line| !line.contains(&mount))
        .find_map(|line| line.trim().strip_prefix(&format!("{operation}: ")));
    let fields = line.expect("the mount has it").split_whitespace();
    fields.map(|field| field.parse().unwrap()).collect()
}

/// A program that writes to the mount, which may wait for the server for ever.
fn writer(at: &str) -> Child {
    Command::new("dd")
        .args([
            "if=/dev/zero",
            &format!("of={at}/later"),
            "bs=64k",
            "count=8",
        ])
        .args(["conv=fsync", "status=none"])
        .spawn()
        .unwrap()
}

fn ended_well(mut writer: Child) {
    let status = wait_until(LIMIT, || writer.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

/// What dd and fsync did is what the metrics say, and what the kernel's file and nfsstat say.
fn counters_are_the_kernels(nas: &Nas, exporter: &Exporter) {
    let (four, three) = (nas.path("four"), nas.path("far"));
    for path in [&four, &three] {
        run(&format!(
            "dd if=/dev/zero of={path}/known bs=64k count=32 conv=fsync status=none &&
             dd if={path}/known of=/dev/null bs=64k count=32 iflag=direct status=none && rm {path}/known"
        ));
    }
    let scrape = Scrape::of(exporter);
    for (tier, path) in [("four", &four), ("far", &three)] {
        let labels = format!("tier=\"{tier}\",mountpoint=\"{path}\"");
        for (family, bytes) in [
            ("write_bytes_total", 32.0 * 65536.0),
            ("total_write_bytes_total", 32.0 * 65536.0),
            ("direct_read_bytes_total", 32.0 * 65536.0),
            ("total_read_bytes_total", 32.0 * 65536.0),
            ("read_bytes_total", 0.0),
        ] {
            let found = scrape.value(&format!("tidegauge_nfs_{family}"), &labels);
            assert_eq!(found, Some(bytes), "{family} {labels}");
        }
        for operation in ["READ", "WRITE", "COMMIT", "REMOVE"] {
            let raw = raw(path, operation);
            let ours = |family| scrape.operation(tier, family, operation);
            for (index, family) in [
                "requests_total",
                "transmissions_total",
                "major_timeouts_total",
                "sent_bytes_total",
                "received_bytes_total",
            ]
            .into_iter()
            .enumerate()
            {
                assert_eq!(ours(family), raw[index], "{tier} {operation} {family}");
            }
            for (index, family) in [
                (5, "queue_time_seconds_total"),
                (6, "response_time_seconds_total"),
                (7, "request_time_seconds_total"),
            ] {
                let difference = (ours(family) - raw[index] / 1000.0).abs();
                assert!(difference < 1e-9, "{tier} {operation} {family}");
            }
            assert_eq!(ours("errors_total"), raw[8], "{tier} {operation}");
        }
        assert!(scrape.operation(tier, "requests_total", "READ") >= 1.0);
    }
    // nfsstat counts all mounts of a version together.
    let of_client = run("nfsstat -c -4 -l");
    let writes = of_client
        .lines()
        .find(|line| line.contains(" write:"))
        .and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
    let ours: f64 = ["four", "six"]
        .iter()
        .map(|tier| scrape.operation(tier, "requests_total", "WRITE"))
        .sum();
    assert_eq!(writes, Some(ours), "{of_client}");

    // Four connections, shown as one sum; a second mount and a bind mount add nothing.
    let labels = "server=\"127.0.0.1\",version=\"4.2\"";
    let of_transport =
        |family: &str| scrape.value(&format!("tidegauge_nfs_transport_{family}"), labels);
    assert_eq!(of_transport("connections"), Some(4.0));
    assert!(of_transport("connect_total") >= Some(4.0));
    assert_eq!(of_transport("bad_transaction_ids_total"), Some(0.0));
    assert_eq!(
        scrape.value("tidegauge_nfs_mounts", "tier=\"four\""),
        Some(3.0)
    );
    let info = scrape.samples.keys().find(|series| {
        series.starts_with("tidegauge_nfs_mount_info") && series.contains("tier=\"four\"")
    });
    let info = info.expect("it is told how it is mounted");
    for label in [
        "vers=\"4.2\"",
        "nconnect=\"4\"",
        "recovery=\"hard\"",
        "timeo=\"600\"",
        "sec=\"sys\"",
    ] {
        assert!(info.contains(label), "{info}");
    }
    let lease = scrape.value("tidegauge_nfs_lease_seconds", "tier=\"four\"");
    assert_eq!(lease, Some(10.0));
}

#[test]
fn a_nas_that_dies_and_comes_back() {
    needs!(
        "root",
        "binary",
        "lvs",
        "mkfs.btrfs",
        "mkfs.ext4",
        "exportfs",
        "rpcbind",
        "mount.nfs",
        "wipefs",
        "nfsstat",
        "dd"
    );
    // It outlives the mount that goes through it.
    let relay = Relay::start();
    let nas = Nas::new();
    nas.mount(
        "four",
        "vers=4.2,nconnect=4,hard,timeo=600,retrans=2",
        "127.0.0.1:/",
    );
    nas.mount(
        "four-again",
        "vers=4.2,nconnect=4,hard,timeo=600,retrans=2",
        "127.0.0.1:/",
    );
    nas.bind("four", "four-bound");
    nas.mount("six", "vers=4.1,hard,timeo=600", "[::1]:/");
    let far = format!(
        "vers=3,tcp,nolock,hard,timeo=10,retrans=1,port={}",
        relay.port()
    );
    nas.mount("far", &far, &nas.second_export());
    let far = format!("127.0.0.1:{}", relay.port());
    let servers = ["127.0.0.1", "::1", &far];
    let tiers = ["cold", "four", "six", "far"];
    let exporter = Exporter::start(
        &[
            "--collector.nfs_server.interval=1s",
            "--collector.nfs_server.timeout=2s",
        ],
        &nas.config(),
    );
    let mut watch = Watch {
        exporter: &exporter,
        bound: Duration::from_secs(10),
        slowest: Duration::ZERO,
        scrapes: 0,
        most_threads: 0.0,
    };
    let all_up = |scrape: &Scrape| {
        tiers.iter().all(|tier| scrape.up(tier))
            && servers
                .iter()
                .all(|server| scrape.server_up(server) == Some(1.0))
    };
    watch.until("all tiers and servers are up", all_up);
    counters_are_the_kernels(&nas, &exporter);
    for _ in 0..30 {
        watch.until("", |_| true);
    }
    let usual = watch.slowest;
    let threads = watch.most_threads;
    println!(
        "{} scrapes with all up: {usual:?} at most, {threads} threads",
        watch.scrapes
    );
    watch.bound = usual + HELD_UP + EMULATION;
    watch.slowest = Duration::ZERO;

    // The server is stopped: connections are refused.
    nas.stop();
    let writers: Vec<Child> = [nas.path("four"), nas.path("far")]
        .iter()
        .map(|at| writer(at))
        .collect();
    let stopped = Instant::now();
    let down = watch.until("the servers are down", |scrape| {
        servers
            .iter()
            .all(|server| scrape.server_up(server) == Some(0.0))
    });
    println!("all servers are seen as down after {:?}", stopped.elapsed());
    assert_eq!(
        down.value(
            "tidegauge_nfs_server_reading_state",
            "server=\"127.0.0.1\",state=\"failed\""
        ),
        Some(1.0)
    );
    assert_eq!(
        down.value(
            "tidegauge_nfs_server_connect_seconds",
            "server=\"127.0.0.1\""
        ),
        None
    );
    watch.until("the mounts count as errors of their devices", |scrape| {
        tiers.iter().all(|tier| {
            let labels = format!("tier=\"{tier}\"");
            let name = "tidegauge_filesystem_device_error";
            // The mounts of one filesystem are several series.
            let mut of_tier = scrape
                .samples
                .iter()
                .filter(|(series, _)| series.starts_with(name) && series.contains(&labels));
            of_tier.all(|(_, error)| *error == 1.0)
        })
    });
    let dead = watch.until("the tiers are down", |scrape| {
        tiers.iter().all(|tier| !scrape.up(tier))
    });
    println!("all tiers are down after {:?}", stopped.elapsed());
    assert!(
        stopped.elapsed() >= Duration::from_secs(25),
        "last readings were shown for a while"
    );
    for tier in tiers {
        let size = dead.value("tidegauge_tier_size_bytes", &format!("tier=\"{tier}\""));
        assert_eq!(size, None, "{tier}");
    }
    let late = "tidegauge_nfs_lease_expired_seconds";
    assert!(
        dead.value(late, "tier=\"four\"") > Some(0.0),
        "the lease is over"
    );
    for _ in 0..30 {
        watch.until("", |_| true);
    }
    // One thread for each mount that hangs (7 of them), one that asks a server.
    println!(
        "{} scrapes: {:?} at most, {} threads",
        watch.scrapes, watch.slowest, watch.most_threads
    );
    assert!(
        watch.most_threads <= threads + 7.0 + 3.0,
        "{}",
        exporter.log()
    );

    nas.start();
    let back = watch.until("all are back", all_up);
    writers.into_iter().for_each(ended_well);
    assert!(back.value("tidegauge_tier_size_bytes", "tier=\"cold\"") > Some(0.0));
    println!("all are back {:?} after the stop", stopped.elapsed());

    // The server takes connections and is silent: a NAS whose disks hang, or whose packets are lost.
    let before = Scrape::of(&exporter);
    relay.pause();
    let silent = writer(&nas.path("far"));
    let dead = watch.until("the silent server is down", |scrape| {
        scrape.server_up(&far) == Some(0.0)
    });
    let state = "tidegauge_nfs_server_reading_state";
    let labels = format!("server=\"{far}\",state=\"late\"");
    assert_eq!(dead.value(state, &labels), Some(1.0));
    let sends = |scrape: &Scrape| {
        let labels = format!("server=\"{far}\"");
        let of = |family: &str| scrape.value(&format!("tidegauge_nfs_transport_{family}"), &labels);
        of("sends_total").unwrap() - of("receives_total").unwrap()
    };
    watch.until("requests are sent again", |scrape| {
        sends(scrape) > sends(&before) + 2.0
    });
    watch.until("only that mount is an error", |scrape| {
        let error = |tier: &str| scrape.value("tidegauge_filesystem_device_error", tier);
        assert!(scrape.up("cold") && scrape.up("six"));
        assert_eq!(scrape.server_up("127.0.0.1"), Some(1.0));
        assert_eq!(error("tier=\"cold\""), Some(0.0));
        error("tier=\"far\"") == Some(1.0)
    });
    relay.resume();
    let back = watch.until("the silent one is back", all_up);
    ended_well(silent);
    let again = |scrape: &Scrape| {
        let of = |family| {
            let operations = [
                "WRITE", "COMMIT", "LOOKUP", "GETATTR", "CREATE", "ACCESS", "other",
            ];
            operations
                .iter()
                .map(|o| scrape.operation("far", family, o))
                .sum::<f64>()
        };
        (
            of("transmissions_total") - of("requests_total"),
            of("major_timeouts_total"),
        )
    };
    let (sent_again, timeouts) = again(&back);
    let (sent_before, timeouts_before) = again(&before);
    assert!(sent_again > sent_before, "{sent_before} {sent_again}");
    assert!(timeouts > timeouts_before, "{timeouts_before} {timeouts}");
    println!(
        "{} scrapes in all: {:?} at most",
        watch.scrapes, watch.slowest
    );

    // At another port, which only the portmapper tells: the mount of version 3 names none.
    nas.stop();
    watch.until("it is down", |scrape| {
        scrape.server_up("127.0.0.1") == Some(0.0)
    });
    nas.start_at(20490);
    watch.until("it is found at another port", |scrape| {
        scrape.server_up("127.0.0.1") == Some(1.0)
    });
    assert!(TcpStream::connect("127.0.0.1:2049").is_err());
    nas.stop();
    nas.start();
    watch.until("all are back at last", all_up);
    watch.until("no thread is left over", |scrape| {
        scrape.threads() <= threads + 1.0
    });
    exporter.stop();
}
