//! LVM and device mapper on real devices, beside `lvs`, `vgs` and `pvs`.

mod volumes;

use std::fs::{self, File};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tidegauge_rig::{Exporter, needs, wait_until};

use self::volumes::{Volumes, sample, shell};
use crate::three_tiers::ThreeTiers;

/// Of looks 20 ms apart; under emulation each takes several times that.
const LIMIT: Duration = Duration::from_secs(20);

/// Under emulation the others cost more than these.
const COLLECTORS: [&str; 4] = [
    "--collector.disable-defaults",
    "--collector.disk",
    "--collector.dm",
    "--collector.lvm",
];

/// Waits until a sample is what it should be; tells what it was instead.
fn expect(
    exporter: &Exporter,
    family: &str,
    labels: &[(&str, &str)],
    what: &str,
    holds: impl Fn(Option<f64>) -> bool,
) {
    let mut last = None;
    let seen = wait_until(LIMIT, || {
        last = sample(exporter, family, labels);
        holds(last).then_some(())
    });
    assert!(
        seen.is_some(),
        "{family} {labels:?} is {last:?}, not {what}\n{}",
        exporter.log()
    );
}

fn expect_value(exporter: &Exporter, family: &str, labels: &[(&str, &str)], value: f64) {
    // LVM rounds percentages to two digits.
    expect(exporter, family, labels, &value.to_string(), |found| {
        found.is_some_and(|found| (found - value).abs() <= 0.0001)
    });
}

fn expect_absent(exporter: &Exporter, family: &str, labels: &[(&str, &str)]) {
    expect(exporter, family, labels, "absent", |found| found.is_none());
}

const SNAP: [(&str, &str); 3] = [("tier", "hot"), ("vg", "vg_jts"), ("lv", "raw_snap")];

#[test]
fn a_snapshot_is_followed_until_it_is_invalid() {
    needs!("root", "binary", "lvs", "mkfs.ext4", "wipefs");
    let all = Volumes::new();
    all.run(
        "lvcreate -qq -y -L 64M -n raw vg_jts && lvcreate -qq -y -s -L 8M -n raw_snap vg_jts/raw",
    );
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    let mut fills = Vec::new();
    for step in 0.. {
        let invalid = all.report("lvs", "lv_snapshot_invalid", "vg_jts/raw_snap") == "1";
        if invalid {
            break;
        }
        assert!(step < 20, "it is never full: {fills:?}");
        let ratio = all.ratio("snap_percent", "vg_jts/raw_snap");
        if ratio > 0.0 {
            expect_value(&exporter, "tidegauge_dm_snapshot_used_ratio", &SNAP, ratio);
        } else {
            // LVM says nothing of metadata as long as there is nothing else.
            let family = "tidegauge_dm_snapshot_metadata_bytes";
            expect_value(&exporter, family, &SNAP, 8192.0);
        }
        expect_value(&exporter, "tidegauge_dm_snapshot_valid", &SNAP, 1.0);
        fills.push(ratio);
        all.run(&format!(
            "dd if=/dev/urandom of=/dev/vg_jts/raw bs=1M count=1 seek={step} oflag=direct conv=notrunc 2>&1"
        ));
    }
    assert!(fills.len() > 4 && fills.is_sorted(), "{fills:?}");
    expect_value(&exporter, "tidegauge_dm_snapshot_valid", &SNAP, 0.0);
    expect_value(
        &exporter,
        "tidegauge_dm_failed",
        &[("dm_name", "vg_jts-raw_snap")],
        1.0,
    );
    expect_absent(&exporter, "tidegauge_dm_snapshot_used_ratio", &SNAP);
    // What only LVM knows of it.
    let info = [
        ("lv", "raw_snap"),
        ("kind", "snapshot"),
        ("origin", "raw"),
        ("tier", "hot"),
    ];
    expect_value(&exporter, "tidegauge_lvm_lv_info", &info, 1.0);
    expect_value(
        &exporter,
        "tidegauge_lvm_vg_snapshots",
        &[("vg", "vg_jts")],
        1.0,
    );
    let created = "date +%s -d \"$(lvs --noheadings -o lv_time vg_jts/raw_snap)\"";
    let created: f64 = all.run(created).trim().parse().unwrap();
    let family = "tidegauge_lvm_lv_creation_timestamp_seconds";
    expect_value(&exporter, family, &SNAP, created);
    exporter.stop();
}

