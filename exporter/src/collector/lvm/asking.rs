//! LVM's report: asked for, and judged by what LVM says and by how it ends.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use crate::collector::readings::{State, Trouble};
use crate::device::lvm::{self, VolumeGroup};
use crate::device::tool::{self, Call, Output, Runner, ToolError};

/// A report of 20,000 logical volumes.
const MOST: usize = 16 << 20;

/// Groups, and why others may be missing among them.
pub type Report = (Vec<VolumeGroup>, Option<Trouble>);

/// LVM's program, and how it is asked.
pub struct Program {
    command: Option<PathBuf>,
    limit: Duration,
    runner: Runner,
    /// Older versions (before 2.03.12) cannot be told which devices to look at.
    takes_devices: bool,
}

impl Program {
    /// The program of this name, or `lvm` where programs are; it may take as long as `limit`.
    pub fn new(command: Option<PathBuf>, limit: Duration) -> Self {
        Self {
            command,
            limit,
            runner: Runner::default(),
            takes_devices: true,
        }
    }

    /// Asks LVM, which looks only at the devices named. When it misses a disk then, it may look everywhere:
    /// udev may not know all.
    pub fn report(&mut self, members: &[String]) -> Result<Report, Trouble> {
        let named: &[String] = if self.takes_devices { members } else { &[] };
        let first = match self.run(members, named) {
            Err(Refused::Arguments(_)) if !named.is_empty() => {
                self.takes_devices = false;
                return self.run(members, &[]).map_err(Refused::into_trouble);
            }
            other => other.map_err(Refused::into_trouble)?,
        };
        let misses = |group: &VolumeGroup| group.missing_pvs.is_some_and(|n| n > 0);
        if !named.is_empty() && first.0.iter().any(misses) {
            return Ok(self.run(members, &[]).unwrap_or(first));
        }
        Ok(first)
    }

    fn run(&mut self, members: &[String], devices: &[String]) -> Result<Report, Refused> {
        let program = match &self.command {
            Some(program) => program.clone(),
            None => tool::find("lvm").map_err(|error| Refused::Trouble(of_tool(&error)))?,
        };
        let arguments = lvm::arguments(devices);
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let output = self
            .runner
            .run(Call {
                program: &program,
                arguments: &arguments,
                limit: self.limit,
                most: MOST,
            })
            .map_err(|error| Refused::Trouble(of_tool(&error)))?;
        let mapped = members.iter().any(|node| node.starts_with("/dev/dm-"));
        read(&output, rustix::process::geteuid().is_root(), mapped)
    }
}

enum Refused {
    /// It does not know an option.
    Arguments(Trouble),
    Trouble(Trouble),
}

impl Refused {
    fn into_trouble(self) -> Trouble {
        match self {
            Self::Arguments(trouble) | Self::Trouble(trouble) => trouble,
        }
    }
}

fn of_tool(error: &ToolError) -> Trouble {
    let state = match error {
        ToolError::Missing(_) => State::ToolMissing,
        ToolError::Late { .. } | ToolError::Stuck { .. } => State::Late,
        ToolError::Start { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            State::Denied
        }
        ToolError::Start { .. } | ToolError::TooMuch { .. } => State::Failed,
    };
    Trouble::new(state, error)
}

/// `EINVALID_CMD_LINE` of LVM's errors.h.
const INVALID_COMMAND_LINE: i32 = 3;

/// What LVM says when it may not use device mapper, and takes all mapped devices for none of its disks.
const NO_DEVICE_MAPPER: &str = "Incompatible libdevmapper";

