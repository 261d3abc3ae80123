//! The rig itself: its filesystems come, misbehave as told and go, and its servers serve.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{StatVfs, statvfs};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use tidegauge_rig::{
    Answer, FsKind, HangFs, LoopFs, Operations, Prometheus, Scratch, Which, mounts_at_or_below,
    needs, promtool, wait_until,
};

/// Longer than an answer ever takes that is not held back.
const SOON: Duration = Duration::from_secs(10);

/// What a vanished filesystem must not leave: its mounts, its image behind a loop device, its folder.
fn assert_gone(device: &Path, folder: &Path) {
    assert_eq!(mounts_at_or_below(folder), Vec::<PathBuf>::new());
    assert!(!folder.exists(), "{} is left", folder.display());
    // The kernel may take a moment; another test may have the device by now.
    let detached = || (!image_behind(device).contains(&*folder.to_string_lossy())).then_some(());
    assert!(
        wait_until(SOON, detached).is_some(),
        "{} is still attached",
        device.display()
    );
}

/// The file behind a loop device; empty when there is none.
fn image_behind(device: &Path) -> String {
    let name = device.file_name().expect("a device has a name");
    let attribute = Path::new("/sys/block").join(name).join("loop/backing_file");
    fs::read_to_string(attribute).unwrap_or_default()
}

fn comes_and_goes(kind: FsKind, size_mib: u64) {
    let fs = LoopFs::new(kind, size_mib);
    let folder = fs.mountpoint().parent().expect("it has one").to_owned();
    let device = fs.device().to_owned();
    fs::write(fs.mountpoint().join("file"), "content").expect("it can be written to");
    let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs is here");
    // The kernel writes a blank so.
    let at = fs.mountpoint().display().to_string().replace(' ', r"\040");
    let line = format!("{} {at} {} rw", fs.device().display(), kind.name());
    assert!(mounts.contains(&line), "no {line:?} in\n{mounts}");
    let size = statvfs(fs.mountpoint()).map(|stat| stat.f_blocks * stat.f_frsize);
    let size = size.expect("it answers") >> 20;
    assert!(
        (size_mib / 2..=size_mib).contains(&size),
        "{size} of {size_mib} MiB"
    );
    {
        let scratch = Scratch::new("bind");
        let bind = fs.bind(&scratch.path().join("there"));
        assert_eq!(
            fs::read_to_string(bind.path().join("file")).expect("it is there"),
            "content"
        );
    }
    fs.remount("ro");
    assert!(
        fs::write(fs.mountpoint().join("file"), "").is_err(),
        "it is read-only"
    );
    drop(fs);
    assert_gone(&device, &folder);
}

#[test]
fn ext4_comes_and_goes() {
    needs!("root", "loop", "mkfs.ext4");
    comes_and_goes(FsKind::Ext4, 32);
}

#[test]
fn xfs_comes_and_goes() {
    needs!("root", "loop", "mkfs.xfs");
    comes_and_goes(FsKind::Xfs, 320);
}

#[test]
fn btrfs_comes_and_goes() {
    needs!("root", "loop", "mkfs.btrfs");
    comes_and_goes(FsKind::Btrfs, 128);
}

#[test]
fn a_subvolume_is_a_mount_of_its_own() {
    needs!("root", "loop", "mkfs.btrfs", "btrfs");
    let fs = LoopFs::new(FsKind::Btrfs, 128);
    let subvolume = fs.subvolume("data");
    fs::write(subvolume.path().join("file"), "content").expect("it can be written to");
    let seen = fs::read_to_string(fs.mountpoint().join("data/file"));
    assert_eq!(seen.expect("it shows in the whole filesystem"), "content");
}

#[test]
fn a_panic_leaves_nothing_even_when_the_filesystem_is_busy() {
    needs!("root", "loop", "mkfs.ext4");
    let (send, receive) = mpsc::channel();
    let outcome = panic::catch_unwind(move || {
        let fs = LoopFs::new(FsKind::Ext4, 32);
        let folder = fs.mountpoint().parent().expect("it has one").to_owned();
        let open = fs::File::create(fs.mountpoint().join("open")).expect("it can be written to");
        send.send((fs.device().to_owned(), folder, open))
            .expect("it is waited for");
        panic!("as a failing test does");
    });
    assert!(outcome.is_err());
    let (device, folder, open) = receive.recv().expect("it was sent");
    assert_eq!(mounts_at_or_below(&folder), Vec::<PathBuf>::new());
    // Only now can the kernel let the device go.
    assert!(
        image_behind(&device).contains(&*folder.to_string_lossy()),
        "it was busy"
    );
    drop(open);
    assert_gone(&device, &folder);
}

/// Calls statfs in a thread of its own, as it may never return.
fn statfs_elsewhere(at: PathBuf) -> mpsc::Receiver<Result<StatVfs, Errno>> {
    let (send, receive) = mpsc::channel();
    // Nobody listens any more when a test has failed.
    thread::spawn(move || drop(send.send(statvfs(&at))));
    receive
}

