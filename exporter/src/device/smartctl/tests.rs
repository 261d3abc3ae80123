//! Answers that lie, and answers of which one part is wrong.

use proptest::prelude::*;

use super::*;

fn read(json: &str) -> Report {
    Report::parse(json.as_bytes()).unwrap()
}

/// The answer of a disk with nearly everything in it, as a SATA SSD gives it.
const WHOLE: &str = include_str!("../../../tests/fixtures/host/smartctl/sdb.json");
const FAILING: &str = include_str!("../../../tests/fixtures/host/smartctl/sdd.json");
const SAS: &str = include_str!("../../../tests/fixtures/host/smartctl/sdc.json");
const NVME: &str = include_str!("../../../tests/fixtures/host/smartctl/nvme0n1.json");

#[test]
fn temperatures_that_are_none_are_absent() {
    let celsius = |json: &str| read(json).celsius();
    assert_eq!(celsius(r#"{"temperature":{"current":-5}}"#), Some(-5.0));
    for json in [
        r#"{"temperature":{"current":240518299684}}"#,
        r#"{"temperature":{"current":null}}"#,
        r#"{"temperature":31}"#,
        r#"{"scsi_model_name":"Q","temperature":{"current":0},"scsi_temperature":{"drive_trip":0}}"#,
        r#"{"scsi_model_name":"Q","temperature":{"current":0,"drive_trip":0}}"#,
    ] {
        assert_eq!(celsius(json), None, "{json}");
    }
    let trip = r#"{"scsi_model_name":"Q","temperature":{"current":0},"scsi_temperature":{"drive_trip":60}}"#;
    assert_eq!(celsius(trip), Some(0.0), "it tells a limit, so it means it");
}

#[test]
fn one_wrong_part_leaves_the_others() {
    let whole = read(WHOLE);
    for part in [
        "ata_smart_attributes",
        "ata_device_statistics",
        "wwn",
        "temperature",
        "smartctl",
    ] {
        let broken = WHOLE.replacen(
            &format!("\"{part}\":"),
            &format!("\"{part}\":1e999,\"x\":"),
            1,
        );
        let report = read(&broken);
        assert_eq!(report.healthy(), Some(true), "{part}");
        assert_eq!(
            report.power_on_seconds(),
            whole.power_on_seconds(),
            "{part}"
        );
        assert_eq!(report.serial(), Some("EX0001"), "{part}");
        assert_ne!(report, whole, "{part}");
    }
    let (before, after) = (r#""value":90,"worst":90"#, r#""value":"x","worst":[]"#);
    let report = read(&WHOLE.replacen(before, after, 1));
    let attributes: Vec<_> = report.attributes().unwrap().iter().collect();
    assert_eq!(attributes.len(), 7);
    let wear = attributes.iter().find(|a| a.id == 177).unwrap();
    assert_eq!(
        (wear.normalized, wear.worst, wear.raw.as_slice()),
        (None, None, &[1773][..])
    );
}

#[test]
fn wear_prefers_what_is_standardized() {
    assert_eq!(read(WHOLE).wear(), Some(0.11));
    let without = WHOLE.replace("ata_device_statistics", "x");
    assert_eq!(
        read(&without).wear(),
        Some(0.1),
        "100 - 90, by the maker's attribute"
    );
    // Counts down from 200, or is said of a disk that rotates: not known what it means.
    let odd = without.replace(r#""value":90,"worst":90"#, r#""value":200,"worst":200"#);
    assert_eq!(read(&odd).wear(), None);
    let new = r#"{"endurance_used":{"current_percent":104},"scsi_percentage_used_endurance_indicator":3}"#;
    assert_eq!(read(new).wear(), Some(1.04), "smartctl 7.5");
}

#[test]
fn statistics_that_are_not_valid_are_left_out() {
    let report = read(WHOLE);
    let names: Vec<_> = report.statistics().map(|s| s.name.to_owned()).collect();
    assert!(
        !names.iter().any(|name| name.contains("TimeStamp")),
        "{names:?}"
    );
    assert_eq!(names.len(), 4);
}

#[test]
fn self_tests() {
    let by_test = |report: &Report| -> Vec<_> {
        let tests = report.self_tests();
        tests.iter().map(|t| (t.test, t.passed, t.hours)).collect()
    };
    // The aborted one between has no verdict.
    assert_eq!(
        by_test(&read(FAILING)),
        [
            ("short", false, Some(38090)),
            ("extended", true, Some(30000))
        ]
    );
    assert_eq!(by_test(&read(SAS)), [("extended", true, Some(900))]);
    let nvme = r#"{"nvme_self_test_log":{"current_self_test_operation":{"value":2},"current_self_test_completion_percent":40,"table":[{"self_test_code":{"value":1},"self_test_result":{"value":7},"power_on_hours":5}]}}"#;
    let nvme = read(nvme);
    assert_eq!(by_test(&nvme), [("short", false, Some(5))]);
    let progress = nvme.self_test_progress().unwrap();
    assert_eq!((progress.running, progress.remaining), (true, Some(0.6)));
    let ssd = read(WHOLE).self_test_progress().unwrap();
    assert_eq!((ssd.running, ssd.remaining), (true, Some(0.7)));
    let idle = read(FAILING).self_test_progress().unwrap();
    assert_eq!((idle.running, idle.remaining), (false, None));
}

#[test]
fn what_would_overflow_is_absent() {
    let report = read(
        r#"{"power_on_time":{"hours":4294967296},"logical_block_size":18446744073709551615,
        "interface_speed":{"max":{"units_per_second":18446744073709551615,"bits_per_unit":2}},
        "nvme_smart_health_information_log":{"data_units_written":340282366920938463463374607431768211455,"controller_busy_time":18446744073709551615},
        "wwn":{"naa":16,"oui":1,"id":1},
        "ata_device_statistics":{"pages":[{"number":1,"table":[{"offset":40,"value":2,"flags":{"valid":true}}]}]}}"#,
    );
    assert_eq!(report.power_on_seconds(), None);
    assert_eq!(report.interface_speeds().count(), 0);
    assert_eq!(
        report.written_bytes(),
        Some(u64::MAX),
        "128 bits, as much as fits"
    );
    assert_eq!(report.read_bytes(), None);
    assert_eq!(report.nvme.as_ref().unwrap().busy_seconds(), None);
    assert_eq!(report.wwn(), None);
}

#[test]
fn an_attribute_that_comes_twice_is_one() {
    let row = r#"{"id":5,"name":"a","value":1}"#;
    let json = format!(
        r#"{{"ata_smart_attributes":{{"table":[{row},{row},{{"id":0}},{{"id":999}},7]}}}}"#
    );
    assert_eq!(read(&json).attributes().unwrap().iter().count(), 1);
    let many = vec![r#"{"id":5}"#; 100_000].join(",");
    let json = format!(r#"{{"ata_smart_attributes":{{"table":[{many}]}}}}"#);
    assert_eq!(read(&json).attributes().unwrap().iter().count(), 1);
}

#[test]
fn rates_only_of_seagate() {
    let of = |model: &str, family: &str| {
        let json = FAILING.replace("ST4000EX000-1", model);
        read(&json.replace("Seagate Example HDD", family))
            .rates()
            .count()
    };
    assert_eq!(of("ST4000EX000-1", "Seagate Example HDD"), 2);
    assert_eq!(of("WDC WD40", "Western Digital"), 0);
    assert_eq!(
        of(
            "ST1000LM024 HN-M101MBB",
            "Seagate Samsung SpinPoint M8 (AF)"
        ),
        0
    );
    assert_eq!(of("STEC", "x"), 0);
}

#[test]
fn a_scan_of_members() {
    let json = include_bytes!("../../../tests/fixtures/host/smartctl/scan.json");
    let entries = Scan::parse(json).unwrap().entries();
    let labels: Vec<_> = entries.iter().map(|e| (e.label(), e.is_member())).collect();
    let expected = [
        ("bus/0_megaraid_0", true),
        ("bus/0_megaraid_1", true),
        ("sda", false),
        ("sdb", false),
    ];
    assert_eq!(labels, expected.map(|(label, is)| (label.to_owned(), is)));
    assert_eq!(
        Scan::parse(b"{\"devices\":[{\"name\":\"/dev/sda\",\"type\":\"-s off\"}]}")
            .unwrap()
            .entries(),
        []
    );
    assert_eq!(
        version_of_text(b"smartctl 6.6 2017-11-05 r4594"),
        Some((6, 6))
    );
    assert_eq!(version_of_text(b"smartctl pre-7.4 x"), None);
    assert_eq!(version_of_text(b""), None);
}

/// Everything that a report can be asked.
fn ask_all(report: &Report) {
    let celsius = report.celsius();
    assert!(celsius.is_none_or(|c| (-100.0..=250.0).contains(&c)));
    assert!(
        report
            .wear()
            .is_none_or(|wear| (0.0..=2.55).contains(&wear))
    );
    assert!(
        report
            .attributes()
            .is_none_or(|table| table.iter().len() <= 64)
    );
    assert!(report.statistics().count() <= 1024);
    assert!(report.self_tests().len() <= 6);
    assert!(report.model().is_none_or(|model| model.len() <= 128));
    let _ = (
        report.spare(),
        report.written_bytes(),
        report.read_bytes(),
        report.rates().count(),
    );
    let _ = (
        report.wwn(),
        report.errors(),
        report.self_test_progress(),
        report.has_reading(),
    );
    let _ = (
        report.scsi_errors(),
        report.interface_speeds().count(),
        report.load_cycles(),
    );
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Report::parse(&bytes);
        let _ = Scan::parse(&bytes);
        let _ = version_of_text(&bytes);
    }

    #[test]
    fn an_answer_with_other_values_is_no_panic(
        which in 0usize..4,
        at in 0usize..2000,
        with in prop::sample::select(vec![
            "-1", "1e400", "null", "\"7\"", "18446744073709551616", "[]", "{}", "true", "\"\\ud800\"", "0.5",
            "\"\\u0000\\n\"", "99999999999999999999999999999999999999999",
        ]),
    ) {
        let json = [WHOLE, FAILING, SAS, NVME][which];
        // The values of one key, whatever they are.
        let colons: Vec<usize> = json.match_indices(':').map(|(at, _)| at).collect();
        let colon = colons[at % colons.len()];
        let rest = &json[colon + 1..];
        let end = rest.find([',', '}', ']']).unwrap_or(0);
        let changed = format!("{}{with}{}", &json[..=colon], &rest[end..]);
        if let Ok(report) = Report::parse(changed.as_bytes()) {
            ask_all(&report);
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none(which in 0usize..4, at in 0usize..20_000) {
        let json = [WHOLE, FAILING, SAS, NVME][which].trim_end();
        let cut = at % json.len();
        prop_assert!(Report::parse(&json.as_bytes()[..cut]).is_err());
    }
}
