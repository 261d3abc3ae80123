//! Answers of smartctl about some eighty disks of many makers, recorded for others' exporters: every number in them
//! that is shown is right, none is made up, and none is left out unnoticed. What is expected is worked out here from
//! the JSON alone, without the exporter's own parser.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tidegauge_rig::{Exporter, Scratch, needs, skip, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Series (family and labels after the device) to value.
type Series = BTreeMap<String, f64>;

/// Numbers that are not shown, by the place where they are: none of them tells of a disk's state.
const LEFT_OUT: [&str; 28] = [
    "json_format_version[]",
    "smartctl.version[]",
    "local_time.time_t",
    "ata_version.",
    "sata_version.",
    "nvme_version.",
    "form_factor.",
    "device_type.scsi_value",
    "scsi_transport_protocol.value",
    "scsi_protection_",
    "scsi_start_stop_cycle_counter.specified_",
    "interface_speed.current.sata_value",
    "interface_speed.max.sata_value",
    "user_capacity.blocks",
    "nvme_controller_id",
    "nvme_ieee_oui_identifier",
    "nvme_number_of_namespaces",
    "nvme_pci_vendor.",
    "nvme_namespaces[].",
    "nvme_unallocated_capacity",
    "smart_status.nvme.",
    "ata_smart_attributes.revision",
    "ata_smart_attributes.table[].flags.",
    "ata_smart_error_log.summary.revision",
    "ata_smart_error_log.summary.logged_count",
    "ata_smart_error_log.summary.table[].",
    // Shown as power_on_time and power_cycle_count, which smartctl makes of them.
    "nvme_smart_health_information_log.power_",
    // Shown as temperature.
    "nvme_smart_health_information_log.temperature",
];

struct Expected<'a> {
    json: &'a Value,
    series: Series,
    /// Places of the numbers that were used.
    used: Vec<String>,
}