#[test]
fn statfs_hangs_for_real_and_is_let_go() {
    needs!("root", "fuse", "setpriv");
    let fs = HangFs::new();
    assert_eq!(statvfs(fs.mountpoint()).expect("it answers").f_blocks, 256);

    fs.set(Operations::Statfs, Answer::Hang);
    let answer = statfs_elsewhere(fs.mountpoint().to_owned());
    fs.switch().wait_for_hung(1);
    assert!(
        fs::read_dir(fs.mountpoint())
            .expect("readdir goes on")
            .next()
            .is_none()
    );
    assert!(answer.try_recv().is_err(), "it must hang");

    fs.switch().set(Operations::Statfs, Answer::Normal);
    let answer = answer.recv_timeout(SOON).expect("it was let go");
    assert_eq!(answer.expect("it is answered well").f_bfree, 64);
    assert_eq!(fs.switch().waiting(), 0);
}

#[test]
fn a_dropped_filesystem_releases_whoever_hangs_in_it() {
    needs!("root", "fuse", "setpriv");
    let fs = HangFs::new();
    let at = fs.mountpoint().to_owned();
    fs.set(Operations::All, Answer::Hang);
    let statfs = statfs_elsewhere(at.clone());
    let (send, stat) = mpsc::channel();
    let path = at.join("file");
    thread::spawn(move || drop(send.send(fs::metadata(path).map(|_| ()))));
    fs.switch().wait_for_hung(2);
    drop(fs);
    assert!(
        statfs
            .recv_timeout(SOON)
            .expect("statfs was released")
            .is_err()
    );
    assert!(stat.recv_timeout(SOON).expect("stat was released").is_err());
    assert_eq!(mounts_at_or_below(&at), Vec::<PathBuf>::new());
    assert!(!at.exists(), "{} is left", at.display());
}

/// The test below runs itself again with this set to where the second one shall say what it made.
const KILLED: &str = "TIDEGAUGE_RIG_KILLED";

#[test]
fn a_killed_test_leaves_nobody_hanging() {
    needs!("root", "fuse", "setpriv");
    if let Some(report) = env::var_os(KILLED) {
        let fs = HangFs::new();
        fs.set(Operations::All, Answer::Hang);
        let _never = statfs_elsewhere(fs.mountpoint().to_owned());
        fs.switch().wait_for_hung(1);
        fs::write(report, fs.mountpoint().to_str().expect("UTF-8")).expect("it can be written");
        kill_process(getpid(), Signal::KILL).expect("it can kill itself");
        unreachable!("it outlived SIGKILL");
    }
    let scratch = Scratch::new("killed");
    let report = scratch.path().join("report");
    let mut command = Command::new(env::current_exe().expect("it has a path"));
    command
        .args(["--exact", "a_killed_test_leaves_nobody_hanging"])
        .env(KILLED, &report);
    let mut killed = command.stdout(Stdio::null()).spawn().expect("it starts");
    let ended = wait_until(SOON, || killed.try_wait().expect("it is a child"));
    assert_eq!(ended.expect("it must not hang in itself").signal(), Some(9));
    let at = PathBuf::from(fs::read_to_string(report).expect("it got so far"));
    let unmounted = || mounts_at_or_below(&at).is_empty().then_some(());
    assert!(
        wait_until(SOON, unmounted).is_some(),
        "{} is still mounted",
        at.display()
    );
    fs::remove_dir_all(at.parent().expect("it has one")).expect("nothing else cleans up after it");
}

#[test]
fn faults_can_be_errors_and_delays() {
    needs!("root", "fuse", "setpriv");
    let fs = HangFs::new();
    fs.set(Operations::Statfs, Answer::Error);
    assert_eq!(statvfs(fs.mountpoint()).err(), Some(Errno::IO));
    assert!(
        fs::metadata(fs.mountpoint())
            .expect("stat goes on")
            .is_dir()
    );

    let delay = Duration::from_millis(50);
    fs.set(Operations::Statfs, Answer::After(delay));
    let start = std::time::Instant::now();
    assert!(statvfs(fs.mountpoint()).is_ok());
    assert!(
        start.elapsed() >= delay,
        "after {:?} already",
        start.elapsed()
    );
}

#[test]
fn prometheus_2_and_3_serve() {
    needs!("prometheus2", "prometheus3", "setpriv");
    // Both at once: each takes five seconds to begin.
    let started = [(Which::V2, "2.42."), (Which::V3, "3.")]
        .map(|(which, major)| (Prometheus::start(which, &[], &[]), major));
    for (prometheus, major) in started {
        let up = prometheus.query("up");
        assert_eq!(up[0]["metric"]["job"], "prometheus", "{up:#}");
        assert_eq!(up[0]["value"][1], "1", "{up:#}");
        let build = prometheus.query("prometheus_build_info");
        let version = build[0]["metric"]["version"].as_str().expect("it has one");
        assert!(version.starts_with(major), "version {version}");
        assert_eq!(
            prometheus
                .query_once("absent_metric")
                .as_array()
                .map(Vec::len),
            Some(0)
        );
    }
}

#[test]
fn promtool_reads_metrics_from_standard_input() {
    needs!("prometheus2", "prometheus3");
    for which in [Which::V2, Which::V3] {
        let good = "# HELP a_bytes Help.\n# TYPE a_bytes gauge\na_bytes 1\n";
        let said = promtool(which, &["check", "metrics"], good);
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (Some(0), ""),
            "{which:?}"
        );
        let said = promtool(which, &["check", "metrics"], "a_total 1\n");
        assert_ne!(
            said.code,
            Some(0),
            "{which:?} takes a counter without help: {said:?}"
        );
    }
}