#[test]
fn a_thin_pool_is_followed_until_it_is_full() {
    needs!("root", "binary", "lvs", "mkfs.ext4", "wipefs", "thin_check");
    let all = Volumes::new();
    all.run("lvcreate -qq -y --type thin-pool -L 32M --poolmetadatasize 4M -n pool vg_jts");
    // Else writes wait for a minute.
    all.run("lvchange -qq --errorwhenfull y vg_jts/pool && lvcreate -qq -y -V 64M --thinpool pool -n thin vg_jts");
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    let pool = [("tier", "hot"), ("vg", "vg_jts"), ("lv", "pool")];
    let mode = |name| [("tier", "hot"), ("lv", "pool"), ("mode", name)];
    let follows = || {
        let data = all.ratio("data_percent", "vg_jts/pool");
        expect_value(
            &exporter,
            "tidegauge_dm_thin_pool_data_used_ratio",
            &pool,
            data,
        );
        let metadata = all.ratio("metadata_percent", "vg_jts/pool");
        let family = "tidegauge_dm_thin_pool_metadata_used_ratio";
        expect_value(&exporter, family, &pool, metadata);
        let mapped = all.ratio("data_percent", "vg_jts/thin") * f64::from(64 << 20);
        let thin = [("tier", "hot"), ("lv", "thin")];
        expect(
            &exporter,
            "tidegauge_dm_thin_mapped_bytes",
            &thin,
            "that of lvs",
            |found| found.is_some_and(|found| (found - mapped).abs() < 7000.0),
        );
        data
    };
    let mut fills = vec![follows()];
    expect_value(&exporter, "tidegauge_dm_thin_pool_mode", &mode("rw"), 1.0);
    for step in 0..8 {
        let written = shell(&format!(
            "dd if=/dev/urandom of=/dev/vg_jts/thin bs=1M count=8 seek={} oflag=direct conv=notrunc",
            step * 8
        ));
        fills.push(follows());
        if !written.status.success() {
            break;
        }
    }
    assert!(fills.len() > 3 && fills.is_sorted(), "{fills:?}");
    assert_eq!(fills.last(), Some(&1.0));
    let health = all.report("lvs", "lv_health_status", "vg_jts/pool");
    assert_eq!(health, "out_of_data");
    expect_value(
        &exporter,
        "tidegauge_dm_thin_pool_mode",
        &mode("out_of_data_space"),
        1.0,
    );
    expect_value(&exporter, "tidegauge_dm_thin_pool_mode", &mode("rw"), 0.0);
    expect_value(
        &exporter,
        "tidegauge_dm_thin_pool_error_if_no_space",
        &pool,
        1.0,
    );
    expect_value(&exporter, "tidegauge_dm_thin_pool_needs_check", &pool, 0.0);
    let size: f64 = all
        .report("lvs", "lv_metadata_size", "vg_jts/pool")
        .parse()
        .unwrap();
    expect_value(
        &exporter,
        "tidegauge_dm_thin_pool_metadata_size_bytes",
        &pool,
        size,
    );
    expect_value(
        &exporter,
        "tidegauge_lvm_lv_metadata_size_bytes",
        &pool,
        size,
    );
    exporter.stop();
}

