//! NFS without NFS: mounts as a recorded mount table tells them, and servers on loopback that answer, are silent, or
//! are not there. The real ones are in the virtual machine (`tests/vm/guest/nfs.rs`).
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tidegauge_rig::{Exporter, Scratch, free_port, needs, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// Answers calls of version 4 with success and those of others with what it serves.
fn serve(mut client: TcpStream) -> std::io::Result<()> {
    loop {
        let mut call = [0; 44];
        client.read_exact(&mut call)?;
        let xid = &call[4..8];
        let version = u32::from_be_bytes(call[20..24].try_into().unwrap());
        let words: &[u32] = if version == 4 {
            &[1, 0, 0, 0, 0]
        } else {
            &[1, 0, 0, 0, 2, 4, 4]
        };
        let length = u32::try_from(4 + 4 * words.len()).unwrap();
        let mut reply = (0x8000_0000 | length).to_be_bytes().to_vec();
        reply.extend_from_slice(xid);
        words
            .iter()
            .for_each(|word| reply.extend(word.to_be_bytes()));
        client.write_all(&reply)?;
    }
}

fn text(exporter: &Exporter) -> String {
    exporter.get("/metrics", &[]).unwrap().text().to_owned()
}

#[test]
fn servers_that_answer_and_servers_that_do_not() {
    needs!("binary");
    let answers = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = TcpListener::bind("[::1]:0").unwrap();
    let good = answers.local_addr().unwrap();
    let (late, refused) = (silent.local_addr().unwrap(), free_port());
    std::thread::spawn(move || {
        for client in answers.incoming().flatten() {
            let _ = serve(client);
        }
    });

    let procfs = Scratch::new("procfs");
    procfs.folder("1");
    let mut table = String::from("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
    let mut stats = String::from("device /dev/sda1 mounted on / with fstype ext4\n");
    for (id, at, options) in [
        (
            2,
            "four",
            format!("vers=4.2,port={},addr=127.0.0.1", good.port()),
        ),
        (
            3,
            "three",
            format!("vers=3,port={},addr=127.0.0.1", good.port()),
        ),
        (
            4,
            "silent",
            format!("vers=4.1,proto=tcp6,port={},addr=::1", late.port()),
        ),
        (5, "gone", format!("vers=4.0,port={refused},addr=127.0.0.1")),
    ] {
        let _ = writeln!(
            table,
            "{id} 1 0:{id} / /{at} rw - nfs4 nas:/{at} rw,{options}"
        );
        let _ = writeln!(
            stats,
            "device nas:/{at} mounted on /{at} with fstype nfs4 statvers=1.1\n\topts:\trw,{options}\n\tage:\t{id}"
        );
    }
    procfs.file("1/mountinfo", &table);
    procfs.file("1/mountstats", &stats);
    let exporter = Exporter::start(
        &[
            &format!("--path.procfs={}", procfs.path().display()),
            "--collector.disable-defaults",
            "--collector.nfs",
            "--collector.nfs_server",
            "--collector.nfs_server.interval=1s",
            "--collector.nfs_server.timeout=1s",
        ],
        "tiers: [{name: cold, paths: [/four]}]\n",
    );
    let has_all = |expected: &[String]| {
        let seen = wait_until(LIMIT, || {
            let text = text(&exporter);
            expected
                .iter()
                .all(|line| text.lines().any(|l| l == line))
                .then_some(())
        });
        assert!(seen.is_some(), "{}\n{}", text(&exporter), exporter.log());
    };
    let labels = |tier: &str, server: &str| format!("tier=\"{tier}\",server=\"{server}\"");
    let of_good = labels("cold", &good.to_string());
    let of_late = labels("", &late.to_string());
    let of_gone = labels("", &format!("127.0.0.1:{refused}"));
    has_all(&[
        format!("tidegauge_nfs_server_up{{{of_good}}} 1"),
        format!("tidegauge_nfs_server_answer_info{{{of_good},version=\"4\",answer=\"success\"}} 1"),
        format!("tidegauge_nfs_server_answer_info{{{of_good},version=\"3\",answer=\"program_mismatch\"}} 1"),
        format!("tidegauge_nfs_server_up{{{of_late}}} 0"),
        format!("tidegauge_nfs_server_reading_state{{{of_late},state=\"late\"}} 1"),
        format!("tidegauge_nfs_server_up{{{of_gone}}} 0"),
        format!("tidegauge_nfs_server_reading_state{{{of_gone},state=\"failed\"}} 1"),
        "tidegauge_nfs_age_seconds_total{tier=\"cold\",mountpoint=\"/four\",device=\"nas:/four\"} 2".into(),
    ]);
    // The one that was not there comes, and serves what its mount uses.
    let comes = TcpListener::bind(("127.0.0.1", refused)).unwrap();
    std::thread::spawn(move || {
        for client in comes.incoming().flatten() {
            let _ = serve(client);
        }
    });
    has_all(&[
        format!("tidegauge_nfs_server_up{{{of_gone}}} 1"),
        format!("tidegauge_nfs_server_up{{{of_late}}} 0"),
    ]);
    let log = exporter.stop().log;
    for (said, times) in [
        ("got no answer in time", 1),
        ("refused", 1),
        ("versions 4 to 4", 1),
    ] {
        let found = log.matches(said).count();
        assert_eq!(found, times, "each is said once: {said}\n{log}");
    }
    drop(silent);
}
