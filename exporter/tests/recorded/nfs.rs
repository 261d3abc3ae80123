//! Two NFS servers.

use std::time::Duration;

use tidegauge_exporter::device::nfs_probe::{Ask, ProbeError, Reached, Target};
use tidegauge_exporter::device::rpc::Verdict;

/// One server answers, the other never does.
pub struct Recorded;

impl Ask for Recorded {
    fn ask(&self, target: &Target, _: Duration) -> Result<Reached, ProbeError> {
        match target.address.to_string().as_str() {
            "192.0.2.7:2049" => Ok(Reached {
                connect: Some(Duration::from_micros(400)),
                calls: target
                    .versions
                    .iter()
                    .map(|version| (*version, Verdict::Success, Duration::from_micros(300)))
                    .collect(),
            }),
            _ => Err(ProbeError::Late {
                doing: "calling it",
            }),
        }
    }
}
