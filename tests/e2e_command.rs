//! The command line: discovery, checks, exit codes, who may run it.

use std::net::TcpListener;
use std::process::{Command, Output};

use tidegauge_rig::{Exporter, FsKind, LoopFs, Scratch, needs};

fn tidegauge(arguments: &[&str]) -> Output {
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    Command::new(binary)
        .args(arguments)
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("it can be started")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_discover_prints_loads_again_and_finds_loop_devices() {
    needs!("root", "loop", "binary");
    let fs = LoopFs::new(FsKind::Ext4, 32);
    let found = tidegauge(&["discover"]);
    assert_eq!(found.status.code(), Some(0), "{}", stderr(&found));
    let text = String::from_utf8(found.stdout).unwrap();
    let path = format!("- \"{}\"", fs.mountpoint().display());
    assert!(
        text.lines().any(|l| l.trim_start().starts_with(&path)),
        "no {path} in\n{text}"
    );
    assert!(
        text.contains("# Left out:") && text.contains("/proc (proc)"),
        "{text}"
    );
    let scratch = Scratch::new("discover");
    let file = scratch.file("tidegauge.yml", &text);
    let checked = tidegauge(&["check", "config", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    // The same again, with that file in use: discovery looks at the host, not at the file.
    let again = tidegauge(&["discover", "--config", file.to_str().unwrap()]);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), text);
}

#[test]
fn mistakes_end_with_2_a_line_and_a_hint_and_start_nothing() {
    needs!("binary");
    let scratch = Scratch::new("mistakes");
    let file = scratch.file("t.yml", "tiers:\n  - name: hot\n    path: [/a]\n");
    let file = file.to_str().unwrap();
    let unknown_key = format!("{file}:3:5: unknown field `path`");
    let cases: [(&[&str], &str); 7] = [
        (&["exporter", "--config", file], &unknown_key),
        (&["check", "config", file], &unknown_key),
        (
            &["--config", "/no/such/file.yml"],
            "cannot read /no/such/file.yml",
        ),
        (
            &["--collector.nix"],
            "unexpected argument '--collector.nix'",
        ),
        (
            &["--collector.disk.device-exclude=("],
            "--collector.disk.device-exclude: `(` is not a regular expression",
        ),
        (&["--web.telemetry-path=metrics"], "begins with /"),
        (
            &["--web.listen-address=127.0.0.1:0", "--log.level=loud"],
            "possible values: debug, info, warn, error",
        ),
    ];
    for (arguments, expected) in cases {
        let output = tidegauge(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(expected),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn two_tiers_on_one_filesystem_are_a_mistake() {
    needs!("binary");
    let scratch = Scratch::new("overlap");
    let (hot, warm) = (scratch.folder("hot"), scratch.folder("warm"));
    let text = format!(
        "tiers:\n  - {{name: hot, paths: [{hot:?}]}}\n  - {{name: warm, paths: [{warm:?}]}}\n"
    );
    let file = scratch.file("t.yml", &text);
    let file = file.to_str().unwrap();
    let output = tidegauge(&[
        "exporter",
        "--config",
        file,
        "--web.listen-address=127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains(&format!("{file}:2:1: tier `hot`"))
            && said.contains(&format!("{file}:3:1: tier `warm`")),
        "{said}"
    );
    assert!(said.contains("require_mount: true"), "{said}");
    let elsewhere = tidegauge(&["check", "config", "--syntax-only", file]);
    assert_eq!(elsewhere.status.code(), Some(0), "{}", stderr(&elsewhere));
}

#[test]
fn a_port_in_use_is_told() {
    needs!("binary");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tidegauge(&["--web.listen-address", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&format!("cannot listen on {address}")) && said.contains("another program"),
        "{said}"
    );
}

#[test]
fn an_unreadable_proc_is_told() {
    needs!("binary");
    let scratch = Scratch::new("noproc");
    let output = tidegauge(&["--path.procfs", scratch.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("mountinfo: No such file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn collectors_are_switched_by_flags() {
    needs!("binary");
    let config = "tiers: [{name: hot, paths: [/]}]\ncollectors: {pressure: {enabled: false}}\n";
    let names = |exporter: &Exporter| {
        let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
        let mut names: Vec<String> = text
            .lines()
            .filter_map(|l| {
                l.strip_prefix("tidegauge_collector_success{collector=\"")?
                    .split_once('"')
            })
            .map(|(name, _)| name.to_owned())
            .collect();
        names.sort();
        names
    };
    let some = Exporter::start(&["--no-collector.disk"], config);
    assert!(!names(&some).iter().any(|n| n == "pressure" || n == "disk"));
    let one = Exporter::start(
        &["--collector.disable-defaults", "--collector.tier"],
        config,
    );
    assert_eq!(names(&one), ["tier"]);
}

#[test]
fn an_ordinary_user_can_run_it() {
    needs!("root", "setpriv", "binary");
    // A copy where anyone may look: a home folder may be closed to others.
    let scratch = std::env::temp_dir().join(format!("tidegauge-user-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    struct Remove<'a>(&'a std::path::Path);
    impl Drop for Remove<'_> {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0);
        }
    }
    let _remove = Remove(&scratch);
    let binary =
        std::env::var("TIDEGAUGE_BIN").unwrap_or_else(|_| "target/release/tidegauge".into());
    let copy = scratch.join("tidegauge");
    std::fs::copy(binary, &copy).unwrap();
    for path in [&scratch, &copy] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let run = |arguments: &[&str]| {
        Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "env",
                "-i",
                "HOME=/home/nobody",
            ])
            .arg(&copy)
            .args(arguments)
            .current_dir("/")
            .output()
            .unwrap()
    };
    let found = run(&["discover"]);
    assert_eq!(found.status.code(), Some(0), "{}", stderr(&found));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        text.contains("state_dir: \"/home/nobody/.local/state/tidegauge\""),
        "{text}"
    );
    assert!(
        text.contains("- \"/\"") || text.contains("# None found"),
        "{text}"
    );
}