#[test]
fn a_raid_syncs_loses_a_leg_and_recovers() {
    needs!("root", "binary", "lvs", "dmsetup", "mkfs.ext4", "wipefs");
    let mut all = Volumes::new();
    let (first, below) = (all.loop_device("96M"), all.loop_device("96M"));
    // The second leg is on a device that can be made to fail.
    // Not from its beginning, or LVM would see two disks of one identity.
    let table = |target: &str| format!("0 194560 {target}");
    let works = table(&format!("linear {below} 2048"));
    all.run(&format!(
        "echo '{works}' | dmsetup create leg && udevadm settle"
    ));
    all.undo("dmsetup remove leg");
    all.run(&format!(
        "pvcreate -qq {first} /dev/mapper/leg && vgcreate -qq pair {first} /dev/mapper/leg"
    ));
    all.undo(&format!(
        "dmsetup resume leg; vgremove -qq -ff -y pair; pvremove -qq -ff -y /dev/mapper/leg {first}"
    ));
    all.run("lvcreate -qq -y --type raid1 -m1 -L 64M --minrecoveryrate 1k --maxrecoveryrate 1024k -n mirror pair");
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    let mirror = [("dm_name", "pair-mirror"), ("lv", "mirror")];
    let action = |name| [("dm_name", "pair-mirror"), ("action", name)];
    let legs = |state| [("dm_name", "pair-mirror"), ("state", state)];
    expect(
        &exporter,
        "tidegauge_dm_raid_sync_ratio",
        &mirror,
        "on its way",
        |found| found.is_some_and(|found| found > 0.0 && found < 1.0),
    );
    expect_value(
        &exporter,
        "tidegauge_dm_raid_action",
        &action("resync"),
        1.0,
    );
    expect_value(&exporter, "tidegauge_dm_raid_degraded", &mirror, 0.0);
    all.run("lvchange -qq --minrecoveryrate 100M --maxrecoveryrate 100M pair/mirror");
    expect_value(&exporter, "tidegauge_dm_raid_sync_ratio", &mirror, 1.0);
    assert_eq!(all.report("lvs", "sync_percent", "pair/mirror"), "100.00");
    expect_value(&exporter, "tidegauge_dm_raid_action", &action("idle"), 1.0);
    expect_value(&exporter, "tidegauge_dm_raid_legs", &legs("in_sync"), 2.0);
    expect_value(&exporter, "tidegauge_dm_raid_mismatches", &mirror, 0.0);
    expect_value(
        &exporter,
        "tidegauge_lvm_vg_missing_pvs",
        &[("vg", "pair")],
        0.0,
    );

    // A suspended device is told before all who use it wait.
    all.run("dmsetup suspend leg");
    expect_value(
        &exporter,
        "tidegauge_dm_suspended",
        &[("dm_name", "leg")],
        1.0,
    );
    all.run(&format!(
        "dmsetup load leg --table '{}' && dmsetup resume leg",
        table("error")
    ));
    all.run("dd if=/dev/urandom of=/dev/pair/mirror bs=1M count=4 oflag=direct conv=notrunc 2>&1");
    expect_value(&exporter, "tidegauge_dm_failed", &[("dm_name", "leg")], 1.0);
    expect_value(&exporter, "tidegauge_dm_raid_degraded", &mirror, 1.0);
    expect_value(&exporter, "tidegauge_dm_raid_legs", &legs("failed"), 1.0);
    expect_value(
        &exporter,
        "tidegauge_lvm_vg_missing_pvs",
        &[("vg", "pair")],
        1.0,
    );
    expect_value(
        &exporter,
        "tidegauge_lvm_vg_partial",
        &[("vg", "pair")],
        1.0,
    );
    expect_value(
        &exporter,
        "tidegauge_lvm_lv_partial",
        &[("lv", "mirror")],
        1.0,
    );
    let missing = all.report("vgs", "vg_missing_pv_count", "pair");
    assert_eq!(missing, "1");
    let uuid = all.run("pvs --noheadings -o pv_uuid,pv_missing --binary -S 'vg_name=pair && pv_missing=1' 2>/dev/null");
    let uuid = uuid.split_whitespace().next().unwrap().to_owned();
    expect_value(
        &exporter,
        "tidegauge_lvm_pv_missing",
        &[("vg", "pair"), ("pv", &uuid)],
        1.0,
    );
    expect_value(
        &exporter,
        "tidegauge_lvm_pv_missing",
        &[("vg", "pair"), ("pv", &first)],
        0.0,
    );

    all.run(&format!(
        "dmsetup suspend leg && dmsetup load leg --table '{works}' && dmsetup resume leg"
    ));
    all.run("udevadm settle; vgextend -qq --restoremissing pair /dev/mapper/leg 2>/dev/null; lvchange --refresh pair/mirror");
    expect_value(&exporter, "tidegauge_dm_raid_degraded", &mirror, 0.0);
    expect_value(&exporter, "tidegauge_dm_raid_legs", &legs("in_sync"), 2.0);
    expect_value(
        &exporter,
        "tidegauge_lvm_vg_missing_pvs",
        &[("vg", "pair")],
        0.0,
    );
    exporter.stop();
}