/// What LVM's output is worth. An exit code other than 0 may come with a report that lacks something. `mapped`: it
/// had to look at a mapped device too.
fn read(output: &Output, is_root: bool, mapped: bool) -> Result<Report, Refused> {
    let said = || output.stderr.lines().next().unwrap_or_default().trim();
    let failed = |reason: &dyn std::fmt::Display| Trouble::new(State::Failed, reason);
    let denied = || {
        let reason = "LVM may not open the disks: it needs to run as root, or with CAP_DAC_READ_SEARCH and CAP_FOWNER";
        Refused::Trouble(Trouble::new(State::Denied, reason))
    };
    // Without the right to open a disk LVM takes it for missing, and its report for good.
    if !is_root && output.stderr.lines().any(is_denial) {
        return Err(denied());
    }
    if mapped && output.stderr.contains(NO_DEVICE_MAPPER) {
        let reason = "LVM may not ask device mapper about the mapped devices that its groups are on: it needs to run as root with CAP_SYS_ADMIN";
        return Err(Refused::Trouble(Trouble::new(State::Denied, reason)));
    }
    if output.code == Some(INVALID_COMMAND_LINE) {
        return Err(Refused::Arguments(failed(&format!(
            "LVM refuses the command: {}; it may be older than 2.02.166",
            said()
        ))));
    }
    let groups = match lvm::parse(&output.stdout) {
        Ok(groups) => groups,
        Err(error) => {
            return Err(Refused::Trouble(match output.code {
                Some(0) => failed(&error),
                Some(code) => failed(&format!("LVM ended with {code}: {}", said())),
                None => failed(&"LVM was ended by a signal"),
            }));
        }
    };
    // Nor does it always say so: there are disks, or it would not have been asked.
    if !is_root && groups.is_empty() {
        return Err(denied());
    }
    if output.code == Some(0) {
        return Ok((groups, None));
    }
    let trouble = failed(&format!("LVM's report lacks something: {}", said()));
    if groups.is_empty() {
        return Err(Refused::Trouble(trouble));
    }
    Ok((groups, Some(trouble)))
}

