use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn walk(root: &Path, threads: usize, ages: &[Duration]) -> Result<Tree, TreeError> {
    Walk {
        threads,
        ages,
        now: SystemTime::now(),
        go_on: &|| true,
        prepare: &|| (),
    }
    .measure(root)
}

fn run(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn du(arguments: &[&str], path: &Path) -> u64 {
    let output = run("du", arguments, path);
    output.split_whitespace().next().unwrap().parse().unwrap()
}

/// What du says of apparent sizes, whichever way this version of it takes directories.
fn is_apparent(usage: &Usage, path: &Path) {
    let said = du(&["-s", "--apparent-size", "--block-size=1"], path);
    let without = usage.apparent - usage.apparent_of_directories;
    assert!(
        said == usage.apparent || said == without,
        "du says {said}, {usage:?}"
    );
}

#[test]
fn a_tree_with_everything_in_it_is_as_du_says() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("a/b/c")).unwrap();
    fs::write(at("a/file"), vec![1; 100_000]).unwrap();
    fs::hard_link(at("a/file"), at("a/b/again")).unwrap();
    std::os::unix::fs::symlink("..", at("a/b/loop")).unwrap();
    File::create(at("a/sparse"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    for name in [&b"odd \n \xff"[..], b"'\"\\", b"-rf", b"\x01\x7f"] {
        fs::write(root.path().join(OsStr::from_bytes(name)), "x").unwrap();
    }
    for n in 0..2000 {
        fs::write(at(&format!("a/b/c/{n}")), "y").unwrap();
    }
    for threads in [1, 2, 5] {
        let tree = walk(root.path(), threads, &[]).unwrap();
        let usage = tree.total;
        assert_eq!(usage.allocated, du(&["-s", "--block-size=1"], root.path()));
        is_apparent(&usage, root.path());
        assert_eq!((usage.files, usage.directories), (2007, 4));
        let [(name, branch)] = &tree.branches[..] else {
            panic!("{:?}", tree.branches)
        };
        assert_eq!(name, "a");
        assert_eq!(branch.allocated, du(&["-s", "--block-size=1"], &at("a")));
        assert_eq!((branch.files, branch.directories), (2003, 3));
    }
}

#[test]
fn ages_are_as_find_says() {
    let root = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    for n in 0u32..400 {
        let path = root.path().join(n.to_string());
        fs::write(&path, vec![1; n as usize * 100]).unwrap();
        // An hour off the full days, since find takes its own time.
        let modified = now - DAY * (n % 50) - Duration::from_secs(3600);
        File::open(&path).unwrap().set_modified(modified).unwrap();
    }
    fs::hard_link(root.path().join("49"), root.path().join("49 again")).unwrap();
    let ages = [DAY, 7 * DAY, 30 * DAY, 400 * DAY, Duration::MAX];
    let usage = walk(root.path(), 2, &ages).unwrap().total;
    for (age, older) in [1, 7, 30, 400].into_iter().zip(&usage.older) {
        // `-mtime +6` is seven days and more: find drops the fraction first (find(1)).
        let blocks = run(
            "sh",
            &[
                "-c",
                &format!(
                    "find \"$0\" ! -type d -mtime +{} -printf '%i %b\\n' | sort -u",
                    age - 1
                ),
            ],
            root.path(),
        );
        let expected: u64 = blocks
            .lines()
            .map(|l| l.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 512)
            .sum();
        assert_eq!(*older, expected, "older than {age} days");
    }
    assert!(usage.older[2] > 0 && usage.older[0] > usage.older[1]);
    assert_eq!(&usage.older[3..], [0, 0]);
}

#[test]
fn a_directory_of_100_000_files() {
    let root = tempfile::tempdir().unwrap();
    let many = root.path().join("many");
    fs::create_dir(&many).unwrap();
    let first = many.join("0");
    fs::write(&first, "x").unwrap();
    for n in 1..100_000 {
        // Most are names of few files, which is quicker to make and also to be told apart.
        if n % 50 == 0 {
            fs::write(many.join(n.to_string()), "x").unwrap();
        } else {
            fs::hard_link(
                many.join((n / 50 * 50).to_string()),
                many.join(n.to_string()),
            )
            .unwrap();
        }
    }
    for threads in [1, 4] {
        let usage = walk(root.path(), threads, &[]).unwrap().total;
        assert_eq!((usage.files, usage.directories), (2000, 2));
        assert_eq!(usage.allocated, du(&["-s", "--block-size=1"], root.path()));
    }
}

#[test]
fn deeper_than_any_path_and_than_descriptors() {
    let root = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::open(
        root.path(),
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    // Two branches at each level: every directory on the way waits for its second.
    for _ in 0..700 {
        for name in ["left", "right"] {
            rustix::fs::mkdirat(&at, name, rustix::fs::Mode::RWXU).unwrap();
        }
        at = rustix::fs::openat(
            &at,
            "right",
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    drop(at);
    for threads in [1, 3] {
        let most = AtomicUsize::new(0);
        let count = || {
            let open = fs::read_dir("/proc/self/fd").unwrap().count();
            most.fetch_max(open, Ordering::Relaxed);
            true
        };
        let tree = Walk {
            threads,
            ages: &[],
            now: SystemTime::now(),
            go_on: &count,
            prepare: &|| (),
        }
        .measure(root.path())
        .unwrap();
        assert_eq!(tree.total.directories, 1401);
        assert!(most.into_inner() < 600, "descriptors");
    }
    assert!(
        Command::new("rm")
            .arg("-rf")
            .arg(root.path())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn what_vanishes_was_never_there() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..300 {
        let folder = root.path().join(n.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
    }
    let done = AtomicUsize::new(0);
    let remove = || {
        let n = done.fetch_add(1, Ordering::Relaxed);
        // Some are gone before they are read, some became something else.
        let folder = root.path().join(n.to_string());
        if n < 300 && fs::remove_dir_all(&folder).is_ok() && n.is_multiple_of(3) {
            std::os::unix::fs::symlink("/", &folder).unwrap();
        }
        true
    };
    let tree = Walk {
        threads: 2,
        ages: &[],
        now: SystemTime::now(),
        go_on: &remove,
        prepare: &|| (),
    }
    .measure(root.path())
    .unwrap();
    assert!(tree.total.files < 300, "{tree:?}");
}

#[test]
fn it_can_be_stopped() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..100 {
        fs::create_dir(root.path().join(n.to_string())).unwrap();
    }
    let left = AtomicUsize::new(10);
    let stopped = Walk {
        threads: 3,
        ages: &[],
        now: SystemTime::now(),
        go_on: &|| left.fetch_sub(1, Ordering::Relaxed) > 1,
        prepare: &|| (),
    }
    .measure(root.path());
    assert!(matches!(stopped, Err(TreeError::Cancelled)), "{stopped:?}");
}

#[test]
fn what_is_no_tree_is_told() {
    let error = |path: &Path| walk(path, 1, &[]).unwrap_err().to_string();
    let missing = error(Path::new("/no/such/tree"));
    assert!(
        missing.starts_with("cannot read /no/such/tree: No such file"),
        "{missing}"
    );
    let root = tempfile::tempdir().unwrap();
    let link = root.path().join("link");
    std::os::unix::fs::symlink("/", &link).unwrap();
    assert!(error(&link).ends_with("; name a directory itself, not a link to it"));
}

/// A small tree: directories with files and links to files already made.
fn trees() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    proptest::collection::vec((any::<u8>(), 0u8..4, 0u16..20_000), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_tree_is_as_du_says(plan in trees(), threads in 1usize..4) {
        let root = tempfile::tempdir().unwrap();
        let (mut folders, mut files) = (vec![root.path().to_owned()], Vec::new());
        for (n, (place, kind, size)) in plan.into_iter().enumerate() {
            let parent = folders[usize::from(place) % folders.len()].clone();
            let path = parent.join(n.to_string());
            match kind {
                0 => {
                    fs::create_dir(&path).unwrap();
                    folders.push(path);
                }
                1 if !files.is_empty() => {
                    fs::hard_link(&files[usize::from(size) % files.len()], &path).unwrap();
                }
                2 => std::os::unix::fs::symlink("/nowhere", &path).unwrap(),
                _ => {
                    fs::write(&path, vec![7; size.into()]).unwrap();
                    files.push(path);
                }
            }
        }
        let tree = walk(root.path(), threads, &[]).unwrap();
        prop_assert_eq!(tree.total.allocated, du(&["-s", "--block-size=1"], root.path()));
        is_apparent(&tree.total, root.path());
        let inodes = du(&["-s", "--inodes"], root.path());
        prop_assert_eq!(tree.total.files + tree.total.directories, inodes);
        let below: u64 = tree.branches.iter().map(|(_, b)| b.directories).sum();
        prop_assert_eq!(below + 1, tree.total.directories);
    }
}
