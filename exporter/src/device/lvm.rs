//! LVM's own report: `lvm fullreport`, one JSON object with volume groups, physical and logical volumes.
//!
//! Format: lvmreport(7). Numbers and flags are strings in `--reportformat json`, themselves in `json_std`
//! (2.03.17); what LVM does not know is empty, -1 or `unknown`. Both are read, and fields that are missing or of
//! another shape are as if they were not known.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

/// The fields that are asked for, by subreport. Segments cannot be left out, so that none of them is selected.
const FIELDS: [(&str, &str, &str); 5] = [
    (
        "vg",
        "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,vg_missing_pv_count,vg_partial,vg_exported,pv_count,lv_count,snap_count,vg_mda_size,vg_mda_free",
        "",
    ),
    (
        "pv",
        "pv_name,pv_uuid,pv_size,pv_free,pv_used,dev_size,pv_missing,pv_allocatable",
        "",
    ),
    (
        "lv",
        "lv_name,lv_uuid,lv_size,lv_metadata_size,lv_layout,lv_role,origin,pool_lv,lv_parent,lv_time,lv_health_status",
        "",
    ),
    ("pvseg", "pvseg_start", "pvseg_start=-1"),
    ("seg", "segtype", "segtype=none"),
];

/// The arguments of `lvm` for a report. With `--readonly` LVM takes no lock, waits for none, asks device mapper
/// nothing, and can write neither metadata nor backups of it. `devices` are the only ones that it opens (disks
/// that sleep stay asleep); with none it looks at all.
pub fn arguments(devices: &[String]) -> Vec<String> {
    let mut all: Vec<String> = [
        "fullreport",
        "--readonly",
        "--all",
        "--reportformat",
        "json",
        "--binary",
        "--units",
        "b",
        "--nosuffix",
        "--config",
        // Nothing in the system's log each minute, and no file of hints beside.
        "report/time_format=\"%s\" log/syslog=0 devices/hints=\"none\"",
    ]
    .map(str::to_owned)
    .to_vec();
    if !devices.is_empty() {
        all.extend(["--devices".to_owned(), devices.join(",")]);
    }
    for (report, fields, select) in FIELDS {
        all.extend(["--configreport", report, "-o", fields].map(str::to_owned));
        if !select.is_empty() {
            all.extend(["-S", select].map(str::to_owned));
        }
    }
    all
}

/// What was printed is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// There is no object in it.
    #[error("LVM printed no report; run `lvm fullreport --readonly` to see what it says")]
    Nothing,
    /// It is not JSON, or not of this shape.
    #[error(
        "LVM's report cannot be read: {0}; run `lvm fullreport --readonly --reportformat json` to see it"
    )]
    Json(#[from] serde_json::Error),
}

/// A volume group. Sizes are bytes; `None` and empty: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeGroup {
    /// Its name; two may have the same.
    pub name: String,
    /// Its identifier.
    pub uuid: String,
    /// All of its physical volumes together.
    pub size: Option<u64>,
    /// What no logical volume has.
    pub free: Option<u64>,
    /// What space is given away by.
    pub extent_size: Option<u64>,
    /// Physical volumes that are not there.
    pub missing_pvs: Option<u64>,
    /// Whether any is missing.
    pub partial: Option<bool>,
    /// Whether it was made ready to be moved to another host.
    pub exported: Option<bool>,
    /// Number of physical volumes.
    pub pv_count: Option<u64>,
    /// Number of logical volumes that are not hidden.
    pub lv_count: Option<u64>,
    /// Number of copy-on-write snapshots.
    pub snapshot_count: Option<u64>,
    /// Size of its own metadata area, where that is smallest.
    pub metadata_size: Option<u64>,
    /// Of that what is free.
    pub metadata_free: Option<u64>,
    /// Its physical volumes.
    pub pvs: Vec<PhysicalVolume>,
    /// Its logical volumes, hidden ones too.
    pub lvs: Vec<LogicalVolume>,
}

/// A physical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysicalVolume {
    /// Its device node; empty when it is missing.
    pub name: String,
    /// Its identifier.
    pub uuid: String,
    /// What it gives to its group.
    pub size: Option<u64>,
    /// What no logical volume has of it.
    pub free: Option<u64>,
    /// The rest.
    pub used: Option<u64>,
    /// Size of the device that it is on.
    pub device_size: Option<u64>,
    /// Whether its device is not there.
    pub missing: Option<bool>,
    /// Whether new volumes may be put on it.
    pub allocatable: Option<bool>,
}

