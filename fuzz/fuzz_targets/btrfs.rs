//! What btrfs shows and answers: the status of a scrub, values of sysfs, items of the root tree, free space of
//! devices. The first byte chooses.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::btrfs::profile::Profile;
use tidegauge_exporter::device::btrfs::subvolumes::{Item, items, path, top_uuid};
use tidegauge_exporter::device::btrfs::{devices, qgroups, scrub, sysfs};

const UUID: &str = "7ec7a25d-0561-4162-9497-78762d154e5f";

fn root_tree(bytes: &[u8]) {
    let most = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (found, last) = items(bytes, most);
    assert!(found.len() <= bytes.len() / 32);
    assert!(found.is_empty() || last.is_some());
    // One item less is the same list without its end.
    let (fewer, _) = items(bytes, most / 2);
    assert!(found.starts_with(&fewer));
    top_uuid(bytes, most);
    let places: BTreeMap<u64, _> = found
        .into_iter()
        .filter_map(|item| match item {
            Item::Place(id, place) => Some((id, place)),
            Item::Subvolume(_) => None,
        })
        .collect();
    for id in places.keys() {
        if let Some(path) = path(*id, &places, |_, _| Some(Vec::new())) {
            assert!(path.starts_with('/'));
        }
    }
}

fn status(bytes: &[u8]) {
    let (devices, wrong) = scrub::parse(bytes, UUID);
    if !devices.is_empty() {
        assert!(bytes.starts_with(b"scrub status:1"));
        scrub::ScrubState::of(&devices, Some(false), None);
    }
    if let Some(wrong) = wrong {
        assert!(!wrong.to_string().contains('\n'), "{wrong}");
    }
}

fn allocation(bytes: &[u8]) {
    let sizes: Vec<u64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .take(64)
        .map(|size| u64::from_le_bytes(*size))
        .collect();
    let raw: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
    for name in ["single", "dup", "raid0", "raid1", "raid1c3", "raid1c4", "raid10", "raid5", "raid6"] {
        let profile = Profile::parse(name).expect("a name of a profile");
        assert!(u128::from(profile.allocatable(&sizes)) <= raw);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    match which % 4 {
        0 => root_tree(bytes),
        1 => status(bytes),
        2 => allocation(bytes),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            devices::error_stats(&text);
            devices::flag(&text);
            sysfs::commit_stats(&text);
            assert!(sysfs::OPERATIONS.contains(&sysfs::operation(&text)));
            if let Some(id) = qgroups::qgroup_id(&text) {
                let name = format!("{}_{}", id.level, id.number);
                assert_eq!(qgroups::qgroup_id(&name), Some(id));
            }
        }
    }
});
