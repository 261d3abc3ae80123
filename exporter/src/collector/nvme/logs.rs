//! Families of the error log, the self-test log and the sanitize log.

use tidegauge_model::metric::FamilySpec;

use super::rows::{LABELS, Row};
use crate::device::nvme::error_log::LoggedError;
use crate::device::nvme::sanitize::{Sanitize, State};
use crate::device::nvme::self_test::SelfTests;

const ERRORS: &str = "log page 01h";
const SELF_TESTS: &str = "log page 06h";
const SANITIZE: &str = "log page 81h";
const BY_TEST: &[&str] = &["tier", "device", "test"];

const fn error(name: &'static str, help: &'static str) -> FamilySpec {
    FamilySpec::gauge(name, help, LABELS).from(ERRORS)
}

/// The newest entry of the error log.
pub static ERROR: [Row<LoggedError>; 5] = [
    (
        error(
            "tidegauge_nvme_last_error_number",
            "Number of the newest entry of the error log, counted over the drive's life.",
        ),
        |e, out| out.value(Some(e.number)),
    ),
    (
        error(
            "tidegauge_nvme_last_error_status",
            "Its status: code type times 256, and code; 641 (281h) is an unrecovered read error.",
        ),
        // Without the bits that say what to do next.
        |e, out| out.value(Some(u32::from(e.status & 0x7FF))),
    ),
    (
        error(
            "tidegauge_nvme_last_error_queue",
            "Queue of the command that it is about: 0 is the admin queue; absent when it is of no command.",
        ),
        |e, out| out.value(e.queue.map(u32::from)),
    ),
    (
        error(
            "tidegauge_nvme_last_error_nsid",
            "Namespace that it is about.",
        ),
        |e, out| out.value(Some(e.namespace)),
    ),
    (
        error(
            "tidegauge_nvme_last_error_lba",
            "Logical block that it is about, where it is about any.",
        ),
        |e, out| out.value(Some(e.lba)),
    ),
];

/// The self-test log, and the hours with power by now.
pub static SELF_TEST: [Row<(SelfTests, Option<u128>)>; 6] = [
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_running",
            "1 while a self-test runs.",
            LABELS,
        )
        .from(SELF_TESTS),
        |(tests, _), out| out.value(Some(tests.running.is_some())),
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_progress_ratio",
            "How much of the self-test that runs is done; absent when none does.",
            BY_TEST,
        )
        .from(SELF_TESTS),
        |(tests, _), out| {
            if let Some((kind, percent)) = tests.running {
                out.labelled("test", kind.name(), Some(f64::from(percent) / 100.0));
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_last_result",
            "Result of the last self-test of each kind: 0 passed, 1 to 4, 8 and 9 broken off, 5 to 7 failed.",
            BY_TEST,
        )
        .from(SELF_TESTS),
        |(tests, _), out| {
            for last in &tests.last {
                out.labelled("test", last.kind.name(), Some(u32::from(last.result)));
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_last_power_on_seconds",
            "The drive's time with power when the last self-test of each kind ended, in whole hours.",
            BY_TEST,
        )
        .from(SELF_TESTS),
        |(tests, _), out| {
            for last in &tests.last {
                let seconds = last.power_on_hours.checked_mul(3600);
                out.labelled("test", last.kind.name(), seconds);
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_age_seconds",
            "Time with power since the last self-test of each kind, in whole hours.",
            BY_TEST,
        )
        .from("log pages 06h and 02h"),
        |(tests, hours), out| {
            for last in &tests.last {
                // A test of the future is no age.
                let age = hours.and_then(|now| now.checked_sub(last.power_on_hours.into()));
                let seconds = age.and_then(|hours| u64::try_from(hours.checked_mul(3600)?).ok());
                out.labelled("test", last.kind.name(), seconds);
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_self_test_failing_lba",
            "1 when the last self-test of this kind names a logical block that failed.",
            BY_TEST,
        )
        .from(SELF_TESTS),
        |(tests, _), out| {
            for last in &tests.last {
                out.labelled("test", last.kind.name(), Some(last.has_failing_lba));
            }
        },
    ),
];

/// The sanitize log.
pub static SANITIZED: [Row<Sanitize>; 3] = [
    (
        FamilySpec::gauge(
            "tidegauge_nvme_sanitize_state",
            "What came of the last sanitize: 1 for the state that holds, 0 for the others.",
            &["tier", "device", "state"],
        )
        .from(SANITIZE),
        |log, out| {
            for state in State::ALL {
                out.labelled("state", state.name(), Some(log.state == Some(state)));
            }
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_sanitize_progress_ratio",
            "How much of the sanitize that runs is done; absent when none does.",
            LABELS,
        )
        .from(SANITIZE),
        |log, out| {
            let is_running = log.state == Some(State::Running);
            out.value(is_running.then(|| f64::from(log.progress) / 65536.0));
        },
    ),
    (
        FamilySpec::gauge(
            "tidegauge_nvme_sanitize_erased",
            "1 when nothing was written since the last sanitize, or since the drive was made.",
            LABELS,
        )
        .from(SANITIZE),
        |log, out| out.value(Some(log.is_erased)),
    ),
];
