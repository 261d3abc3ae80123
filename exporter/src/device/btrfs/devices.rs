//! The devices of a filesystem as sysfs shows them: `devinfo/<number>/`, Linux 5.14 for the counters of errors.

use std::path::Path;

use super::number;
use super::sysfs::names_in;
use crate::device::kernel_file::attribute;

/// What can go wrong with a device, as `error_stats` and the metrics name it.
pub const ERRORS: [(&str, &str); 5] = [
    ("write_errs", "write"),
    ("read_errs", "read"),
    ("flush_errs", "flush"),
    ("corruption_errs", "corruption"),
    ("generation_errs", "generation"),
];

/// A device of a filesystem. `None` where this kernel does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number in the filesystem; 0 is the target of a replacement.
    pub id: u64,
    /// Whether it was not found when the filesystem was mounted, or went since.
    pub missing: Option<bool>,
    /// Whether the filesystem may write to it.
    pub writeable: Option<bool>,
    /// Whether it is about to take the place of another.
    pub replace_target: Option<bool>,
    /// Errors since they were last reset, in the order of [`ERRORS`].
    pub errors: [Option<u64>; 5],
}

/// Reads all devices of the filesystem whose folder in sysfs this is, by their numbers.
pub fn devices(folder: &Path) -> Vec<DeviceInfo> {
    let folder = folder.join("devinfo");
    let read = |id: u64| {
        let of = |file: &str| attribute(&folder.join(id.to_string()).join(file));
        let flag = |file: &str| of(file).as_deref().and_then(flag);
        DeviceInfo {
            id,
            missing: flag("missing"),
            writeable: flag("writeable"),
            replace_target: flag("replace_target"),
            errors: of("error_stats").map_or([None; 5], |text| error_stats(&text)),
        }
    };
    let mut ids: Vec<u64> = names_in(&folder)
        .iter()
        .filter_map(|name| number(name))
        .collect();
    ids.sort_unstable();
    ids.into_iter().map(read).collect()
}

/// A flag: 0 or 1.
pub fn flag(text: &str) -> Option<bool> {
    match text.trim_end_matches('\n') {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The content of `error_stats`: a name and a number in each line. "invalid" where they were not read yet.
pub fn error_stats(text: &str) -> [Option<u64>; 5] {
    let of = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| number(line.strip_prefix(key)?.strip_prefix(' ')?))
    };
    ERRORS.map(|(key, _)| of(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn error_counters() {
        let text =
            "write_errs 1\nread_errs 2\nflush_errs 3\ncorruption_errs 4\ngeneration_errs 5\n";
        assert_eq!(error_stats(text), [1, 2, 3, 4, 5].map(Some));
        let odd = "write_errs -1\nread_errs\nflush_errs 3\ncorruption_errsx 4\n";
        assert_eq!(error_stats(odd), [None, None, Some(3), None, None]);
        assert_eq!(error_stats("invalid\n"), [None; 5]);
    }

    proptest! {
        #[test]
        fn any_text(text in "(?s).{0,200}") {
            error_stats(&text);
            flag(&text);
        }
    }
}
