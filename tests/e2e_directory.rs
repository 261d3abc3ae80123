//! Budgeted directories as metrics, beside `du`.

use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, FsKind, LoopFs, needs, wait_until};

#[test]
fn a_budgeted_directory_is_as_du_says_and_grows() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 64);
    let (data, gone) = (fs.mountpoint().join("data"), fs.mountpoint().join("gone"));
    std::fs::create_dir_all(data.join("sub/mounted")).unwrap();
    std::fs::write(data.join("sub/a"), vec![1; 2 << 20]).unwrap();
    std::fs::hard_link(data.join("sub/a"), data.join("b")).unwrap();
    // What is mounted below is another filesystem's.
    let other = LoopFs::new(FsKind::Ext4, 32);
    std::fs::write(other.mountpoint().join("c"), vec![1; 1 << 20]).unwrap();
    let _mounted = other.bind(&data.join("sub/mounted"));
    let config = format!(
        "tiers:\n  - name: hot\n    paths: [{:?}]\n    directories:\n      - {{path: {data:?}, budget: 10MB}}\n      - {{path: {gone:?}, budget: 1GB}}\ncollectors: {{directory: {{interval: 1s}}}}\n",
        fs.mountpoint()
    );
    let exporter = Exporter::start(&[], &config);
    let value = |name: &str, path: &std::path::Path| -> Option<u64> {
        let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
        let series = format!(
            "tidegauge_directory_{name}{{tier=\"hot\",path=\"{}\"}} ",
            path.display()
        );
        text.lines()
            .find_map(|l| l.strip_prefix(&series)?.parse().ok())
    };
    let du = || -> u64 {
        let output = Command::new("du")
            .args(["-s", "-x", "--block-size=1"])
            .arg(&data)
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .split('\t')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let agrees = || (value("used_bytes", &data) == Some(du())).then_some(());
    wait_until(Duration::from_secs(20), agrees).expect("the first walk");
    assert_eq!(
        (value("files", &data), value("budget_bytes", &data)),
        (Some(1), Some(10_000_000))
    );
    assert_eq!(
        (value("up", &gone), value("budget_bytes", &gone)),
        (Some(0), Some(1_000_000_000))
    );
    assert_eq!(value("used_bytes", &gone), None);
    std::fs::write(data.join("more"), vec![1; 3 << 20]).unwrap();
    wait_until(Duration::from_secs(20), agrees).expect("the next walk sees what was added");
    assert!(exporter.log().contains("cannot read"), "{}", exporter.log());
    exporter.stop();
}
