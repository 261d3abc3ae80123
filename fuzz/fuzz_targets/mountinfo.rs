//! Mount tables: whoever mounts chooses paths, sources and options.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_model::mount::{MountTable, displayable};

fuzz_target!(|content: &[u8]| {
    let Ok(table) = MountTable::parse(content) else {
        return;
    };
    for mount in table.visible() {
        let found = table.at(&mount.mountpoint);
        assert_eq!(
            found,
            Some(mount),
            "a visible mount is found at its mount point"
        );
        assert_eq!(table.holding(&mount.mountpoint), Some(mount));
        let shown = displayable(mount.mountpoint.as_os_str());
        assert!(
            shown.len() >= mount.mountpoint.as_os_str().len(),
            "nothing of a name is dropped"
        );
        let _ = (mount.class(), mount.is_read_only());
    }
});
