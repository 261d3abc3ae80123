//! Mount options that are expected, against those that the kernel shows in force: the same option has several
//! spellings, and most defaults are not shown at all.
//!
//! Sources: mount(8), ext4(5), xfs(5), btrfs(5), nfs(5); kernel `fs/proc_namespace.c` (`show_mnt_opts`) and each
//! filesystem's `show_options`.

use std::fmt;

use thiserror::Error;

/// A mount option that must be in force or, with `!`, must not be: `noatime`, `!discard`, `rsize=1048576`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOption {
    /// `false` when it must not be in force.
    wanted: bool,
    name: String,
    value: Option<String>,
}

/// Why a text is no mount option that can be compared.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` {reason}")]
pub struct OptionError {
    text: String,
    reason: &'static str,
    /// What to write instead; may be empty.
    pub hint: &'static str,
}

/// The options of one mount as the kernel shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// Filesystem type.
    pub fstype: &'a str,
    /// Those of the mount, comma separated.
    pub mount: &'a str,
    /// Those of the superblock, comma separated.
    pub superblock: &'a str,
    /// All that the filesystem has in force, defaults included, where it tells (ext4 does); else empty.
    pub all: &'a [String],
}

/// What of an expected option is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As expected.
    pub ok: bool,
    /// What the kernel shows for it; empty where it shows nothing.
    pub actual: String,
}

/// Words for mount(8), systemd or mount.nfs(8), which the kernel never shows.
const NOT_SHOWN: &str = "_netdev auto bg comment defaults fg group intr loop noauto nofail nogroup nointr noowner \
    nouser nousers owner retry user users";
/// By the beginning of the filesystem type: in force, though not shown, as long as the opposite (with `no` before
/// it) is not shown.
const ON_UNLESS_NO: [(&str, &str); 5] = [
    ("", "dev diratime exec suid symfollow"),
    ("ext", "acl barrier delalloc user_xattr"),
    ("xfs", "align barrier"),
    ("btrfs", "acl barrier datacow datasum treelog"),
    ("nfs", "ac acl cto lock resvport"),
];
/// With `no` before it in force, though not shown, as long as the option itself is not shown.
const OFF_UNLESS_SHOWN: &str = "autodefrag compress compress-force dirsync discard flushoncommit fsc grpid \
    i_version largeio lazytime mand sync wsync";
/// Values in force while none is shown: filesystem type, option, value.
const DEFAULTS: [(&str, &str, &str); 2] = [("btrfs", "commit", "30"), ("ext4", "commit", "5")];
/// Further options of which it makes sense to say that they must not be in force.
const ALSO_KNOWN: &str = "acdirmax acdirmin acregmax acregmin actimeo async atime attr2 bsdgroups check_int \
    clear_cache clientaddr commit data data_err dax degraded errors fatal_errors filestreams gqnoenforce gquota \
    grpquota hard ikeep inode32 inode64 journal_async_commit journal_checksum local_lock logbsize logbufs logdev \
    lookupcache max_inline metadata_ratio migration minixdf mountproto nconnect nfsvers noload norecovery nouuid \
    port posix pqnoenforce pquota prjquota proto quota rdirplus rdma relatime rescue retrans ro rsize rtdev rw sec \
    sharecache soft softerr softreval space_cache ssd ssd_spread strictatime stripe subvol subvolid sunit swalloc \
    swidth tcp thread_pool timeo trunkdiscovery udp uquota user_subvol_rm_allowed usrquota vers version wsize";

