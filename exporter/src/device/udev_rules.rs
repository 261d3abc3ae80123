//! udev's rules, as much of them as the question needs whether one runs fstrim.
//!
//! Format: udev(7): a rule is a line of `KEY{attribute}OP"value"`, parted by commas; a backslash at the end continues
//! the line; comments begin a line with `#`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where rules lie below the root; of files of the same name the first counts.
pub const FOLDERS: [&str; 5] = [
    "etc/udev/rules.d",
    "run/udev/rules.d",
    "usr/local/lib/udev/rules.d",
    "usr/lib/udev/rules.d",
    "lib/udev/rules.d",
];
/// No more files are looked at.
const MOST: usize = 2048;

/// The files of rules that count, by name: their paths from the root. An error names the folder.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, (PathBuf, std::io::Error)> {
    let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for folder in FOLDERS {
        let entries = match std::fs::read_dir(root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err((Path::new("/").join(folder), error)),
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|kind| kind == "rules")
            {
                let path = Path::new("/").join(folder).join(&name);
                files.entry(name).or_insert(path);
            }
        }
    }
    Ok(files.into_values().take(MOST).collect())
}

/// Whether a rule runs a program whose command has `fstrim` in it.
pub fn runs_fstrim(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let mut rule = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => rule.push_str(part),
            None => {
                rule.push_str(line);
                if rule_runs_fstrim(&rule) {
                    return true;
                }
                rule.clear();
            }
        }
    }
    rule_runs_fstrim(&rule)
}

fn rule_runs_fstrim(rule: &str) -> bool {
    let mut rest = rule;
    while let Some(at) = rest.find('"') {
        let (key, value) = (&rest[..at], &rest[at + 1..]);
        let end = end_of(value);
        let key = key.trim_start_matches([',', ' ', '\t']);
        // `e"…"` has escapes; it is the same here.
        let is_run = key.starts_with("RUN") && !key.contains("==") && !key.contains("!=");
        if is_run && value[..end].contains("fstrim") {
            return true;
        }
        rest = value.get(end + 1..).unwrap_or_default();
    }
    false
}

/// The closing quote, or the end of the line.
fn end_of(value: &str) -> usize {
    let mut escaped = false;
    let closing = value.find(|c| {
        let is_it = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_it
    });
    closing.unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_that_trim() {
        let yes = [
            "ACTION==\"change\", SUBSYSTEM==\"block\", RUN+=\"/sbin/fstrim -av\"",
            "KERNEL==\"sd*\",RUN{program}+=\"/bin/sh -c \\\"fstrim /\\\"\"\n",
            "ACTION==\"add|change\", \\\n  RUN=\"fstrim /x\"",
            "# a comment\nRUN:=\"fstrim\"",
            "RUN+=e\"fstrim\"",
            "RUN+=\"fstrim",
        ];
        for rule in yes {
            assert!(runs_fstrim(rule.as_bytes()), "{rule}");
        }
        let no = [
            "",
            "# RUN+=\"fstrim -av\"",
            "ACTION==\"change\", ATTR{queue/scheduler}=\"none\"",
            "ENV{NOTE}=\"RUN fstrim weekly\", RUN+=\"/bin/true\"",
            "RUN==\"fstrim\"",
            "PROGRAM==\"fstrim-is-there\", RUN+=\"/bin/true\"",
        ];
        for rule in no {
            assert!(!runs_fstrim(rule.as_bytes()), "{rule}");
        }
    }

    #[test]
    fn of_two_files_with_one_name_the_administrators_counts() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc/udev/rules.d", "usr/lib/udev/rules.d"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
            std::fs::write(root.path().join(folder).join("60-trim.rules"), "").unwrap();
        }
        std::fs::write(root.path().join("usr/lib/udev/rules.d/README"), "").unwrap();
        std::fs::write(root.path().join("usr/lib/udev/rules.d/50-x.rules"), "").unwrap();
        let found = files(root.path()).unwrap();
        let names = [
            "/usr/lib/udev/rules.d/50-x.rules",
            "/etc/udev/rules.d/60-trim.rules",
        ];
        assert_eq!(found, names.map(PathBuf::from));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            runs_fstrim(&bytes);
        }

        #[test]
        fn any_rules_are_no_panic(text in "(RUN|\\+=|==|\"|\\\\|é|fstrim|,|\n|#| ){0,40}") {
            runs_fstrim(text.as_bytes());
        }
    }
}