impl Expected<'_> {
    fn number(&mut self, path: &str) -> Option<f64> {
        let value = path
            .split('.')
            .try_fold(self.json, |value, key| value.get(key))?;
        self.used.push(path.to_owned());
        match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        }
    }

    fn put(&mut self, family: &str, labels: &str, value: f64) {
        let series = format!("tidegauge_smart_{family}{{{labels}}}");
        assert_eq!(self.series.insert(series, value), None, "{family} {labels}");
    }

    fn copy(&mut self, path: &str, family: &str, labels: &str, factor: f64) {
        if let Some(number) = self.number(path) {
            self.put(family, labels, number * factor);
        }
    }

    fn flag(&mut self, path: &str, family: &str) {
        let value = path
            .split('.')
            .try_fold(self.json, |value, key| value.get(key));
        if let Some(flag) = value.and_then(Value::as_bool) {
            self.put(family, "", f64::from(u8::from(flag)));
        }
    }

    fn all(&mut self) {
        self.common();
        self.attributes();
        self.scsi();
        self.nvme();
    }

    fn common(&mut self) {
        let status = self.number("smartctl.exit_status").unwrap();
        for (bit, finding) in ["failing", "prefail", "past", "error_log", "self_test_log"]
            .iter()
            .enumerate()
        {
            let share = (status / 2f64.powi(3 + i32::try_from(bit).unwrap())).floor() % 2.0;
            self.put("exit_status", &format!("finding=\"{finding}\""), share);
        }
        self.flag("smart_status.passed", "healthy");
        self.flag("smart_support.available", "available");
        self.flag("smart_support.enabled", "enabled");
        self.copy("temperature.current", "temperature_celsius", "", 1.0);
        let limit = "temperature_limit_celsius";
        self.copy("temperature.drive_trip", limit, "limit=\"trip\"", 1.0);
        let minutes = self.number("power_on_time.minutes").unwrap_or_default();
        if let Some(hours) = self.number("power_on_time.hours") {
            self.put("power_on_seconds", "", hours * 3600.0 + minutes * 60.0);
        }
        self.copy("power_cycle_count", "power_cycles_total", "", 1.0);
        match self.number("user_capacity.bytes") {
            Some(bytes) => self.put("capacity_bytes", "", bytes),
            None => self.copy("nvme_total_capacity", "capacity_bytes", "", 1.0),
        }
        self.number("nvme_total_capacity");
        self.copy(
            "logical_block_size",
            "block_size_bytes",
            "block=\"logical\"",
            1.0,
        );
        self.copy(
            "physical_block_size",
            "block_size_bytes",
            "block=\"physical\"",
            1.0,
        );
        self.copy("rotation_rate", "rotation_rate", "", 1.0);
        for speed in ["current", "max"] {
            let bits = self.number(&format!("interface_speed.{speed}.bits_per_unit"));
            if let Some(bits) = bits {
                let units = format!("interface_speed.{speed}.units_per_second");
                self.copy(
                    &units,
                    "interface_speed",
                    &format!("speed=\"{speed}\""),
                    bits,
                );
            }
        }
        let errors = "ata_smart_error_log.summary.count";
        self.copy(errors, "error_log_entries_total", "", 1.0);
    }

    fn attributes(&mut self) {
        let model = self.json["model_name"].as_str().unwrap_or_default();
        let is_st = model.starts_with("ST") && model[2..].starts_with(|c: char| c.is_ascii_digit());
        let seagate = is_st && self.json["rotation_rate"] != 0;
        let Some(table) = self.json["ata_smart_attributes"]["table"].as_array() else {
            return;
        };
        for field in ["id", "value", "worst", "thresh", "raw.value"] {
            self.used
                .push(format!("ata_smart_attributes.table[].{field}"));
        }
        for row in table {
            let (id, name) = (row["id"].as_u64().unwrap(), row["name"].as_str().unwrap());
            let of = |field: &str| format!("id=\"{id}\",name=\"{name}\",field=\"{field}\"");
            for (field, key) in [
                ("normalized", "value"),
                ("worst", "worst"),
                ("threshold", "thresh"),
            ] {
                self.put("attribute", &of(field), row[key].as_f64().unwrap());
            }
            // What smartctl writes before an explanation in parentheses, in numbers.
            let text = row["raw"]["string"].as_str().unwrap();
            let decoded = &text[..text.find('(').unwrap_or(text.len())];
            let numbers: Vec<f64> = if decoded.contains("h+") {
                vec![decoded[..decoded.find('h').unwrap()].parse().unwrap()]
            } else {
                let parts = decoded.split(|c: char| !c.is_ascii_digit());
                parts.filter_map(|part| part.parse().ok()).collect()
            };
            assert!(!numbers.is_empty(), "{text}");
            for (index, number) in numbers.iter().enumerate() {
                let field = match index {
                    0 => "raw".to_owned(),
                    more => format!("raw_{}", more + 1),
                };
                self.put("attribute", &of(&field), *number);
            }
            self.named(id, name, row["value"].as_f64().unwrap(), &numbers);
            if seagate && [1, 7, 195].contains(&id) {
                let labels = format!("id=\"{id}\",name=\"{name}\"");
                let whole = row["raw"]["value"].as_u64().unwrap();
                let (errors, operations) = (whole / (1 << 32), whole % (1 << 32));
                #[expect(clippy::cast_precision_loss, reason = "48 bits at most")]
                let [errors, operations] = [errors as f64, operations as f64];
                self.put("rate_errors", &labels, errors);
                self.put("rate_operations", &labels, operations);
            }
        }
        let failed = |when: &str| {
            let rows = table.iter();
            rows.filter(|row| row["when_failed"].as_str() == Some(when))
                .count()
        };
        for when in ["now", "past"] {
            let count = f64::from(u32::try_from(failed(when)).unwrap());
            self.put("attributes_failed", &format!("when=\"{when}\""), count);
        }
    }

    /// Attributes that have a family of their own.
    fn named(&mut self, id: u64, name: &str, normalized: f64, raw: &[f64]) {
        let family = match (id, name) {
            (5, "Reallocated_Sector_Ct") => "reallocated_sectors",
            (197, "Current_Pending_Sector" | "Pending_Sector_Count") => "pending_sectors",
            (198, "Offline_Uncorrectable") => "offline_uncorrectable_sectors",
            (187, "Reported_Uncorrect" | "Uncorrectable_Error_Cnt") => {
                "reported_uncorrectable_errors_total"
            }
            (_, "UDMA_CRC_Error_Count" | "CRC_Error_Count" | "SATA_CRC_Error_Count") => {
                "interface_crc_errors_total"
            }
            (_, "Start_Stop_Count") => "start_stop_cycles_total",
            (_, "Load_Cycle_Count") => "load_cycles_total",
            _ => "",
        };
        let series = format!("tidegauge_smart_{family}{{}}");
        if !family.is_empty() && !self.series.contains_key(&series) {
            self.put(family, "", raw[0]);
        }
        let wear = [
            "Media_Wearout_Indicator",
            "Percent_Life_Remaining",
            "Percent_Lifetime_Remain",
            "SSD_Life_Left",
            "Wear_Leveling_Count",
        ];
        if wear.contains(&name) && !self.series.contains_key("tidegauge_smart_wear_ratio{}") {
            self.put("wear_ratio", "", (100.0 - normalized) / 100.0);
        }
        let unit = match name {
            _ if name.ends_with("_32MiB") => 33_554_432.0,
            _ if name.ends_with("_GiB") => 1_073_741_824.0,
            _ => return,
        };
        let family = match name {
            "Host_Writes_32MiB" | "Lifetime_Writes_GiB" => "written_bytes_total",
            "Host_Reads_32MiB" | "Lifetime_Reads_GiB" => "read_bytes_total",
            _ => return,
        };
        // Intel has the same under two numbers.
        let series = format!("tidegauge_smart_{family}{{}}");
        if let Some(before) = self.series.get(&series) {
            assert_eq!(*before, raw[0] * unit, "{name}");
        } else {
            self.put(family, "", raw[0] * unit);
        }
    }

    fn scsi(&mut self) {
        let defects = "scsi_grown_defect_list";
        self.copy(defects, defects, "", 1.0);
        let cycles = "scsi_start_stop_cycle_counter.accumulated";
        let (starts, loads) = ("start_stop_cycles_total", "load_cycles_total");
        self.copy(&format!("{cycles}_start_stop_cycles"), starts, "", 1.0);
        self.copy(&format!("{cycles}_load_unload_cycles"), loads, "", 1.0);
        for operation in ["read", "write", "verify"] {
            let path = |key: &str| format!("scsi_error_counter_log.{operation}.{key}");
            let family = |end: &str| format!("{operation}_{end}_total");
            let mut copy = |key: &str, end: &str, labels: &str, factor: f64| {
                self.copy(&path(key), &family(end), labels, factor);
            };
            copy("total_errors_corrected", "errors_corrected", "", 1.0);
            copy("total_uncorrected_errors", "uncorrected_errors", "", 1.0);
            copy(
                "correction_algorithm_invocations",
                "correction_invocations",
                "",
                1.0,
            );
            for by in ["eccfast", "eccdelayed", "rereads_rewrites"] {
                let key = format!("errors_corrected_by_{by}");
                copy(&key, "errors_corrected_by", &format!("by=\"{by}\""), 1.0);
            }
            if let Some(gigabytes) = self.number(&path("gigabytes_processed")) {
                let bytes = (gigabytes * 1e9).round();
                self.put(&family("processed_bytes"), "", bytes);
            }
        }
    }

    fn nvme(&mut self) {
        let path = |key: &str| format!("nvme_smart_health_information_log.{key}");
        if let Some(bits) = self.number(&path("critical_warning")) {
            for (bit, warning) in [
                "spare",
                "temperature",
                "reliability",
                "read_only",
                "volatile_backup",
                "persistent_memory",
            ]
            .iter()
            .enumerate()
            {
                let is_set = (bits / 2f64.powi(i32::try_from(bit).unwrap())).floor() % 2.0;
                let labels = format!("warning=\"{warning}\"");
                self.put("critical_warning", &labels, is_set);
            }
        }
        for (key, family, labels, factor) in [
            ("available_spare", "available_spare_ratio", "", 0.01),
            (
                "available_spare_threshold",
                "available_spare_threshold_ratio",
                "",
                0.01,
            ),
            ("percentage_used", "wear_ratio", "", 0.01),
            ("data_units_read", "read_bytes_total", "", 512_000.0),
            ("data_units_written", "written_bytes_total", "", 512_000.0),
            ("host_reads", "host_reads_total", "", 1.0),
            ("host_writes", "host_writes_total", "", 1.0),
            (
                "controller_busy_time",
                "controller_busy_seconds_total",
                "",
                60.0,
            ),
            ("unsafe_shutdowns", "unsafe_shutdowns_total", "", 1.0),
            ("media_errors", "media_errors_total", "", 1.0),
            ("num_err_log_entries", "error_log_entries_total", "", 1.0),
            (
                "warning_temp_time",
                "over_temperature_seconds_total",
                "limit=\"warning\"",
                60.0,
            ),
            (
                "critical_comp_time",
                "over_temperature_seconds_total",
                "limit=\"critical\"",
                60.0,
            ),
        ] {
            self.copy(&path(key), family, labels, factor);
        }
        let sensors = &self.json["nvme_smart_health_information_log"]["temperature_sensors"];
        for (index, celsius) in sensors.as_array().into_iter().flatten().enumerate() {
            let labels = format!("sensor=\"{}\"", index + 1);
            let celsius = celsius.as_f64().unwrap();
            self.put("temperature_sensor_celsius", &labels, celsius);
        }
    }
}

