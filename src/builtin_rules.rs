//! The rule files that ship, built in: what is evaluated when the configuration names none.

/// One rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// Its name, as in `tier.yml`.
    pub name: &'static str,
    /// Its text, in Prometheus's format.
    pub text: &'static str,
}

macro_rules! rule_files {
    ($($name:literal,)+) => {
        /// All of them, in the order of their names.
        pub static RULE_FILES: &[RuleFile] = &[$(RuleFile {
            name: $name,
            text: include_str!(concat!("../rules/", $name)),
        }),+];
    };
}

rule_files! {
    "btrfs.yml",
    "directory.yml",
    "dm.yml",
    "exporter.yml",
    "filesystem.yml",
    "hazard.yml",
    "lvm.yml",
    "md.yml",
    "nfs.yml",
    "nvme.yml",
    "setting.yml",
    "smart.yml",
    "tier.yml",
}
