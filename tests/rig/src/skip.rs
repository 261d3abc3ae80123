//! Saying that a test cannot run here, so that it is neither run nor silently passed.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::scratch::{peers, target};

/// Ends the calling test as skipped, with a reason that names what is missing.
///
/// The test harness counts it as passed, so the skip is written down for `tests/run`, which takes it
/// off the passed ones, and fails the run when the reason names nothing this machine lacks.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        // The harness tells a test its name only through the thread's, and not always.
        fn here() {}
        $crate::record_skip(std::any::type_name_of_val(&here), &format!($($reason)+));
        return;
    }};
}

/// Skips the calling test unless all that it needs is here: `needs!("root", "loop", "mkfs.xfs")`.
///
/// `root`, `loop` and `fuse` are what the machine allows, `binary` is the program under test,
/// `prometheus2`, `prometheus3`, `node_exporter` and `alertmanager` are the peers; anything else is
/// a program on the PATH.
#[macro_export]
macro_rules! needs {
    ($($what:literal),+ $(,)?) => {
        let missing = $crate::missing_of(&[$($what),+]);
        if !missing.is_empty() {
            $crate::skip!("missing {}", missing.join(", "));
        }
    };
}

/// Writes down that a test was skipped; called by [`skip!`].
///
/// # Panics
/// When the file of skipped tests cannot be written: a skip nobody learns of would be a lie.
pub fn record_skip(place: &str, reason: &str) {
    let test = place.strip_suffix("::here").unwrap_or(place);
    let line = format!("SKIPPED: {test}: {}\n", reason.replace('\n', " "));
    eprint!("{line}");
    let file = env::var_os("TIDEGAUGE_SKIPPED")
        .map_or_else(|| target().join("test-logs/skipped.txt"), PathBuf::from);
    std::fs::create_dir_all(file.parent().expect("a file in a folder"))
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&file))
        // One write: lines of tests that run at the same time do not mix.
        .and_then(|mut open| open.write_all(line.as_bytes()))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
}

/// Which of these are not to be had here; see [`needs!`].
pub fn missing_of<'a>(needed: &[&'a str]) -> Vec<&'a str> {
    let declared = env::var("TIDEGAUGE_MISSING").unwrap_or_default();
    let declared: Vec<&str> = declared.split(',').collect();
    needed
        .iter()
        .copied()
        .filter(|what| declared.contains(what) || !is_here(what))
        .collect()
}

fn is_here(what: &str) -> bool {
    match what {
        "root" => rustix::process::geteuid().is_root(),
        "loop" => Path::new("/dev/loop-control").exists(),
        "fuse" => Path::new("/dev/fuse").exists(),
        "binary" => crate::exporter::binary().is_file(),
        "prometheus2" | "prometheus3" | "node_exporter" | "alertmanager" => {
            peers().join(what).join(".complete").is_file()
        }
        program => env::var_os("PATH")
            .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_names_what_is_not_here_and_nothing_else() {
        assert_eq!(
            missing_of(&["sh", "no-such-program", "cat"]),
            ["no-such-program"]
        );
    }
}