fn is_in(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

impl MountOption {
    /// Reads one as the configuration has it. `!` before a name that no filesystem is known to have is refused:
    /// a slip of the pen would for ever be "not in force".
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let error = |reason, hint| OptionError {
            text: text.to_owned(),
            reason,
            hint,
        };
        let (wanted, rest) = match text.trim().strip_prefix('!') {
            Some(rest) => (false, rest.trim_start()),
            None => (true, text.trim()),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(letter) {
            return Err(error(
                "is not a mount option",
                "such as noatime, \"!discard\" or rsize=1048576; one in each entry",
            ));
        }
        let fits = |c: char| !c.is_control() && c != ',';
        if value.is_some_and(|value| value.is_empty() || !value.chars().all(fits)) {
            return Err(error(
                "has no value that a mount option can have",
                "write it as the kernel shows it in /proc/self/mountinfo",
            ));
        }
        if is_in(NOT_SHOWN, name) || name.starts_with("x-") || name.starts_with("X-") {
            return Err(error(
                "is a word for mount(8) or systemd, or without effect: the kernel does not show it",
                "name the options that it stands for, such as rw, noatime or hard",
            ));
        }
        if !wanted && !is_known(name) {
            return Err(error(
                "must not be in force, but no option of this name is known: it would never be",
                "look for a slip of the pen; the name is that in /proc/self/mountinfo",
            ));
        }
        Ok(Self {
            wanted,
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    /// Whether this and the other can never both be as expected.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.name == other.name
            && (self.wanted != other.wanted && self.value == other.value
                || self.wanted && other.wanted && self.value.is_some() && other.value.is_some())
    }

    /// Compares with what is in force.
    pub fn compare(&self, shown: &Shown<'_>) -> Found {
        let nfs = shown.fstype.starts_with("nfs");
        let (name, value) = match (self.name.as_str(), self.value.as_deref()) {
            ("nfsvers" | "version", value) if nfs => ("vers", value),
            (proto @ ("tcp" | "udp" | "rdma"), None) if nfs => ("proto", Some(proto)),
            ("barrier", Some("1")) => ("barrier", None),
            ("barrier", Some("0")) => ("nobarrier", None),
            other => other,
        };
        let (in_force, actual) = match value {
            Some(value) => shown.value(name, value),
            None => shown.flag(name),
        };
        Found {
            ok: in_force == self.wanted,
            actual,
        }
    }
}

fn is_known(name: &str) -> bool {
    let bare = name.strip_prefix("no").unwrap_or(name);
    let by_default = ON_UNLESS_NO.iter().map(|(_, words)| *words);
    by_default
        .chain([OFF_UNLESS_SHOWN, ALSO_KNOWN])
        .any(|words| is_in(words, name) || is_in(words, bare))
}

impl fmt::Display for MountOption {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.wanted { "" } else { "!" };
        match &self.value {
            Some(value) => write!(f, "{not}{}={value}", self.name),
            None => write!(f, "{not}{}", self.name),
        }
    }
}

impl<'a> Shown<'a> {
    /// Of the mount first, then of the superblock, then the filesystem's own list.
    fn options(&self) -> impl Iterator<Item = &'a str> {
        let lists = self.mount.split(',').chain(self.superblock.split(','));
        lists.chain(self.all.iter().map(String::as_str))
    }

    /// The option of this name as it is shown, with or without a value.
    fn option(&self, name: &str) -> Option<&'a str> {
        self.options()
            .find(|option| option.split('=').next() == Some(name))
    }

    fn has(list: &str, option: &str) -> bool {
        list.split(',').any(|shown| shown == option)
    }

    /// Whether `name=value` is in force, and what is shown for it.
    fn value(&self, name: &str, value: &str) -> (bool, String) {
        let prefix = format!("{name}=");
        let is_default = |(fstype, option, default): &&(&str, &str, &str)| {
            *fstype == self.fstype && *option == name && same_value(name, default, value)
        };
        match self.options().find(|option| option.starts_with(&prefix)) {
            Some(option) => (
                same_value(name, &option[prefix.len()..], value),
                option.to_owned(),
            ),
            None => (DEFAULTS.iter().any(|d| is_default(&d)), String::new()),
        }
    }

    /// Whether a name without value is in force, and what is shown for it.
    fn flag(&self, name: &str) -> (bool, String) {
        match name {
            "ro" | "rw" => {
                // Either may forbid writing: this view, or the whole filesystem.
                let superblock = ["ro", "emergency_ro", "shutdown"];
                let read_only = Self::has(self.mount, "ro")
                    || superblock.iter().any(|o| Self::has(self.superblock, o));
                let actual = if read_only { "ro" } else { "rw" };
                return (actual == name, actual.to_owned());
            }
            "noatime" | "relatime" | "strictatime" | "atime" => {
                let actual = self.atime();
                let any = name == "atime" && actual != "noatime";
                return (any || actual == name, actual.to_owned());
            }
            "async" => return inverted(self.flag("sync")),
            // mount(8): nodiratime is part of noatime.
            "nodiratime" if self.atime() == "noatime" => return (true, "noatime".to_owned()),
            "diratime" if self.atime() == "noatime" => return (false, "noatime".to_owned()),
            _ => {}
        }
        if let Some(option) = self.option(name) {
            return (true, option.to_owned());
        }
        let bare = name.strip_prefix("no");
        let opposite = bare.map_or_else(|| format!("no{name}"), str::to_owned);
        if let Some(option) = self.option(&opposite) {
            return (false, option.to_owned());
        }
        let by_default = match bare {
            Some(bare) => is_in(OFF_UNLESS_SHOWN, bare),
            None => ON_UNLESS_NO
                .iter()
                .any(|(fstype, words)| self.fstype.starts_with(fstype) && is_in(words, name)),
        };
        (by_default, String::new())
    }

    /// Whether an option without value is in force.
    pub fn is_on(&self, name: &str) -> bool {
        self.flag(name).0
    }

    /// When reading a file changes its time: `noatime`, `relatime`, or `strictatime`, which the kernel shows
    /// as neither. These are of the mount, not of the superblock.
    pub fn atime(&self) -> &'static str {
        ["noatime", "relatime"]
            .into_iter()
            .find(|mode| Self::has(self.mount, mode))
            .unwrap_or("strictatime")
    }
}