/// Places of all numbers.
fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if at.is_empty() { "" } else { "." };
                numbers(value, &format!("{at}{dot}{key}"), found);
            }
        }
        Value::Array(list) => {
            for value in list {
                numbers(value, &format!("{at}[]"), found);
            }
        }
        Value::Number(_) => found.push(at.to_owned()),
        _ => {}
    }
}

fn expected(json: &Value) -> Series {
    let mut expected = Expected {
        json,
        series: Series::new(),
        used: Vec::new(),
    };
    expected.all();
    let mut places = Vec::new();
    numbers(json, "", &mut places);
    // Identity, a text in the info family.
    expected
        .used
        .extend(["wwn.naa", "wwn.oui", "wwn.id"].map(str::to_owned));
    for place in places {
        let known =
            expected.used.contains(&place) || LEFT_OUT.iter().any(|left| place.starts_with(left));
        assert!(known, "{place} is neither shown nor known to be left out");
    }
    expected.series
}

/// What is shown of each disk; the info and the reading apart.
fn shown(text: &str) -> BTreeMap<String, Series> {
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with("tidegauge_smart_")) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (family, labels) = series.split_once("{tier=\"\",device=\"").unwrap();
        let (device, labels) = labels.split_once('"').unwrap();
        if ["_info", "_reading_state", "_failures_total", "_seconds"]
            .iter()
            .any(|end| family.ends_with(end) && !family.ends_with("power_on_seconds"))
        {
            continue;
        }
        let labels = labels.trim_start_matches(',');
        let series = format!("{family}{{{labels}");
        let device = all.entry(device.to_owned()).or_default();
        assert!(
            device.insert(series, value.parse().unwrap()).is_none(),
            "{line}"
        );
    }
    all
}

