//! One run of smartctl, and what came of it.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::targets::Target;
use crate::collector::readings::{State, Trouble};
use crate::device::smartctl::{Report, Scan, clip, version_of_text};
use crate::device::tool::{Call, Output, Runner, ToolError};
use crate::rights::{Right, holds};

/// What smartctl prints of the fullest logs is a tenth of this.
const MOST: usize = 2 << 20;
/// Of what it said of mistakes, so much goes to the log.
const LONGEST_REASON: usize = 300;
/// Exit status of a disk that sleeps: a number that stands for nothing else (bits 0 and 1 together).
const ASLEEP: &str = "standby,3";
const ASLEEP_STATUS: u32 = 3;
/// Bits of the exit status with which there is no reading: the command line was wrong, the device was not opened.
const NO_READING: u32 = 0b011;

/// What smartctl told of a disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub report: Report,
    /// smartctl's exit status.
    pub exit_status: u32,
}

/// What came of asking a disk. There may be something to tell of one whose state cannot be read: who it is.
pub(super) type Outcome = (Option<Box<Told>>, Result<(), Trouble>);

/// Asks one disk.
pub(super) fn disk(
    runner: &mut Runner,
    program: &Path,
    target: &Target,
    limit: Duration,
) -> Outcome {
    let mut arguments: Vec<&OsStr> = [
        "--json=c", "-n", ASLEEP, "-i", "-H", "-c", "-A", "-l", "error", "-l", "selftest", "-l",
        "devstat", "-l", "ssd",
    ]
    .map(OsStr::new)
    .into();
    if let Some(kind) = &target.kind {
        arguments.extend([OsStr::new("-d"), OsStr::new(kind)]);
    }
    arguments.push(OsStr::new(&target.node));
    match run(runner, program, &arguments, limit) {
        Ok(output) => judge(&output, target, holds(Right::RawIo)),
        Err(trouble) => (None, Err(trouble)),
    }
}

/// Asks for the devices that smartctl knows of. A smartctl that cannot be used at all is `ToolMissing`.
pub(super) fn scan(runner: &mut Runner, program: &Path, limit: Duration) -> Result<Scan, Trouble> {
    let output = run(
        runner,
        program,
        &["--json=c", "--scan"].map(OsStr::new),
        limit,
    )?;
    Scan::parse(&output.stdout).map_err(|error| no_json(&output, error))
}

fn run(
    runner: &mut Runner,
    program: &Path,
    arguments: &[&OsStr],
    limit: Duration,
) -> Result<Output, Trouble> {
    let call = Call {
        program,
        arguments,
        limit,
        most: MOST,
    };
    let output = runner.run(call).map_err(|error| {
        let state = match &error {
            ToolError::Missing(_) => State::ToolMissing,
            ToolError::Late { .. } | ToolError::Stuck { .. } => State::Late,
            ToolError::Start { .. } | ToolError::TooMuch { .. } => State::Failed,
        };
        Trouble::new(state, error)
    })?;
    match output.signal {
        Some(signal) => Err(Trouble::new(
            State::Failed,
            format!("smartctl was ended by signal {signal}"),
        )),
        None => Ok(output),
    }
}

fn no_json(output: &Output, error: impl std::fmt::Display) -> Trouble {
    match version_of_text(&output.stdout) {
        Some((major, minor)) if major < 7 => Trouble::new(
            State::ToolMissing,
            format!("smartctl {major}.{minor} is too old: 7.0 or newer is needed for --json"),
        ),
        _ => Trouble::new(
            State::Failed,
            clip(
                &format!("{error}; it said: {}", output.stderr),
                LONGEST_REASON,
            ),
        ),
    }
}

/// What smartctl's answer means. Without `raw_io` ATA commands do not reach a disk, and smartctl does not always
/// say so.
pub(super) fn judge(output: &Output, target: &Target, raw_io: bool) -> Outcome {
    let report = match Report::parse(&output.stdout) {
        Ok(report) => report,
        Err(error) => return (None, Err(no_json(output, error))),
    };
    let exit_status = output.code.and_then(|code| u32::try_from(code).ok());
    let Some(exit_status) = exit_status else {
        return (
            None,
            Err(Trouble::new(State::Failed, "smartctl has no exit status")),
        );
    };
    let said = clip(&report.errors(), LONGEST_REASON);
    let trouble = |state, reason: &str| {
        let reason = format!("{}: {reason}", target.node);
        (None, Err(Trouble::new(state, reason)))
    };
    let is_refused = ["Permission denied", "Operation not permitted"]
        .iter()
        .any(|refusal| said.contains(refusal));
    let device = report.device.as_ref();
    let is_ata = device.and_then(|d| d.protocol.as_deref()) == Some("ATA");
    if exit_status == ASLEEP_STATUS {
        // With `-d ata` a question that was refused looks to smartctl like a disk that sleeps.
        return if is_ata && !raw_io {
            trouble(State::Denied, "CAP_SYS_RAWIO is missing")
        } else {
            trouble(State::Standby, "it sleeps, and was left asleep")
        };
    }
    if exit_status & NO_READING != 0 {
        return if is_refused {
            trouble(State::Denied, &format!("{said}; see docs/security.md"))
        } else if said.contains("specify device type") || said.contains("-d option") {
            let how = "name its type in collectors.smart.devices";
            trouble(State::Unsupported, &format!("{said}; {how}"))
        } else if said.is_empty() {
            trouble(
                State::Failed,
                &format!("smartctl's exit status is {exit_status}"),
            )
        } else {
            trouble(State::Failed, &said)
        };
    }
    if report.has_reading() {
        let told = Told {
            report,
            exit_status,
        };
        return (Some(Box::new(told)), Ok(()));
    }
    let (_, result) = if report.available() == Some(false) {
        trouble(State::Unsupported, "it has no SMART")
    } else if is_refused || !raw_io {
        trouble(State::Denied, "CAP_SYS_RAWIO is missing")
    } else if report.enabled() == Some(false) {
        trouble(
            State::Unsupported,
            "SMART is switched off in it; smartctl -s on switches it on",
        )
    } else if said.is_empty() {
        trouble(State::Failed, "smartctl told nothing of its state")
    } else {
        trouble(State::Failed, &said)
    };
    // Who it is may be known all the same.
    let told = report.model().is_some().then(|| {
        Box::new(Told {
            report,
            exit_status,
        })
    });
    (told, result)
}