fn is_denial(line: &str) -> bool {
    // Device mapper is not needed for the report.
    let of_disk = !line.contains("/dev/mapper/control");
    let denial = [
        "has no path names",
        "Permission denied",
        "Operation not permitted",
    ];
    of_disk && denial.iter().any(|text| line.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        Output {
            code: Some(code),
            signal: None,
            stdout: stdout.into(),
            stderr: stderr.into(),
            took: Duration::ZERO,
        }
    }

    fn state(output: &Output, is_root: bool) -> Result<(usize, bool), State> {
        read(output, is_root, false)
            .map(|(groups, unsaid)| (groups.len(), unsaid.is_some()))
            .map_err(|refused| refused.into_trouble().state)
    }

    const GOOD: &str = r#"{"report":[{"vg":[{"vg_name":"a"}]}]}"#;

    #[test]
    fn what_output_is_worth() {
        assert_eq!(state(&output(0, GOOD, ""), true), Ok((1, false)));
        assert_eq!(
            state(&output(5, GOOD, "  Volume group \"b\" is damaged"), true),
            Ok((1, true)),
            "what is there counts"
        );
        assert_eq!(
            state(&output(5, r#"{"report":[]}"#, "x"), true),
            Err(State::Failed)
        );
        assert_eq!(
            state(&output(0, r#"{"report":[]}"#, ""), true),
            Ok((0, false))
        );
        for printed in ["", "garbage", "{\"report\":"] {
            assert_eq!(state(&output(0, printed, ""), true), Err(State::Failed));
        }
        let refused = read(
            &output(3, "", "  lvm: unrecognized option '--devices'"),
            true,
            false,
        );
        assert!(matches!(refused, Err(Refused::Arguments(_))));
    }

    #[test]
    fn without_rights_a_report_is_not_believed() {
        let denied = "  WARNING: Running as a non-root user. Functionality may be unavailable.\n  Device open 259:2 has no path names.";
        assert_eq!(state(&output(0, GOOD, denied), false), Err(State::Denied));
        assert_eq!(
            state(&output(0, GOOD, denied), true),
            Ok((1, false)),
            "root's disk has another trouble"
        );
        let silent = output(
            0,
            r#"{"report":[]}"#,
            "  WARNING: Running as a non-root user.",
        );
        assert_eq!(state(&silent, false), Err(State::Denied));
        let control = "  /dev/mapper/control: open failed: Permission denied";
        assert_eq!(state(&output(0, GOOD, control), false), Ok((1, false)));
    }

    /// LVM as this script plays it, and the folder that holds it.
    fn played(script: &str) -> (tempfile::TempDir, Program) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let command = folder.path().join("lvm");
        std::fs::write(&command, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lvm = Program::new(Some(command), Duration::from_secs(60));
        (folder, lvm)
    }

    const WHEN_NAMED: &str = "case \"$*\" in *--devices*)";

    fn missing(lvm: &mut Program) -> Result<Option<u64>, State> {
        lvm.report(&["/dev/sda".into()])
            .map(|(groups, _)| groups[0].missing_pvs)
            .map_err(|trouble| trouble.state)
    }

    fn says(missing: u32) -> String {
        format!(
            r#"echo '{{"report":[{{"vg":[{{"vg_name":"a","vg_missing_pv_count":"{missing}"}}]}}]}}'"#
        )
    }

    #[test]
    fn a_disk_that_udev_does_not_know_is_not_told_as_missing() {
        let script = format!("{WHEN_NAMED} {};; *) {};; esac", says(1), says(0));
        assert_eq!(missing(&mut played(&script).1), Ok(Some(0)));
        let script = format!("{WHEN_NAMED} {};; *) exit 5;; esac", says(1));
        assert_eq!(
            missing(&mut played(&script).1),
            Ok(Some(1)),
            "better than nothing"
        );
        let script = format!("{WHEN_NAMED} {};; *) exit 5;; esac", says(0));
        assert_eq!(
            missing(&mut played(&script).1),
            Ok(Some(0)),
            "not asked twice"
        );
    }

    #[test]
    fn an_older_version_is_not_told_which_disks() {
        let script = format!(
            "{WHEN_NAMED} echo unrecognized option >&2; exit 3;; *) {};; esac",
            says(0)
        );
        let (_folder, mut lvm) = played(&script);
        assert_eq!(missing(&mut lvm), Ok(Some(0)));
        assert!(!lvm.takes_devices);
        assert_eq!(missing(&mut lvm), Ok(Some(0)));
        let (_folder, mut lvm) = played("echo unrecognized option >&2; exit 3");
        assert_eq!(missing(&mut lvm), Err(State::Failed), "another option");
    }

    #[test]
    fn a_tool_that_prints_nothing_or_garbage_or_for_ever_has_failed() {
        for script in [
            "exit 0",
            "kill -9 $$",
            "echo '{\"report\": [{\"vg\": [{\"vg_name'",
            "head -c 300000 /dev/urandom",
            "while :; do echo '{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{'; done",
        ] {
            assert_eq!(
                missing(&mut played(script).1),
                Err(State::Failed),
                "{script}"
            );
        }
    }

    #[test]
    fn without_device_mapper_disks_that_are_mapped_are_not_told_as_missing() {
        let said = "  device-mapper: version ioctl on   failed: Permission denied\n  Incompatible libdevmapper 1.02.185 (2022-05-18) and kernel driver (unknown version).";
        let denied = read(&output(0, GOOD, said), true, true).map_err(Refused::into_trouble);
        assert!(matches!(
            denied,
            Err(Trouble {
                state: State::Denied,
                ..
            })
        ));
        assert!(
            read(&output(0, GOOD, said), true, false).is_ok(),
            "it needs none of them"
        );
    }

    #[test]
    fn what_trouble_with_the_tool_means() {
        let program = || PathBuf::from("/sbin/lvm");
        let late = ToolError::Late {
            program: program(),
            limit: Duration::from_secs(1),
        };
        assert_eq!(of_tool(&late).state, State::Late);
        assert_eq!(
            of_tool(&ToolError::Stuck { program: program() }).state,
            State::Late
        );
        assert_eq!(
            of_tool(&ToolError::Missing(program())).state,
            State::ToolMissing
        );
        let much = ToolError::TooMuch {
            program: program(),
            most: 1,
        };
        assert_eq!(of_tool(&much).state, State::Failed);
    }
}