#[test]
fn caches_agree_with_lvs() {
    needs!(
        "root",
        "binary",
        "lvs",
        "mkfs.ext4",
        "wipefs",
        "cache_check"
    );
    let all = Volumes::new();
    all.run("lvcreate -qq -y -L 64M -n cached vg_jts && lvcreate -qq -y --type cache-pool -L 16M -n fast vg_jts");
    all.run("lvconvert -qq -y --type cache --cachemode writeback --cachepool fast vg_jts/cached");
    all.run("lvcreate -qq -y -L 64M -n buffered vg_jts && lvcreate -qq -y -an -L 16M -n buffer vg_jts 2>&1");
    all.run("lvconvert -qq -y --type writecache --cachevol buffer vg_jts/buffered 2>&1");
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    for node in ["cached", "buffered"] {
        all.run(&format!(
            "for n in 1 2 3 4; do dd if=/dev/urandom of=/dev/vg_jts/{node} bs=64k count=16 oflag=direct conv=notrunc; \
             dd if=/dev/vg_jts/{node} of=/dev/null bs=64k count=32 iflag=direct; done 2>&1"
        ));
    }
    let agree = |lv: &str, field: &str, family: &str, unit: f64| {
        let labels = [("tier", "hot"), ("vg", "vg_jts"), ("lv", lv)];
        let seen = wait_until(LIMIT, || {
            let of_lvs: f64 = all
                .report("lvs", field, &format!("vg_jts/{lv}"))
                .parse()
                .unwrap();
            let found = sample(&exporter, family, &labels)?;
            ((found - of_lvs * unit).abs() < 0.5).then_some(of_lvs)
        });
        seen.unwrap_or_else(|| panic!("{family} is not {field}\n{}", exporter.log()))
    };
    let block = 65536.0;
    let total = agree(
        "cached",
        "cache_total_blocks",
        "tidegauge_dm_cache_size_bytes",
        block,
    );
    assert!(total > 0.0);
    agree(
        "cached",
        "cache_used_blocks",
        "tidegauge_dm_cache_used_bytes",
        block,
    );
    agree(
        "cached",
        "cache_dirty_blocks",
        "tidegauge_dm_cache_dirty_bytes",
        block,
    );
    let mut counted = 0.0;
    for (field, name) in [
        ("cache_read_hits", "read_hits"),
        ("cache_read_misses", "read_misses"),
        ("cache_write_hits", "write_hits"),
        ("cache_write_misses", "write_misses"),
    ] {
        counted += agree(
            "cached",
            field,
            &format!("tidegauge_dm_cache_{name}_total"),
            1.0,
        );
    }
    assert!(counted > 0.0);
    let info = [("lv", "cached"), ("write_mode", "writeback")];
    expect_value(&exporter, "tidegauge_dm_cache_info", &info, 1.0);
    let mode = [("lv", "cached"), ("mode", "rw")];
    expect_value(&exporter, "tidegauge_dm_cache_mode", &mode, 1.0);

    let total = agree(
        "buffered",
        "writecache_total_blocks",
        "tidegauge_dm_writecache_blocks",
        1.0,
    );
    let free = agree(
        "buffered",
        "writecache_free_blocks",
        "tidegauge_dm_writecache_free_blocks",
        1.0,
    );
    assert!(total > free, "{total} {free}");
    agree(
        "buffered",
        "writecache_writeback_blocks",
        "tidegauge_dm_writecache_writeback_blocks",
        1.0,
    );
    agree(
        "buffered",
        "writecache_error",
        "tidegauge_dm_writecache_error",
        1.0,
    );
    exporter.stop();
}

