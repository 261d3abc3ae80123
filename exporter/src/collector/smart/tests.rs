//! What smartctl's answers are taken for. The answers are those of smartctl 7.3 unless a comment says otherwise.

use super::ask::judge;
use super::*;
use crate::device::tool::Output;

fn target() -> Target {
    Target {
        label: "sda".into(),
        key: "S".into(),
        node: "/dev/sda".into(),
        kind: None,
        tier: String::new(),
        in_sysfs: true,
    }
}

fn answer(code: i32, stdout: &str) -> Output {
    Output {
        code: Some(code),
        signal: None,
        stdout: stdout.into(),
        stderr: String::new(),
        took: Duration::ZERO,
    }
}

/// The state, and whether there is anything to tell.
fn state(code: i32, stdout: &str, raw_io: bool) -> (State, bool) {
    let (told, result) = judge(&answer(code, stdout), &target(), raw_io);
    let state = result.map_or_else(|trouble| trouble.state, |()| State::Ok);
    (state, told.is_some())
}

fn with_message(code: i32, device: &str, message: &str, more: &str) -> String {
    format!(
        r#"{{"smartctl":{{"version":[7,3],"messages":[{{"string":"{message}","severity":"error"}}],"exit_status":{code}}}{device}{more}}}"#
    )
}

const ATA: &str = r#","device":{"name":"/dev/sda","type":"sat","protocol":"ATA"}"#;
const SCSI: &str = r#","device":{"name":"/dev/sda","type":"scsi","protocol":"SCSI"}"#;

#[test]
fn a_disk_that_sleeps_is_in_standby_and_tells_nothing() {
    let asleep = format!(
        r#"{{"smartctl":{{"version":[7,3],"messages":[{{"string":"Device is in STANDBY mode, exit(3)","severity":"information"}}],"exit_status":3}}{ATA}}}"#
    );
    assert_eq!(state(3, &asleep, true), (State::Standby, false));
    // With `-d ata` and without the right smartctl takes the refusal for a disk that sleeps.
    assert_eq!(state(3, &asleep, false), (State::Denied, false));
}

#[test]
fn without_rights_it_is_denied() {
    let refused = with_message(
        2,
        "",
        "Smartctl open device: /dev/sda failed: Permission denied",
        "",
    );
    assert_eq!(state(2, &refused, false), (State::Denied, false));
    // The node was opened, but ATA commands do not get through: smartctl says nothing of it.
    let silent = format!(r#"{{"smartctl":{{"version":[7,3],"exit_status":0}}{SCSI}}}"#);
    assert_eq!(state(0, &silent, false), (State::Denied, false));
    assert_eq!(state(0, &silent, true), (State::Failed, false));
    let nvme = "Read NVMe Identify Controller failed: NVME_IOCTL_ADMIN_CMD: Permission denied";
    assert_eq!(
        state(2, &with_message(2, SCSI, nvme, ""), true),
        (State::Denied, false)
    );
}

#[test]
fn an_error_message_does_not_take_the_rest_away() {
    let more = r#","temperature":{"current":31},"smart_status":{"passed":true}"#;
    let message = "Read SMART Self-test Log failed: scsi error aborted command";
    let answer = with_message(4, ATA, message, more);
    assert_eq!(state(4, &answer, true), (State::Ok, true));
    // Findings are no failures.
    assert_eq!(state(4 | 8 | 64 | 128, &answer, true), (State::Ok, true));
}

#[test]
fn a_disk_without_smart_is_unsupported_and_says_who_it_is() {
    let answer = format!(
        r#"{{"smartctl":{{"version":[7,3],"exit_status":4}}{SCSI},"scsi_model_name":"QEMU QEMU HARDDISK","smart_support":{{"available":false}},"temperature":{{"current":0}},"scsi_temperature":{{"drive_trip":0}}}}"#
    );
    assert_eq!(state(4, &answer, true), (State::Unsupported, true));
    let bridge = "/dev/sda: Unknown USB bridge [0x0bda:0x9210 (0x1000)]\\nPlease specify device type with the -d option.";
    assert_eq!(
        state(1, &with_message(1, "", bridge, ""), true),
        (State::Unsupported, false)
    );
}

#[test]
fn what_is_no_answer_has_failed() {
    for (code, printed) in [
        (0, ""),
        (0, "garbage"),
        (0, "[1e400]"),
        (0, "{\"smartctl\":{\"exit_status\":0}"),
        (0, "null"),
        (0, "{}"),
        (2, "{}"),
        (1, "{}"),
        (0, "{\"temperature\":{\"current\":1e400}}"),
        (
            0,
            "{\"temperature\":{\"current\":\"warm\"},\"smart_status\":{\"passed\":\"yes\"}}",
        ),
        (0, "{\"power_on_time\":{\"hours\":-1}}"),
    ] {
        assert_eq!(
            state(code, printed, true),
            (State::Failed, false),
            "{printed}"
        );
    }
    let gone = "Smartctl open device: /dev/sda failed: No such device";
    assert_eq!(
        state(2, &with_message(2, "", gone, ""), true),
        (State::Failed, false)
    );
}

#[test]
fn one_that_is_too_old_is_as_good_as_none() {
    // smartctl 6.6 with an option that it does not know.
    let old = "smartctl 6.6 2017-11-05 r4594 [x86_64-linux-4.19.0] (local build)\nCopyright (C) 2002-17\n\n=======> UNRECOGNIZED OPTION: json=c\n";
    assert_eq!(state(1, old, true), (State::ToolMissing, false));
    // The same of one that knows JSON has another reason.
    let new = old.replace("6.6", "7.3");
    assert_eq!(state(1, &new, true), (State::Failed, false));
}

#[test]
fn the_right_for_nvme_is_kept_only_for_nvme() {
    let mut settings = Settings::defaults(SPEC.settings);
    assert_eq!(SPEC.rights_with(&settings, &[]), [Right::RawIo]);
    let setting = |key| SPEC.settings.iter().find(|s| s.key == key).unwrap();
    settings.set(setting("devices"), "/dev/nvme0:nvme").unwrap();
    assert_eq!(
        SPEC.rights_with(&settings, &[]),
        [Right::RawIo, Right::SysAdmin]
    );
    settings.set(setting("devices"), "").unwrap();
    settings.set(setting("device_exclude"), "").unwrap();
    assert_eq!(
        SPEC.rights_with(&settings, &[]),
        [Right::RawIo, Right::SysAdmin]
    );
}