#[test]
fn every_number_of_every_recorded_disk_is_right() {
    needs!("binary");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/smartctl");
    let Ok(entries) = fs::read_dir(&data) else {
        skip!("missing ../shared/data/smartctl, the recorded answers");
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    assert!(!files.is_empty());

    let scratch = Scratch::new("smart");
    let mut expecting: BTreeMap<String, Series> = BTreeMap::new();
    let mut words = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let status = json["smartctl"]["exit_status"].as_u64().unwrap();
        scratch.file(&format!("x{index}.json"), &text);
        scratch.file(&format!("x{index}.status"), &status.to_string());
        let kind = json["device"]["type"].as_str().unwrap();
        words.push(format!("/dev/x{index}:{kind}"));
        expecting.insert(format!("x{index}"), expected(&json));
    }
    let script = format!(
        "#!/bin/sh\ncase $* in *--scan*) echo '{{}}'; exit 0 ;; esac\nfor node in \"$@\"; do :; done\ncd {:?}\ncat \"${{node##*/}}.json\"\nread -r status <\"${{node##*/}}.status\"\nexit \"$status\"\n",
        scratch.path()
    );
    let command = scratch.file("smartctl", &script);
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "collectors:\n  smart: {{interval: 1h, command: {command:?}, devices: {:?}}}\n",
        words.join(",")
    );
    let exporter = Exporter::start(
        &["--collector.disable-defaults", "--collector.smart"],
        &config,
    );
    let text = wait_until(LIMIT, || {
        let answer = exporter.get("/metrics", &[]).unwrap();
        let text = answer.text().to_owned();
        text.contains("tidegauge_smart_reading_state")
            .then_some(text)
    });
    let text = text.unwrap_or_else(|| panic!("nothing was read\n{}", exporter.log()));
    let shown = shown(&text);
    for (file, (device, expected)) in files
        .iter()
        .zip(expecting_in_order(&expecting, files.len()))
    {
        let file = file.file_name().unwrap().display();
        let none = Series::new();
        let shown = shown.get(device).unwrap_or(&none);
        for (series, value) in expected {
            let there = shown.get(series);
            let is_same = there.is_some_and(|there| {
                (there - value).abs() <= value.abs() * 1e-15 || (there - value).abs() < 1e-12
            });
            assert!(is_same, "{file}: {series} is {there:?}, not {value}");
        }
        for (series, value) in shown {
            assert!(
                expected.contains_key(series),
                "{file}: {series} {value} from nowhere"
            );
        }
    }
    let numbers: usize = expecting.values().map(Series::len).sum();
    assert!(numbers > 1000, "{numbers}");
    println!("{numbers} numbers of {} files", files.len());
    exporter.stop();
}

fn expecting_in_order(
    all: &BTreeMap<String, Series>,
    count: usize,
) -> impl Iterator<Item = (&str, &Series)> {
    (0..count).map(|index| {
        let (device, series) = all.get_key_value(&format!("x{index}")).unwrap();
        (device.as_str(), series)
    })
}