#[test]
fn each_volume_of_the_host_is_in_its_tier() {
    needs!(
        "root",
        "binary",
        "lvs",
        "mkfs.btrfs",
        "mkfs.ext4",
        "exportfs",
        "rpcbind",
        "mount.nfs",
        "wipefs"
    );
    let tiers = ThreeTiers::new();
    let config = format!(
        "{}collectors: {{dm: {{interval: 1s}}, lvm: {{interval: 1s}}}}\n",
        tiers.config()
    );
    let exporter = Exporter::start(&COLLECTORS, &config);
    for entry in fs::read_dir("/sys/block").unwrap() {
        let device = entry.unwrap().file_name().into_string().unwrap();
        let attribute = |name: &str| fs::read_to_string(format!("/sys/block/{device}/dm/{name}"));
        let Ok(name) = attribute("name") else {
            continue;
        };
        let name = name.trim();
        let Some((lv, layer)) = name.strip_prefix("vg_jts-").map(|rest| {
            let mut parts = rest.splitn(2, '-');
            (parts.next().unwrap(), parts.next().unwrap_or_default())
        }) else {
            continue;
        };
        let labels = [
            ("tier", "hot"),
            ("device", device.as_str()),
            ("dm_name", name),
            ("vg", "vg_jts"),
            ("lv", lv),
            ("layer", layer),
        ];
        expect_value(&exporter, "tidegauge_dm_info", &labels, 1.0);
        // The disk's own collector says the same.
        let disk = [("tier", "hot"), ("device", device.as_str())];
        expect(
            &exporter,
            "tidegauge_disk_read_bytes_total",
            &disk,
            "there",
            |found| found.is_some(),
        );
    }
    for lv in ["postgresql", "kafka", "export", "postgresql_snap"] {
        let size = shell(&format!(
            "lvs --noheadings --units b --nosuffix -o lv_size vg_jts/{lv}"
        ));
        let size: f64 = String::from_utf8_lossy(&size.stdout)
            .trim()
            .parse()
            .unwrap();
        let labels = [("tier", "hot"), ("vg", "vg_jts"), ("lv", lv)];
        expect_value(&exporter, "tidegauge_lvm_lv_size_bytes", &labels, size);
    }
    let group = [("tier", "hot"), ("vg", "vg_jts")];
    for (field, family) in [
        ("vg_size", "vg_size_bytes"),
        ("vg_free", "vg_free_bytes"),
        ("vg_extent_size", "vg_extent_size_bytes"),
        ("pv_count", "vg_pvs"),
        ("lv_count", "vg_lvs"),
        ("snap_count", "vg_snapshots"),
        ("vg_mda_free", "vg_mda_free_bytes"),
        ("vg_mda_size", "vg_mda_size_bytes"),
    ] {
        let value = shell(&format!(
            "vgs --noheadings --units b --nosuffix -o {field} vg_jts"
        ));
        let value: f64 = String::from_utf8_lossy(&value.stdout)
            .trim()
            .parse()
            .unwrap();
        expect_value(&exporter, &format!("tidegauge_lvm_{family}"), &group, value);
    }
    exporter.stop();
}

/// Whether LVM's own commands would wait.
fn is_locked() -> bool {
    let output = shell("lvs --config global/wait_for_locks=0 vg_jts");
    String::from_utf8_lossy(&output.stderr).contains("flock failed")
}

/// Processes named `lvm`.
fn processes() -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| {
        let name = fs::read_to_string(entry.path().join("comm"));
        name.is_ok_and(|name| name.trim() == "lvm")
    })
    .count()
}