fn inverted((in_force, actual): (bool, String)) -> (bool, String) {
    (!in_force, actual)
}

/// Whether a shown value is the expected one: as text, as a number with another suffix, or as that which a
/// shorter form stands for.
fn same_value(name: &str, shown: &str, expected: &str) -> bool {
    let before = |separator| shown.split(separator).next() == Some(expected);
    shown == expected
        || matches!((number(shown), number(expected)), (Some(a), Some(b)) if a == b)
        || (name.starts_with("compress") && before(':'))
        || (name == "vers" && before('.'))
}

/// `1048576`, `1m`, `256k`: kernel `lib/cmdline.c`, `memparse`, where all are powers of 1024; and as the rest of
/// the configuration writes sizes, `1MiB`, `1MB`.
fn number(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits);
    if digits.is_empty() {
        return None;
    }
    let factor = match suffix {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "t" | "T" => 1 << 40,
        // `4.2` is a version.
        suffix if suffix.starts_with('.') => return None,
        _ => return crate::units::Bytes::parse(text).ok().map(|bytes| bytes.0),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> MountOption {
        MountOption::parse(text).unwrap()
    }

    fn compare(expected: &str, fstype: &str, mount: &str, superblock: &str) -> (bool, String) {
        let shown = Shown {
            fstype,
            mount,
            superblock,
            all: &[],
        };
        let found = parse(expected).compare(&shown);
        (found.ok, found.actual)
    }

    /// Type, options of the mount, options of the superblock, what is as expected, what is not.
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a [&'a str]);
    const CASES: &[Case<'_>] = &[
        (
            "ext4",
            "rw,noatime",
            "rw,nobarrier,errors=remount-ro",
            &[
                "rw",
                "noatime",
                "nodiratime",
                "nobarrier",
                "barrier=0",
                "errors=remount-ro",
                "!relatime",
                "!discard",
                "nodiscard",
                "!sync",
                "async",
                "suid",
                "dev",
                "exec",
                "!ro",
                "commit=5",
            ],
            &[
                "ro",
                "relatime",
                "barrier",
                "barrier=1",
                "!nobarrier",
                "discard",
                "errors=continue",
                "atime",
                "diratime",
                "nosuid",
                "commit=30",
            ],
        ),
        (
            "ext4",
            "rw,nosuid,relatime",
            "rw,discard,commit=30,lazytime",
            &[
                "relatime",
                "atime",
                "barrier",
                "barrier=1",
                "discard",
                "commit=30",
                "nosuid",
                "!suid",
                "lazytime",
            ],
            &[
                "noatime",
                "strictatime",
                "nodiscard",
                "!discard",
                "commit=5",
                "suid",
                "nolazytime",
            ],
        ),
        (
            "xfs",
            "rw",
            "rw,attr2,inode64,logbufs=8,logbsize=32k,noquota",
            &[
                "strictatime",
                "logbsize=32768",
                "logbsize=32KiB",
                "barrier",
                "inode64",
                "!largeio",
            ],
            &["relatime", "inode32", "logbsize=256k"],
        ),
        (
            "btrfs",
            "rw,noatime",
            "rw,compress=zstd:3,ssd,discard=async,space_cache=v2,subvol=/a b",
            &[
                "compress=zstd:3",
                "compress=zstd",
                "compress",
                "discard=async",
                "discard",
                "space_cache=v2",
                "ssd",
                "datacow",
                "!autodefrag",
                "commit=30",
                "subvol=/a b",
            ],
            &[
                "compress=zstd:1",
                "compress=lzo",
                "!compress",
                "nodiscard",
                "nodatacow",
                "nossd",
                "autodefrag",
            ],
        ),
        (
            "nfs4",
            "rw,relatime",
            "rw,vers=4.2,rsize=1048576,hard,proto=tcp,timeo=600,retrans=2",
            &[
                "vers=4",
                "nfsvers=4.2",
                "rsize=1m",
                "rsize=1MiB",
                "hard",
                "tcp",
                "proto=tcp",
                "!soft",
                "lock",
            ],
            &[
                "vers=3",
                "nfsvers=4.1",
                "rsize=1MB",
                "soft",
                "udp",
                "nolock",
            ],
        ),
        ("ext4", "ro,relatime", "rw", &["ro", "!rw"], &["rw"]),
        ("ext4", "rw,relatime", "rw,emergency_ro", &["ro"], &["rw"]),
    ];

    #[test]
    fn against_what_the_kernel_shows() {
        for (fstype, mount, superblock, ok, not) in CASES {
            for (list, as_expected) in [(ok, true), (not, false)] {
                for expected in *list {
                    let found = compare(expected, fstype, mount, superblock);
                    assert_eq!(found.0, as_expected, "{expected} on {mount} - {superblock}");
                }
            }
        }
    }

    #[test]
    fn what_is_there_instead_is_told() {
        for (expected, actual) in [
            ("noatime", "relatime"),
            ("rsize=1m", "rsize=262144"),
            ("!compress", "compress=zstd:3"),
            ("barrier", "nobarrier"),
            ("rw", "ro"),
            ("!lazytime", ""),
            ("wsize=1m", ""),
        ] {
            let superblock = "ro,rsize=262144,compress=zstd:3,nobarrier";
            assert_eq!(
                compare(expected, "x", "rw,relatime", superblock).1,
                actual,
                "{expected}"
            );
        }
    }

    #[test]
    fn a_list_of_all_options_settles_defaults() {
        let all = ["data=ordered", "barrier", "nodiscard", "commit=5"].map(str::to_owned);
        let shown = Shown {
            fstype: "ext4",
            mount: "rw,relatime",
            superblock: "rw",
            all: &all,
        };
        for expected in [
            "data=ordered",
            "commit=5",
            "!discard",
            "barrier",
            "!data=journal",
        ] {
            assert!(parse(expected).compare(&shown).ok, "{expected}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for text in [
            "",
            "!",
            "a b",
            "noatime,nodiratime",
            "=1",
            "rsize=",
            "x=a,b",
            "defaults",
            "nofail",
            "_netdev",
            "x-systemd.automount",
            "intr",
            "!dicsard",
            "!noatmie",
            "a=\u{1b}",
        ] {
            assert!(MountOption::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn contradictions() {
        for (one, other, contradict) in [
            ("noatime", "!noatime", true),
            ("rsize=1m", "rsize=2m", true),
            ("rsize=1m", "!rsize=2m", false),
            ("noatime", "discard", false),
            ("!rsize=1m", "!rsize=2m", false),
        ] {
            assert_eq!(
                parse(one).contradicts(&parse(other)),
                contradict,
                "{one} {other}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "!?[a-z]{1,8}(=[a-z0-9:/ ]{1,8})?") {
            if let Ok(option) = MountOption::parse(&text) {
                prop_assert_eq!(MountOption::parse(&option.to_string()), Ok(option));
            }
        }

        /// Whatever is shown: an option is in force or it is not.
        #[test]
        fn wanted_and_unwanted_are_opposites(
            name in "(no)?(atime|discard|barrier|relatime|sync|rw|ro|compress|rsize|vers)",
            value in proptest::option::of("[0-9]{1,4}[kmg]?"),
            (fstype, mount, superblock) in ("(ext4|nfs|btrfs)", "[a-z,=0-9]{0,40}", ".{0,40}"),
        ) {
            let text = value.map_or(name.clone(), |value| format!("{name}={value}"));
            let (wanted, unwanted) = (parse(&text), parse(&format!("!{text}")));
            let shown = Shown { fstype: &fstype, mount: &mount, superblock: &superblock, all: &[] };
            let (yes, no) = (wanted.compare(&shown), unwanted.compare(&shown));
            prop_assert_eq!(yes.ok, !no.ok);
            prop_assert_eq!(yes.actual, no.actual);
        }
    }
}