/// A logical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicalVolume {
    /// Its name, without the brackets of a hidden one.
    pub name: String,
    /// Whether it is a part of another one.
    pub hidden: bool,
    /// Its identifier.
    pub uuid: String,
    /// Its size; of a copy-on-write snapshot that of its store.
    pub size: Option<u64>,
    /// Of a pool: the size of its metadata.
    pub metadata_size: Option<u64>,
    /// As LVM says: `linear`, `raid,raid1`, `thin,pool`…
    pub layout: String,
    /// As LVM says: `public,snapshot,thicksnapshot`…
    pub role: String,
    /// What it is a snapshot of.
    pub origin: String,
    /// The pool that it lives in.
    pub pool: String,
    /// What it is a part of.
    pub parent: String,
    /// When it was made, in seconds since 1970.
    pub created: Option<u64>,
    /// Whether a part of it is on a physical volume that is missing.
    pub partial: bool,
}

impl LogicalVolume {
    /// What it is, in one word.
    pub fn kind(&self) -> &str {
        let role = |word: &str| self.role.split(',').any(|r| r == word);
        let layout = |word: &str| self.layout.split(',').any(|l| l == word);
        match () {
            () if role("thicksnapshot") => "snapshot",
            () if role("thinsnapshot") => "thin_snapshot",
            () if role("spare") => "pool_spare",
            () if role("pool") && role("data") => "pool_data",
            () if role("pool") && role("metadata") => "pool_metadata",
            () if role("image") => "image",
            () if role("metadata") => "image_metadata",
            () if role("log") => "mirror_log",
            () if layout("cachevol") => "cache_volume",
            () if layout("thin") && layout("pool") => "thin_pool",
            () if layout("cache") && layout("pool") => "cache_pool",
            () if layout("vdo") && layout("pool") => "vdo_pool",
            () if layout("thin") => "thin",
            // The most exact word comes last: `raid,raid6,raid6_zr`.
            () => self.layout.rsplit(',').next().unwrap_or_default(),
        }
    }
}

/// Reads what was printed. Warnings may stand before the report; orphans (physical volumes of no group) have
/// no name of a group.
pub fn parse(printed: &[u8]) -> Result<Vec<VolumeGroup>, ReportError> {
    let start = printed.iter().position(|&byte| byte == b'{');
    let start = start.ok_or(ReportError::Nothing)?;
    // Only the first object counts: messages may stand behind it too.
    let mut reader = serde_json::Deserializer::from_slice(&printed[start..]);
    let report = RawReport::deserialize(&mut reader)?;
    Ok(report.report.into_iter().map(group).collect())
}