#[test]
fn a_lock_of_another_command_holds_up_nothing_and_a_tool_that_hangs_only_itself() {
    needs!("root", "binary", "lvs", "mkfs.ext4", "wipefs");
    let all = Volumes::new();
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    let group = [("tier", "hot"), ("vg", "vg_jts")];
    let read = || {
        sample(
            &exporter,
            "tidegauge_lvm_last_reading_timestamp_seconds",
            &group,
        )
    };
    wait_until(LIMIT, read).expect("a first reading");
    let locks: Vec<File> = ["P_global", "V_vg_jts"]
        .iter()
        .map(|name| {
            let file = File::options()
                .create(true)
                .append(true)
                .open(format!("/run/lock/lvm/{name}"));
            let file = file.unwrap();
            flock(&file, FlockOperation::LockExclusive).unwrap();
            file
        })
        .collect();
    assert!(is_locked(), "LVM's own commands would wait");
    for _ in 0..3 {
        let before = read().unwrap();
        expect(
            &exporter,
            "tidegauge_lvm_last_reading_timestamp_seconds",
            &group,
            "later",
            |found| found.is_some_and(|found| found > before),
        );
        assert!(processes() <= 1);
    }
    let ok = [("vg", "vg_jts"), ("state", "ok")];
    expect_value(&exporter, "tidegauge_lvm_reading_state", &ok, 1.0);
    drop(locks);
    assert!(!is_locked());
    exporter.stop();

    // A program that hangs, and holds a lock for all we know.
    let tool = all.scratch.file("lvm", "#!/bin/sh\nexec sleep 1000\n");
    all.run(&format!("chmod 755 {}", tool.display()));
    // Far more than lvm takes under emulation: what is read below must be in time.
    let more = format!(", timeout: 3s, command: {:?}", tool.display().to_string());
    let exporter = Exporter::start(&COLLECTORS, &all.config(&more));
    let late = [("tier", "hot"), ("vg", "vg_jts"), ("state", "late")];
    expect_value(&exporter, "tidegauge_lvm_reading_state", &late, 1.0);
    expect_absent(&exporter, "tidegauge_lvm_vg_size_bytes", &group);
    expect(
        &exporter,
        "tidegauge_lvm_reading_failures_total",
        &late,
        "growing",
        |n| n.is_some_and(|n| n >= 2.0),
    );
    let volume = [
        ("tier", "hot"),
        ("vg", "vg_jts"),
        ("lv", "postgresql"),
        ("layer", ""),
    ];
    expect_value(&exporter, "tidegauge_dm_info", &volume, 1.0);
    // It is there again, and is read at once.
    fs::write(&tool, "#!/bin/sh\nexec /sbin/lvm \"$@\"\n").unwrap();
    expect(
        &exporter,
        "tidegauge_lvm_vg_size_bytes",
        &group,
        "there",
        |found| found.is_some(),
    );
    fs::remove_file(&tool).unwrap();
    let missing = [("vg", "vg_jts"), ("state", "tool_missing")];
    expect_value(&exporter, "tidegauge_lvm_reading_state", &missing, 1.0);
    exporter.stop();
}

/// The exporter as this user with these capabilities.
fn start_as(all: &Volumes, user: &[&str], capabilities: &str) -> Exporter {
    let list = format!("-all{capabilities}");
    let sets = [
        format!("--bounding-set={list}"),
        format!("--inh-caps={list}"),
        format!("--ambient-caps={list}"),
    ];
    let mut by = vec!["setpriv"];
    by.extend(user);
    by.extend(sets.iter().map(String::as_str));
    Exporter::start_by(&by, &COLLECTORS, &all.config(""))
}

