//! What a tier and the kernel are expected to be tuned to, against what the kernel shows: a line each for the
//! expectation, the filesystem's type, the options of the mount, those of the superblock, and each of a list of all.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::sysctl::Sysctl;
use tidegauge_model::mount_option::{MountOption, Shown};

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(5, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let [expected, fstype, mount, superblock, rest] = [next(), next(), next(), next(), next()];
    let all: Vec<String> = rest.lines().map(str::to_owned).collect();
    if let Ok(option) = MountOption::parse(expected) {
        let written = option.to_string();
        assert_eq!(MountOption::parse(&written).as_ref(), Ok(&option), "{written}");
        for all in [&[][..], &all] {
            let shown = Shown {
                fstype,
                mount,
                superblock,
                all,
            };
            let found = option.compare(&shown);
            // Whatever is shown, an option is in force or it is not.
            let opposite = match written.strip_prefix('!') {
                Some(rest) => rest.to_owned(),
                None => format!("!{written}"),
            };
            if let Ok(opposite) = MountOption::parse(&opposite) {
                assert_eq!(opposite.compare(&shown).ok, !found.ok, "{written}");
                assert!(opposite.contradicts(&option) && option.contradicts(&opposite));
            }
        }
    }
    if let Ok(sysctl) = Sysctl::parse(expected) {
        let path = Path::new("/proc/sys").join(sysctl.name().replace('.', "/"));
        let normal = |c| matches!(c, Component::Normal(_) | Component::RootDir);
        assert!(path.starts_with("/proc/sys") && path.components().all(normal), "{path:?}");
        let _ = sysctl.holds(mount);
        assert_eq!(Sysctl::parse(&sysctl.to_string()), Ok(sysctl));
    }
});
