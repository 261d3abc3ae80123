//! Ten thousand mounts.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use tidegauge_rig::{FsKind, LoopFs, Scratch, free_port, get, needs, wait_until};

struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // Its process group: unshare and all that it started.
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

/// In namespaces of its own, so that the host never sees the mounts, and process 1 there is the
/// exporter: its mount table is the one that is read. Each recursive bind doubles the mounts.
const SCRIPT: &str = r#"
mount --make-rprivate /
for i in $(seq 14); do mkdir -p "$1/d$i"; done
for i in $(seq 14); do mount --rbind "$1" "$1/d$i"; done
exec "$2" exporter --config "$3" --web.listen-address "$4" --no-collector.disk
"#;

#[test]
fn ten_thousand_mounts_of_one_filesystem_count_once() {
    needs!("root", "loop", "binary", "unshare");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let scratch = Scratch::new("many");
    let config = scratch.file(
        "t.yml",
        &format!("tiers: [{{name: hot, paths: [{:?}]}}]\n", fs.mountpoint()),
    );
    let address = format!("127.0.0.1:{}", free_port());
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    let binary = std::fs::canonicalize(binary).unwrap();
    let _exporter = Kill(
        Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-ec",
                SCRIPT,
                "sh",
            ])
            .arg(fs.mountpoint())
            .arg(binary)
            .arg(config)
            .arg(&address)
            .process_group(0)
            .spawn()
            .unwrap(),
    );
    let ready = || {
        get(&address, "/-/ready", &[])
            .ok()
            .filter(|r| r.status == 200)
    };
    wait_until(Duration::from_secs(60), ready).expect("it becomes ready");
    let answer = get(&address, "/metrics", &[]).expect("the scrape goes on");
    let text = answer.text();
    let sizes = text
        .lines()
        .filter(|l| l.starts_with("tidegauge_filesystem_size_bytes{tier=\"hot\""));
    let sizes: Vec<&str> = sizes.map(|l| l.rsplit(' ').next().unwrap()).collect();
    assert_eq!(sizes.len(), 1 << 14, "every mount is shown");
    let tier = text
        .lines()
        .find_map(|l| l.strip_prefix("tidegauge_tier_size_bytes{tier=\"hot\"} "));
    assert_eq!(tier, sizes.first().copied(), "the filesystem counts once");
    assert!(text.contains("tidegauge_tier_up{tier=\"hot\"} 1\n"));
}