#[test]
fn with_fewer_rights_it_tells_less_and_says_so() {
    needs!(
        "root",
        "binary",
        "lvs",
        "setpriv",
        "dmsetup",
        "mkfs.ext4",
        "wipefs"
    );
    let mut all = Volumes::new();
    // As the kernel makes it; the exporter's user need not enter what others have closed.
    all.run(&format!(
        "chmod 755 {} {}",
        all.scratch.path().display(),
        all.scratch.path().join("hot").display()
    ));
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let volume = [("tier", "hot"), ("vg", "vg_jts"), ("lv", "postgresql")];
    let group = [("tier", "hot"), ("vg", "vg_jts")];
    let free: f64 = all.report("vgs", "vg_free", "vg_jts").parse().unwrap();
    let of_dm = |state| [("dm_name", "vg_jts-postgresql"), ("state", state)];
    let of_lvm = |state| [("vg", "vg_jts"), ("state", state)];

    let exporter = start_as(&all, &nobody, "");
    expect_value(&exporter, "tidegauge_dm_info", &volume, 1.0);
    expect_value(&exporter, "tidegauge_dm_suspended", &volume, 0.0);
    expect_value(
        &exporter,
        "tidegauge_dm_reading_state",
        &of_dm("denied"),
        1.0,
    );
    expect_absent(&exporter, "tidegauge_dm_openers", &volume);
    expect_value(
        &exporter,
        "tidegauge_lvm_reading_state",
        &of_lvm("denied"),
        1.0,
    );
    expect_absent(&exporter, "tidegauge_lvm_vg_free_bytes", &group);
    for collector in ["dm", "lvm"] {
        let labels = [("collector", collector)];
        expect_value(&exporter, "tidegauge_collector_success", &labels, 1.0);
    }
    exporter.stop();

    let exporter = start_as(&all, &nobody, ",+dac_read_search,+sys_admin,+fowner");
    expect_value(&exporter, "tidegauge_dm_reading_state", &of_dm("ok"), 1.0);
    expect_value(&exporter, "tidegauge_dm_openers", &volume, 1.0);
    expect_value(&exporter, "tidegauge_lvm_reading_state", &of_lvm("ok"), 1.0);
    expect_value(&exporter, "tidegauge_lvm_vg_free_bytes", &group, free);
    exporter.stop();

    // LVM's program is root's: it needs no capability.
    let exporter = start_as(&all, &["--reuid=0"], "");
    expect_value(
        &exporter,
        "tidegauge_dm_reading_state",
        &of_dm("denied"),
        1.0,
    );
    expect_value(&exporter, "tidegauge_lvm_vg_free_bytes", &group, free);
    exporter.stop();

    // Unless it has to ask about a mapped device: then no disk is told as missing.
    let below = all.loop_device("32M");
    all.run(&format!(
        "echo '0 61440 linear {below} 2048' | dmsetup create mapped && udevadm settle"
    ));
    all.undo("dmsetup remove mapped");
    all.run("vgcreate -qq upper /dev/mapper/mapped && lvcreate -qq -y -L 8M -n volume upper");
    all.undo("vgremove -qq -ff -y upper; pvremove -qq -ff -y /dev/mapper/mapped");
    let exporter = start_as(&all, &["--reuid=0"], "");
    expect_value(
        &exporter,
        "tidegauge_lvm_reading_state",
        &of_lvm("denied"),
        1.0,
    );
    exporter.stop();
    let exporter = start_as(&all, &["--reuid=0"], ",+sys_admin");
    let upper = [("vg", "upper")];
    expect_value(&exporter, "tidegauge_lvm_vg_missing_pvs", &upper, 0.0);
    expect_value(&exporter, "tidegauge_lvm_vg_free_bytes", &group, free);
    exporter.stop();
}

#[test]
fn two_groups_of_one_name_are_both_told() {
    needs!("root", "binary", "lvs", "mkfs.ext4", "wipefs");
    let mut all = Volumes::new();
    for size in ["32M", "64M"] {
        let node = all.loop_device(size);
        // udev may not have removed the folder of the first one's volume yet, which LVM takes for a name in use.
        all.run("udevadm settle; rm -rf /dev/twin");
        all.run(&format!("vgcreate -qq --devices {node} twin {node}"));
        all.undo(&format!(
            "vgremove -qq -ff -y --devices {node} twin; pvremove -qq -ff -y --devices {node} {node}"
        ));
        all.run(&format!(
            "lvcreate -qq -y -an -Zn --devices {node} -L 8M -n volume twin 2>&1"
        ));
    }
    all.run("udevadm settle");
    let exporter = Exporter::start(&COLLECTORS, &all.config(""));
    let groups = all.run(
        "vgs --noheadings --units b --nosuffix -o vg_uuid,vg_size -S vg_name=twin 2>/dev/null",
    );
    let groups: Vec<Vec<&str>> = groups
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.len() == 2)
        .collect();
    assert_eq!(groups.len(), 2, "{groups:?}");
    for words in &groups {
        let name = format!("twin@{}", &words[0][..6]);
        let labels = [("vg", name.as_str())];
        expect_value(
            &exporter,
            "tidegauge_lvm_vg_size_bytes",
            &labels,
            words[1].parse().unwrap(),
        );
        let volume = [("vg", name.as_str()), ("lv", "volume")];
        expect_value(
            &exporter,
            "tidegauge_lvm_lv_size_bytes",
            &volume,
            f64::from(8 << 20),
        );
    }
    exporter.stop();
}
