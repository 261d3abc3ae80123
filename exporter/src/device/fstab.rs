//! `/etc/fstab`: what is mounted at the boot.
//!
//! Format: fstab(5); a blank inside a field is `\040`. Lines with fewer than three fields mount nothing and are
//! left out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// No more entries are looked at.
const MOST: usize = 4096;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What: a device, `UUID=…`, `server:/export`.
    pub source: PathBuf,
    /// Where; `none` or `swap` for swap.
    pub mountpoint: PathBuf,
    /// Filesystem type.
    pub fstype: String,
    /// Options, one by one.
    pub options: Vec<String>,
}

impl Entry {
    /// Whether it has this option.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|other| other == option)
    }

    /// The value of the last option `KEY=value`.
    pub fn value(&self, key: &str) -> Option<&str> {
        let values = self.options.iter().rev();
        values
            .filter_map(|option| option.strip_prefix(key)?.strip_prefix('='))
            .next()
    }

    /// Whether it is mounted at the boot, which waits for it or fails with it: not `noauto`, and not only when
    /// somebody comes by.
    pub fn at_boot(&self) -> bool {
        !self.has("noauto") && !self.has("x-systemd.automount")
    }

    /// Whether `fstrim --listed-in /etc/fstab`, which systemd's fstrim.service runs, trims it (fstrim(8)).
    pub fn is_trimmed(&self) -> bool {
        let refused = |option: &String| option.eq_ignore_ascii_case("x-fstrim.notrim");
        self.fstype != "swap" && self.mountpoint.is_absolute() && !self.options.iter().any(refused)
    }
}

/// Parses the file. Any bytes may be in names.
pub fn parse(content: &[u8]) -> Vec<Entry> {
    let lines = content.split(|byte| *byte == b'\n');
    lines.filter_map(entry).take(MOST).collect()
}

fn entry(line: &[u8]) -> Option<Entry> {
    let mut fields = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|field| !field.is_empty());
    let source = fields.next().filter(|field| field[0] != b'#')?;
    let (mountpoint, fstype) = (fields.next()?, fields.next()?);
    Some(Entry {
        source: path(source),
        mountpoint: path(mountpoint).components().collect(),
        fstype: text(fstype),
        options: options(&text(fields.next().unwrap_or_default())),
    })
}

/// Parted by commas, but for those between quotes (`context="a,b"`).
fn options(text: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

fn path(field: &[u8]) -> PathBuf {
    OsString::from_vec(unescape(field)).into()
}

/// Undoes `\040` and its like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| byte == b'\\');
        let code = digits
            .filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)))
            .map(|digits| {
                digits
                    .iter()
                    .fold(0, |n, digit| n * 8 + u32::from(digit - b'0'))
            })
            .and_then(|code| u8::try_from(code).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    out
}

/// Whether a source is a kernel name that may belong to another device after the next boot: `/dev/sda2`,
/// `/dev/nvme0n1p3`, `/dev/dm-0`; not `/dev/mapper/…`, `/dev/disk/…`, `/dev/md0` or `/dev/vg/lv`.
pub fn is_unstable(source: &Path) -> bool {
    let name = source.to_str().and_then(|text| text.strip_prefix("/dev/"));
    let Some(name) = name.filter(|name| !name.contains('/')) else {
        return false;
    };
    let after = |prefix: &str| name.strip_prefix(prefix).unwrap_or_default();
    let lettered = ["sd", "hd", "vd", "xvd"]
        .iter()
        .any(|kind| after(kind).starts_with(|c: char| c.is_ascii_lowercase()));
    let numbered = ["nvme", "mmcblk", "dm-"]
        .iter()
        .any(|kind| after(kind).starts_with(|c: char| c.is_ascii_digit()));
    lettered || numbered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn fields_comments_and_escapes() {
        let text = b"# /etc/fstab\n  # indented\n\nUUID=1-2 / ext4 errors=remount-ro 0 1\n\
            nas:/volume1/jts\t/mnt/my\\040nas/  nfs4\thard,_netdev,nofail\n/dev/sdb2 none swap sw 0 0\n\
            too few\nLABEL=a /x xfs\n/dev/vg/lv /y ext4 context=\"system_u:object_r:tmp_t:s0:c1,c2\",commit=5,,commit=60 0 0\r\n";
        let entries = parse(text);
        let places: Vec<_> = entries
            .iter()
            .map(|e| e.mountpoint.to_str().unwrap())
            .collect();
        assert_eq!(places, ["/", "/mnt/my nas", "none", "/x", "/y"]);
        assert_eq!(entries[1].options, ["hard", "_netdev", "nofail"]);
        assert!(entries[1].has("nofail") && !entries[1].has("no") && entries[1].at_boot());
        assert_eq!(entries[3].options, [""; 0]);
        assert_eq!(
            entries[4].options,
            [
                "context=\"system_u:object_r:tmp_t:s0:c1,c2\"",
                "commit=5",
                "commit=60"
            ]
        );
        assert_eq!(entries[4].value("commit"), Some("60"));
        assert_eq!(entries[4].value("comm"), None);
    }

    #[test]
    fn names_that_move() {
        for name in [
            "sda2",
            "sdaa",
            "vdb",
            "xvda1",
            "hdc",
            "nvme0n1",
            "nvme10n2p3",
            "dm-0",
            "mmcblk0p1",
        ] {
            assert!(is_unstable(&Path::new("/dev").join(name)), "{name}");
        }
        for name in [
            "/dev/mapper/sda",
            "/dev/disk/by-uuid/1",
            "/dev/md0",
            "/dev/vg/sda",
            "UUID=1",
            "/dev/sd",
            "/dev/nvme-x",
            "nas:/dev/sda1",
            "/dev/loop0",
            "/dev/sr0",
        ] {
            assert!(!is_unstable(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn what_fstrim_would_trim() {
        let content = b"# comment\n\nUUID=1 / ext4 errors=remount-ro 0 1\n\
            /dev/vg/a\t/with\\040blank\txfs\tdefaults\n\
            /dev/vg/b /quiet xfs noatime,X-fstrim.notrim 0 0\n\
            /dev/sda2 none swap sw 0 0\n/dev/sdb1 /bare ext4\nhalf\n";
        let trimmed: Vec<PathBuf> = parse(content)
            .into_iter()
            .filter(Entry::is_trimmed)
            .map(|entry| entry.mountpoint)
            .collect();
        assert_eq!(trimmed, ["/", "/with blank", "/bare"].map(PathBuf::from));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            names in proptest::collection::vec(proptest::collection::vec(1u8.., 1..12), 1..6),
            options in proptest::collection::vec("[a-z_=.0-9]{1,8}", 1..4),
        ) {
            let mut text = Vec::new();
            for name in &names {
                let escaped: Vec<u8> = name.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()).collect();
                text.extend(b"x /");
                text.extend(&escaped);
                text.extend(format!(" ext4 {} 0 0\n", options.join(",")).bytes());
            }
            let entries = parse(&text);
            prop_assert_eq!(entries.len(), names.len());
            for (entry, name) in entries.iter().zip(&names) {
                let mut whole = b"/".to_vec();
                whole.extend(name);
                let whole: PathBuf = PathBuf::from(OsString::from_vec(whole)).components().collect();
                prop_assert_eq!(entry.mountpoint.as_os_str().as_bytes(), whole.as_os_str().as_bytes());
                prop_assert_eq!(&entry.options, &options);
            }
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for entry in parse(&bytes) {
                is_unstable(&entry.source);
                prop_assert!(!entry.fstype.is_empty());
            }
        }
    }
}
