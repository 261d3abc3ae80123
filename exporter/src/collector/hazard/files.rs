//! Hazards in files of configuration: lvm's and udev's.

use std::path::Path;

use super::host::{Host, shown, trouble};
use super::report::{Hazard, Report};
use crate::collector::readings::{State, Trouble};
use crate::device::{lvm_conf, udev_rules};

/// The second overrides the first.
const LVM: [&str; 2] = ["/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf"];

/// Looks into each file.
pub fn check(host: &Host<'_>, report: &mut Report) {
    match issue_discards(host) {
        Ok(Some(path)) => report.found(Hazard::LvmIssueDiscards, "", path),
        Ok(None) => {}
        Err(trouble) => report.unchecked(Hazard::LvmIssueDiscards, trouble),
    }
    let files = match udev_rules::files(&host.context.rooted(Path::new("/"))) {
        Ok(files) => files,
        Err((folder, error)) => {
            report.unchecked(Hazard::UdevRunsFstrim, trouble(&folder.display(), &error));
            return;
        }
    };
    for path in files {
        match host.file(&path) {
            Ok(Some(content)) if udev_rules::runs_fstrim(&content) => {
                report.found(Hazard::UdevRunsFstrim, "", shown(&path));
            }
            Ok(_) => {}
            Err(trouble) => report.unchecked(Hazard::UdevRunsFstrim, trouble),
        }
    }
}

/// The file that sets it.
fn issue_discards(host: &Host<'_>) -> Result<Option<&'static str>, Trouble> {
    let mut found = None;
    for path in LVM {
        let Some(content) = host.file(Path::new(path))? else {
            continue;
        };
        match lvm_conf::flag(&content, "devices", "issue_discards") {
            Ok(None) => {}
            Ok(Some(set)) => found = set.then_some(path),
            Err(error) => return Err(Trouble::new(State::Failed, format!("{path}: {error}"))),
        }
    }
    Ok(found)
}