#[derive(serde::Deserialize)]
struct RawReport {
    report: Vec<RawGroup>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawGroup {
    vg: Vec<RawVg>,
    pv: Vec<RawPv>,
    lv: Vec<RawLv>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawVg {
    vg_name: Field,
    vg_uuid: Field,
    vg_size: Field,
    vg_free: Field,
    vg_extent_size: Field,
    vg_missing_pv_count: Field,
    vg_partial: Field,
    vg_exported: Field,
    pv_count: Field,
    lv_count: Field,
    snap_count: Field,
    vg_mda_size: Field,
    vg_mda_free: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawPv {
    pv_name: Field,
    pv_uuid: Field,
    pv_size: Field,
    pv_free: Field,
    pv_used: Field,
    dev_size: Field,
    pv_missing: Field,
    pv_allocatable: Field,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawLv {
    lv_name: Field,
    lv_uuid: Field,
    lv_size: Field,
    lv_metadata_size: Field,
    lv_layout: Field,
    lv_role: Field,
    origin: Field,
    pool_lv: Field,
    lv_parent: Field,
    lv_time: Field,
    lv_health_status: Field,
}

fn group(raw: RawGroup) -> VolumeGroup {
    let vg = raw.vg.into_iter().next().unwrap_or_default();
    VolumeGroup {
        name: vg.vg_name.0,
        uuid: vg.vg_uuid.0,
        size: number(&vg.vg_size),
        free: number(&vg.vg_free),
        extent_size: number(&vg.vg_extent_size),
        missing_pvs: number(&vg.vg_missing_pv_count),
        partial: flag(&vg.vg_partial),
        exported: flag(&vg.vg_exported),
        pv_count: number(&vg.pv_count),
        lv_count: number(&vg.lv_count),
        snapshot_count: number(&vg.snap_count),
        metadata_size: number(&vg.vg_mda_size),
        metadata_free: number(&vg.vg_mda_free),
        pvs: raw.pv.into_iter().map(physical).collect(),
        lvs: raw.lv.into_iter().map(logical).collect(),
    }
}

fn physical(pv: RawPv) -> PhysicalVolume {
    let is_there = !pv.pv_name.0.starts_with('[');
    PhysicalVolume {
        name: if is_there {
            pv.pv_name.0
        } else {
            String::new()
        },
        uuid: pv.pv_uuid.0,
        size: number(&pv.pv_size),
        free: number(&pv.pv_free),
        used: number(&pv.pv_used),
        device_size: number(&pv.dev_size).filter(|&size| size > 0),
        missing: flag(&pv.pv_missing),
        allocatable: flag(&pv.pv_allocatable),
    }
}

fn logical(lv: RawLv) -> LogicalVolume {
    LogicalVolume {
        hidden: lv.lv_name.0.starts_with('['),
        name: without_brackets(&lv.lv_name),
        uuid: lv.lv_uuid.0,
        size: number(&lv.lv_size),
        metadata_size: number(&lv.lv_metadata_size),
        layout: lv.lv_layout.0,
        role: lv.lv_role.0,
        origin: without_brackets(&lv.origin),
        pool: without_brackets(&lv.pool_lv),
        parent: without_brackets(&lv.lv_parent),
        created: number(&lv.lv_time),
        partial: lv.lv_health_status.0 == "partial",
    }
}

fn without_brackets(field: &Field) -> String {
    let name = field.0.strip_prefix('[').unwrap_or(&field.0);
    name.strip_suffix(']').unwrap_or(name).to_owned()
}

fn number(field: &Field) -> Option<u64> {
    field.0.parse().ok()
}

fn flag(field: &Field) -> Option<bool> {
    match field.0.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// A value of any shape as the text of `--reportformat json`.
#[derive(Default)]
struct Field(String);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape).map(Self)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(value.trim().to_owned())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, _: f64) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(u8::from(value).to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    /// A list of words.
    fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<String, A::Error> {
        let mut all = String::new();
        while let Some(Field(word)) = words.next_element()? {
            if !all.is_empty() {
                all.push(',');
            }
            all.push_str(&word);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPORT: &str = r#"
  WARNING: Couldn't find device with uuid 1MAO10-cOOQ.
  {
      "report": [
          {
              "vg": [
                  {"vg_name":"vg_jts", "vg_uuid":"ugd2KF", "vg_size":"4290772992", "vg_free":"3959422976", "vg_extent_size":"4194304", "vg_missing_pv_count":"1", "vg_partial":"1", "vg_exported":"0", "pv_count":"2", "lv_count":"7", "snap_count":"1", "vg_mda_size":"1044480", "vg_mda_free":"515072"}
              ]
              ,
              "pv": [
                  {"pv_name":"/dev/nvme0n1", "pv_uuid":"H9jnj3", "pv_size":"4290772992", "pv_free":"3959422976", "pv_used":"331350016", "dev_size":"4294967296", "pv_missing":"0", "pv_allocatable":"1"},
                  {"pv_name":"[unknown]", "pv_uuid":"1MAO10", "pv_size":"96468992", "pv_free":"0", "pv_used":"96468992", "dev_size":"0", "pv_missing":"1", "pv_allocatable":"1"}
              ]
              ,
              "lv": [
                  {"lv_name":"[pool_tmeta]", "lv_uuid":"a", "lv_size":"4194304", "lv_metadata_size":"", "lv_layout":"linear", "lv_role":"private,thin,pool,metadata", "origin":"", "pool_lv":"", "lv_parent":"[pool]", "lv_time":"1795565126", "lv_health_status":"partial"},
                  {"lv_name":"snap", "lv_uuid":"b", "lv_size":"8388608", "lv_metadata_size":"", "lv_layout":"linear", "lv_role":"public,snapshot,thicksnapshot", "origin":"origin", "pool_lv":"", "lv_parent":"", "lv_time":"1795565118", "lv_health_status":""}
              ]
              ,
              "pvseg": [
              ]
              ,
              "seg": [
              ]
          }
      ]
  }
  a message behind it
"#;

    #[test]
    fn a_report_with_warnings_around_it() {
        let groups = parse(REPORT.as_bytes()).unwrap();
        let [vg] = groups.as_slice() else {
            panic!("{groups:?}")
        };
        assert_eq!((vg.name.as_str(), vg.size), ("vg_jts", Some(4_290_772_992)));
        assert_eq!(
            (vg.missing_pvs, vg.partial, vg.exported),
            (Some(1), Some(true), Some(false))
        );
        let [there, missing] = vg.pvs.as_slice() else {
            panic!()
        };
        assert_eq!(
            (there.name.as_str(), there.missing),
            ("/dev/nvme0n1", Some(false))
        );
        assert_eq!(
            (missing.name.as_str(), missing.missing, missing.device_size),
            ("", Some(true), None)
        );
        let [meta, snap] = vg.lvs.as_slice() else {
            panic!()
        };
        assert_eq!((meta.name.as_str(), meta.hidden), ("pool_tmeta", true));
        assert_eq!(
            (meta.parent.as_str(), meta.kind()),
            ("pool", "pool_metadata")
        );
        assert!(meta.partial && !snap.partial);
        assert_eq!((snap.kind(), snap.origin.as_str()), ("snapshot", "origin"));
        assert_eq!(snap.created, Some(1_795_565_118));
    }

    #[test]
    fn values_of_another_shape_are_not_known_and_spoil_nothing_else() {
        let text = r#"{"log":[],"report":[{"vg":[{"vg_name":"a","vg_size":12,"vg_free":-1,"vg_partial":true,
            "vg_extent_size":{"x":[1]},"vg_missing_pv_count":null,"pv_count":1.5,"later":[[]]}],
            "lv":[{"lv_name":"l","lv_role":["public","snapshot","thinsnapshot"],"lv_size":""}]},{}]}"#;
        let groups = parse(text.as_bytes()).unwrap();
        let vg = &groups[0];
        assert_eq!((vg.size, vg.free, vg.partial), (Some(12), None, Some(true)));
        assert_eq!(
            (vg.extent_size, vg.missing_pvs, vg.pv_count),
            (None, None, None)
        );
        assert_eq!(vg.lvs[0].kind(), "thin_snapshot");
        assert_eq!(vg.lvs[0].size, None);
        assert_eq!(groups[1], VolumeGroup::default());
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(matches!(parse(b""), Err(ReportError::Nothing)));
        assert!(matches!(
            parse(b"no such command"),
            Err(ReportError::Nothing)
        ));
        for text in [
            "{",
            "{}",
            r#"{"report":{}}"#,
            r#"{"report":[{"vg":[{"vg_name":"#,
            r#"{"report":[{"vg":[1]}]}"#,
        ] {
            assert!(
                matches!(parse(text.as_bytes()), Err(ReportError::Json(_))),
                "{text}"
            );
        }
        let deep = format!(r#"{{"report":[{{"vg":[{{"vg_name":{}"#, "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn kinds() {
        let kind = |layout: &str, role: &str| {
            let lv = LogicalVolume {
                layout: layout.into(),
                role: role.into(),
                ..LogicalVolume::default()
            };
            lv.kind().to_owned()
        };
        for (layout, role, expected) in [
            ("linear", "public", "linear"),
            ("linear", "public,origin,thickorigin", "linear"),
            ("raid,raid1", "public", "raid1"),
            ("raid,raid6,raid6_zr", "public", "raid6_zr"),
            ("mirror", "public", "mirror"),
            ("thin,pool", "private", "thin_pool"),
            ("thin,sparse", "public,origin,thinorigin", "thin"),
            ("cache,pool", "private", "cache_pool"),
            ("cache", "public", "cache"),
            ("writecache", "public", "writecache"),
            ("writecache,cachevol", "private", "cache_volume"),
            ("linear", "private,pool,spare", "pool_spare"),
            ("linear", "private,cache,pool,data", "pool_data"),
            ("linear", "private,raid,image", "image"),
            ("linear", "private,raid,metadata", "image_metadata"),
            ("", "", ""),
        ] {
            assert_eq!(kind(layout, role), expected, "{layout} {role}");
        }
    }

    #[test]
    fn only_the_devices_named_are_looked_at() {
        let all = arguments(&["/dev/sda".into(), "/dev/sdb2".into()]).join(" ");
        assert!(all.contains("--devices /dev/sda,/dev/sdb2 "), "{all}");
        assert!(all.starts_with("fullreport --readonly "));
        assert!(!arguments(&[]).join(" ").contains("--devices"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_names_survive(name in "[^\\[\\]\"\\\\]{0,20}", size in any::<u64>()) {
            let report = serde_json::json!({"report": [{"vg": [{"vg_name": name, "vg_size": size.to_string()}]}]});
            let groups = parse(report.to_string().as_bytes()).unwrap();
            prop_assert_eq!(&groups[0].name, name.trim());
            prop_assert_eq!(groups[0].size, Some(size));
        }
    }
}
