//! Settings of the kernel below `/proc/sys`, and what an operator expects of them.
//!
//! Source: kernel `Documentation/admin-guide/sysctl`; sysctl(8) for the names with dots. A setting of the network
//! (`net.…`) is that of the network namespace of whoever reads.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

/// The longest name that is taken; the kernel has none that is half as long.
const LONGEST: usize = 255;
/// No more of a setting is read; nearly all have a line of some digits.
const MOST: u64 = 64 << 10;

/// A setting and what it should be: `net.core.rmem_max=16777216`, `vm.min_free_kbytes>=65536`,
/// `net.ipv4.tcp_rmem=4096 131072 33554432`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    name: String,
    comparison: Comparison,
    /// Fields, one blank between two.
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    AtLeast,
    AtMost,
}

impl Comparison {
    /// With the sign by which each is written, longer ones first.
    const ALL: [(&'static str, Self); 3] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("=", Self::Equal),
    ];
}

/// Why a text is no setting with what it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` {reason}")]
pub struct SysctlError {
    text: String,
    reason: &'static str,
}

impl Sysctl {
    /// Reads one. No name leads out of `/proc/sys`: it has letters, digits, `_` and `-`, in parts with dots
    /// between them.
    pub fn parse(text: &str) -> Result<Self, SysctlError> {
        let text = text.trim();
        let error = |reason| SysctlError {
            text: text.to_owned(),
            reason,
        };
        let (name, comparison, value) = Comparison::ALL
            .into_iter()
            .find_map(|(sign, comparison)| {
                let (name, value) = text.split_once(sign)?;
                Some((name.trim_end(), comparison, value))
            })
            .ok_or_else(|| {
                error(
                    "does not say what it should be: write NAME=VALUE, NAME>=VALUE or NAME<=VALUE",
                )
            })?;
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let part = |part: &str| !part.is_empty() && part.chars().all(letter);
        if name.len() > LONGEST || name.split('.').count() < 2 || !name.split('.').all(part) {
            return Err(error(
                "does not begin with the name of a kernel setting, such as net.core.rmem_max",
            ));
        }
        let value = fields(value);
        if value.is_empty() || value.contains(|c: char| c.is_control() || "<>=".contains(c)) {
            return Err(error("has no value that a kernel setting can have"));
        }
        let numbers =
            comparison == Comparison::Equal || value.split(' ').all(|f| number(f).is_some());
        if !numbers {
            return Err(error("compares with something that is no whole number"));
        }
        Ok(Self {
            name: name.to_owned(),
            comparison,
            value,
        })
    }

    /// The name, with dots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it should be, as written after the name, but for a plain `=`: `16777216`, `>=65536`.
    pub fn expected(&self) -> String {
        match self.comparison {
            Comparison::Equal => self.value.clone(),
            other => format!("{}{}", other.sign(), self.value),
        }
    }

    /// Reads the setting that is in force; `Err` as the system says.
    pub fn read(&self, procfs: &Path) -> io::Result<String> {
        let path = procfs.join("sys").join(self.name.replace('.', "/"));
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
        Ok(fields(&String::from_utf8_lossy(&bytes)))
    }

    /// Whether a value, as [`Self::read`] gives it, is as expected. Numbers compare as numbers; where there are
    /// several, each with its own.
    pub fn holds(&self, actual: &str) -> bool {
        let (actual, expected) = (actual.split(' '), self.value.split(' '));
        actual.clone().count() == expected.clone().count()
            && actual.zip(expected).all(|(actual, expected)| {
                match (self.comparison, number(actual), number(expected)) {
                    (Comparison::Equal, Some(a), Some(b)) => a == b,
                    (Comparison::Equal, ..) => actual == expected,
                    (Comparison::AtLeast, Some(a), Some(b)) => a >= b,
                    (Comparison::AtMost, Some(a), Some(b)) => a <= b,
                    (Comparison::AtLeast | Comparison::AtMost, ..) => false,
                }
            })
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, other)| *other == self);
        found.map_or("", |(sign, _)| sign)
    }
}

impl fmt::Display for Sysctl {
    /// As [`Sysctl::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.comparison.sign(), self.value)
    }
}

/// Words with one blank between them: the kernel parts some by tabs.
fn fields(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(text: &str) -> Option<i128> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Sysctl {
        Sysctl::parse(text).unwrap()
    }

    #[test]
    fn comparisons() {
        for (expected, ok, not) in [
            ("vm.a=10", &["10", "010"][..], &["11", "", "10 10", "x"][..]),
            ("vm.a >= 10", &["10", "11"], &["9", "-11", "x", "10 10"]),
            ("vm.a<=10", &["10", "-1"], &["11"]),
            (
                "net.a=4096\t131072  9",
                &["4096 131072 9"],
                &["4096 131072 8", "4096 131072"],
            ),
            ("net.a>=1 2", &["1 2", "5 5"], &["5 1", "5"]),
            ("net.cc=bbr", &["bbr"], &["cubic", "bbr x"]),
            (
                "vm.a=18446744073709551615",
                &["18446744073709551615"],
                &["-1"],
            ),
        ] {
            for actual in ok {
                assert!(parse(expected).holds(actual), "{expected}: {actual}");
            }
            for actual in not {
                assert!(!parse(expected).holds(actual), "{expected}: {actual}");
            }
        }
        assert_eq!(parse("vm.a >= 10").expected(), ">=10");
        assert_eq!(parse("vm.a = 10").expected(), "10");
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "vm.a",
            "=1",
            "vm=1",
            "vm.a=",
            "vm..a=1",
            ".vm.a=1",
            "vm.a.=1",
            "../etc/passwd=1",
            "vm/a=1",
            "vm.a\0=1",
            "vm.a>=x",
            "vm.a=1=2",
            "vm.a>1",
            "vm.é=1",
            "vm.a==1",
            "vm.a<=>1",
        ] {
            assert!(Sysctl::parse(text).is_err(), "{text:?}");
        }
        let long = format!("vm.{}=1", "a".repeat(LONGEST));
        assert!(Sysctl::parse(&long).is_err());
    }

    #[test]
    fn reads_what_the_system_has() {
        let sysctl = parse("kernel.ostype=Linux");
        let actual = sysctl.read(Path::new("/proc")).unwrap();
        assert!(sysctl.holds(&actual), "{actual}");
        let missing = parse("kernel.no_such_setting=1").read(Path::new("/proc"));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(parse("net.core=1").read(Path::new("/proc")).is_err());
    }

    proptest! {
        #[test]
        fn no_name_leads_elsewhere(text in ".*", name in "[a-z./]{0,12}", value in "[0-9 ]{1,4}") {
            for text in [text, format!("{name}={value}")] {
                if let Ok(sysctl) = Sysctl::parse(&text) {
                    let path = Path::new("/proc/sys").join(sysctl.name().replace('.', "/"));
                    let normal = |c| matches!(c, std::path::Component::Normal(_) | std::path::Component::RootDir);
                    prop_assert!(path.components().all(normal) && path.starts_with("/proc/sys"));
                    prop_assert!(!sysctl.name().contains('/'));
                    prop_assert_eq!(Sysctl::parse(&sysctl.to_string()), Ok(sysctl));
                }
            }
        }

        #[test]
        fn a_value_holds_against_itself(value in "[!-;?-~]{1,8}( [!-;?-~]{1,8}){0,3}", other in ".*") {
            let sysctl = parse(&format!("vm.a={value}"));
            prop_assert!(sysctl.holds(&fields(&value)));
            let _ = sysctl.holds(&other);
        }
    }
}
