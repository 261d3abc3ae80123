use super::*;
use proptest::prelude::*;

const UUID: &str = "7ec7a25d-0561-4162-9497-78762d154e5f";

/// A filesystem with two profiles of data, in a folder that stands for sysfs.
fn sysfs() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write(root.path(), path, text);
    write("devices/sda2", "");
    write("devices/cciss!c0d0", "");
    write("label", "warm\n");
    write("checksum", "crc32c (crc32c-lib)\n");
    write("allocation/global_rsv_size", "50\n");
    write("allocation/data/single/total_bytes", "1000\n");
    write("allocation/data/single/used_bytes", "400\n");
    write("allocation/data/raid1/total_bytes", "100\n");
    write("allocation/data/raid1/used_bytes", "x\n");
    write("allocation/data/bytes_may_use", "7\n");
    write("devinfo/1/missing", "0\n");
    write("devinfo/2/missing", "1\n");
    write("exclusive_operation", "none\n");
    std::fs::create_dir_all(root.path().join("fs/btrfs/features")).unwrap();
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join("fs/btrfs").join(UUID).join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_filesystem_and_what_this_kernel_does_not_tell() {
    let root = sysfs();
    let mut filesystems = Filesystems::new(root.path());
    let read = filesystems.read(Instant::now());
    let [found] = &read[..] else {
        panic!("{read:?}")
    };
    assert_eq!((found.uuid.as_str(), found.label.as_str()), (UUID, "warm"));
    assert_eq!(found.checksum, "crc32c");
    assert_eq!(found.devices, ["cciss/c0d0", "sda2"]);
    assert_eq!(found.missing, Some((2, 1)));
    assert_eq!(
        (found.global_reserve, found.global_reserve_left),
        (Some(50), None)
    );
    assert_eq!((found.operation, found.commits), (Some("none"), None));
    let [data] = &found.spaces[..] else {
        panic!("{found:?}")
    };
    let profiles = [
        ("raid1".to_owned(), Some(100), None),
        ("single".to_owned(), Some(1000), Some(400)),
    ];
    assert_eq!(data.profiles, profiles);
    assert_eq!(
        (data.may_use, data.reserved, data.free()),
        (Some(7), None, None)
    );
    assert_eq!(
        list(root.path()),
        [(UUID.to_owned(), found.devices.clone())]
    );
}

#[test]
fn files_stay_open_within_bounds_and_are_let_go() {
    let root = sysfs();
    let mut filesystems = Filesystems::new(root.path());
    let now = Instant::now();
    filesystems.read(now);
    assert!(
        (8..=KEPT_OPEN).contains(&filesystems.open),
        "{}",
        filesystems.open
    );
    let before = filesystems.open;
    // In place, as the kernel changes a value.
    write(root.path(), "allocation/data/single/used_bytes", "500\n");
    let read = filesystems.read(now);
    assert_eq!(read[0].spaces[0].profiles[1].2, Some(500));
    assert_eq!(filesystems.open, before);
    // A profile that came is seen as soon as something goes on, else a while later.
    write(root.path(), "allocation/data/dup/total_bytes", "1\n");
    assert_eq!(filesystems.read(now)[0].spaces[0].profiles.len(), 2);
    write(root.path(), "exclusive_operation", "balance\n");
    filesystems.read(now);
    let read = filesystems.read(now);
    assert_eq!(read[0].spaces[0].profiles.len(), 3);
    assert_eq!(read[0].operation, Some("balance"));
    std::fs::remove_dir_all(root.path().join("fs/btrfs").join(UUID)).unwrap();
    assert_eq!(filesystems.read(now), []);
    assert_eq!(filesystems.known.len(), 0);
}

#[test]
fn many_filesystems_do_not_take_all_descriptors() {
    let root = sysfs();
    let of = |name: &str| root.path().join("fs/btrfs").join(name);
    for n in 0..40 {
        let copy = std::process::Command::new("cp")
            .arg("-r")
            .args([of(UUID), of(&n.to_string())])
            .status();
        assert!(copy.unwrap().success());
    }
    let mut filesystems = Filesystems::new(root.path());
    for _ in 0..2 {
        assert_eq!(filesystems.read(Instant::now()).len(), 41);
        let open: usize = filesystems.known.values().map(Shape::open).sum();
        assert_eq!(open, KEPT_OPEN);
    }
}

#[test]
fn no_btrfs_is_nothing() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(Filesystems::new(root.path()).read(Instant::now()), []);
    assert_eq!(list(root.path()), []);
}

#[test]
fn free_space_is_what_the_kernel_lets_be_written() {
    let space = Space {
        profiles: vec![("dup".into(), Some(1000), Some(300))],
        reserved: Some(10),
        may_use: Some(200),
        pinned: Some(5),
        readonly: Some(1),
        ..Space::default()
    };
    assert_eq!(space.free(), Some(484));
    let over = Space {
        may_use: Some(5000),
        ..space
    };
    assert_eq!(over.free(), Some(0), "promised more than is there");
}

#[test]
fn commits_and_operations() {
    let text =
        "commits 5\ncur_commit_ms 0\nlast_commit_ms 27\nmax_commit_ms 28\ntotal_commit_ms 32\n";
    let stats = commit_stats(text).unwrap();
    assert_eq!(
        (stats.commits, stats.current_ms, stats.total_ms),
        (5, Some(0), 32)
    );
    assert_eq!(commit_stats("commits 5\n"), None);
    assert_eq!(operation("balance paused\n"), "balance_paused");
    assert_eq!(operation("unknown\n"), "other");
}

proptest! {
    #[test]
    fn any_text(text in "(?s).{0,200}") {
        commit_stats(&text);
        prop_assert!(OPERATIONS.contains(&operation(&text)));
    }
}
