//! The machine of the product's first user, small: a hot volume group on NVMe, a warm btrfs on two SATA disks,
//! a cold NAS by NFS whose server is this kernel too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidegauge_rig::Scratch;

/// Taken down when dropped, in the reverse order, whatever failed.
pub struct ThreeTiers {
    /// Where all is mounted.
    pub scratch: Scratch,
    /// To run at the end, last first.
    undo: Vec<String>,
}

impl ThreeTiers {
    /// Makes and mounts all three.
    pub fn new() -> Self {
        let mut all = Self {
            scratch: Scratch::new("tiers"),
            undo: Vec::new(),
        };
        all.hot();
        all.warm();
        all.cold();
        all
    }

    /// Where this tier is mounted.
    pub fn path(&self, tier: &str) -> PathBuf {
        self.scratch.path().join(tier)
    }

    /// As a configuration file.
    pub fn config(&self) -> String {
        let tier = |name: &str| {
            let path = self.path(name);
            // The hot tier's path is the folder of its volumes' mount points.
            let mounted = name != "hot";
            format!("  - {{name: {name}, paths: [{path:?}], require_mount: {mounted}}}\n")
        };
        format!("tiers:\n{}{}{}", tier("hot"), tier("warm"), tier("cold"))
    }

    fn hot(&mut self) {
        let device = namespace("TG0001", 1);
        self.run(&format!(
            "wipefs -qa {device}; pvcreate -qq -ff -y --dataalignment 4m {device}"
        ));
        self.undo.push(format!("pvremove -qq -ff -y {device}"));
        self.run(&format!("vgcreate -qq -s 4m vg_jts {device}"));
        self.undo.push("vgremove -qq -ff -y vg_jts".into());
        for (name, size) in [
            ("postgresql", "512M"),
            ("kafka", "256M"),
            ("export", "256M"),
        ] {
            self.run(&format!("lvcreate -qq -y -L {size} -n {name} vg_jts"));
            self.run(&format!("mkfs.ext4 -q /dev/vg_jts/{name}"));
        }
        self.mount(
            "ext4",
            "noatime",
            "/dev/vg_jts/postgresql",
            "hot/postgresql",
        );
        self.mount("ext4", "noatime", "/dev/vg_jts/kafka", "hot/kafka");
        self.run("lvcreate -qq -y -s -L 64M -n postgresql_snap vg_jts/postgresql");
    }

    fn warm(&mut self) {
        let disks = [disk("TGSATA1"), disk("TGSATA2")];
        let [first, second] = &disks;
        self.run(&format!(
            "mkfs.btrfs -q -f -d single -m raid1 {first} {second} && btrfs device scan {first} {second}"
        ));
        self.undo.push(format!("wipefs -qa {first} {second}"));
        self.mount("btrfs", "compress=zstd:3,noatime", first, "warm");
    }

    fn cold(&mut self) {
        self.mount("ext4", "noatime", "/dev/vg_jts/export", "export");
        let export = self.path("export").display().to_string();
        self.run("mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd");
        self.run("mkdir -p /var/lib/nfs/v4recovery /var/lib/nfs/sm && touch /var/lib/nfs/etab /var/lib/nfs/rmtab");
        self.undo
            .push("rpc.nfsd 0; pkill -x rpc.mountd; pkill -x rpcbind; exportfs -ua".into());
        self.run(&format!(
            "rpcbind -w; exportfs -o rw,no_root_squash,insecure,fsid=7 127.0.0.1:{export} && rpc.nfsd 4 && rpc.mountd"
        ));
        let options = "vers=3,tcp,nolock,hard,timeo=600,retrans=2,rsize=1048576,wsize=1048576";
        self.mount("nfs", options, &format!("127.0.0.1:{export}"), "cold");
    }

    fn mount(&mut self, kind: &str, options: &str, source: &str, at: &str) {
        let at = self.path(at);
        fs::create_dir_all(&at).unwrap();
        let at = at.display();
        self.run(&format!("mount -t {kind} -o {options} {source} {at}"));
        self.undo.push(format!("umount {at} || umount -f -l {at}"));
    }

    fn run(&self, script: &str) {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }
}

impl Drop for ThreeTiers {
    fn drop(&mut self) {
        while let Some(script) = self.undo.pop() {
            let _ = Command::new("sh").args(["-c", &script]).output();
        }
    }
}

/// The node of the NVMe namespace of this number on the drive with this serial number.
pub fn namespace(serial: &str, nsid: u32) -> String {
    find("nvme", |folder| {
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
        read("device/serial").trim() == serial && read("nsid").trim() == nsid.to_string()
    })
}

/// The node of the SATA or SCSI disk with this serial number.
pub fn disk(serial: &str) -> String {
    find("sd", |folder| {
        let page = fs::read(folder.join("device/vpd_pg80")).unwrap_or_default();
        String::from_utf8_lossy(&page).contains(serial)
    })
}

fn find(prefix: &str, is_it: impl Fn(&Path) -> bool) -> String {
    let found = fs::read_dir("/sys/block")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        // The hidden paths to a namespace of several controllers (nvme1c0n1) have no node.
        .filter(|entry| entry.path().join("dev").exists())
        .find(|entry| is_it(&entry.path()))
        .expect("the machine has it");
    format!("/dev/{}", found.file_name().to_string_lossy())
}
