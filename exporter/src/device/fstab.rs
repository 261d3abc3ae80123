//! What `/etc/fstab` lists, as far as fstrim heeds it: fstab(5), fstrim(8) (`--listed-in`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The mount points that `fstrim --listed-in /etc/fstab` trims, which is what systemd's fstrim.service does.
pub fn trimmed(content: &[u8]) -> Vec<PathBuf> {
    let lines = content.split(|byte| *byte == b'\n');
    lines.filter_map(trimmed_by).collect()
}

fn trimmed_by(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|field| !field.is_empty());
    let source = fields.next().filter(|source| !source.starts_with(b"#"))?;
    let (target, fstype) = (fields.next()?, fields.next()?);
    let options = fields.next().unwrap_or_default();
    let none = source.is_empty() || !target.starts_with(b"/") || fstype == b"swap";
    let refused = |option: &[u8]| option.eq_ignore_ascii_case(b"x-fstrim.notrim");
    if none || options.split(|byte| *byte == b',').any(refused) {
        return None;
    }
    Some(OsString::from_vec(unescape(target)).into())
}

/// Undoes `\040` and the like, as mount(8) reads them.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let code = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fstrim_would_trim() {
        let content = b"# comment\n\nUUID=1 / ext4 errors=remount-ro 0 1\n\
            /dev/vg/a\t/with\\040blank\txfs\tdefaults\n\
            /dev/vg/b /quiet xfs noatime,X-fstrim.notrim 0 0\n\
            /dev/sda2 none swap sw 0 0\n/dev/sdb1 /bare ext4\nhalf\n";
        let expected = ["/", "/with blank", "/bare"].map(PathBuf::from);
        assert_eq!(trimmed(content), expected);
    }

    proptest! {
        #[test]
        fn any_bytes(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for path in trimmed(&content) {
                prop_assert!(path.is_absolute());
            }
        }
    }
}
