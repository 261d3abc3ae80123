//! The three tiers and, beside their cold one, a second export for all versions of NFS.

use std::fs;
use std::process::Command;

use crate::three_tiers::ThreeTiers;

/// The mounts of the second export; taken down when dropped, whatever failed, with a server that answers.
pub struct Nas {
    tiers: ThreeTiers,
}

impl Nas {
    /// Starts all. The second export lies in memory; the root of version 4 must be one (fsid=0), because the
    /// machine's root is none that can be exported.
    pub fn new() -> Self {
        let nas = Self {
            tiers: ThreeTiers::new(),
        };
        let export = nas.folder("second");
        run(&format!(
            "mount -t tmpfs -o size=64m tmpfs {export} && mkdir {export}/sub"
        ));
        let options = "rw,no_root_squash,insecure,fsid=0";
        for client in ["127.0.0.1", "[::1]"] {
            run(&format!("exportfs -o {options} '{client}:{export}'"));
        }
        // As short as the kernel lets it be: for so long nobody may open files after a start.
        nas.stop();
        for file in ["nfsv4leasetime", "nfsv4gracetime"] {
            run(&format!("echo 10 > /proc/fs/nfsd/{file}"));
        }
        nas.start();
        nas
    }

    /// Stops the server: its ports are closed.
    pub fn stop(&self) {
        run("rpc.nfsd 0");
    }

    /// Starts it.
    pub fn start(&self) {
        run("rpc.nfsd 4");
    }

    /// Starts it at another port.
    pub fn start_at(&self, port: u16) {
        run(&format!("rpc.nfsd -p {port} 4"));
    }

    /// Where something is mounted. Nothing is looked up: that could take for ever.
    pub fn path(&self, name: &str) -> String {
        self.tiers.path(name).display().to_string()
    }

    fn folder(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The second export, by its path as version 3 wants it.
    pub fn second_export(&self) -> String {
        format!("127.0.0.1:{}", self.tiers.path("second").display())
    }

    /// Mounts it once more.
    pub fn mount(&self, at: &str, options: &str, source: &str) {
        let at = self.folder(at);
        run(&format!("mount -t nfs -o {options} {source} {at}"));
    }

    /// Shows a mount at a second place.
    pub fn bind(&self, what: &str, at: &str) {
        run(&format!(
            "mount --bind {} {}",
            self.path(what),
            self.folder(at)
        ));
    }

    /// As a configuration file: the three tiers and one for each of the mounts.
    pub fn config(&self) -> String {
        let mut config = self.tiers.config();
        for tier in ["four", "six", "far"] {
            let path = self.tiers.path(tier);
            config += &format!("  - {{name: {tier}, paths: [{path:?}], require_mount: true}}\n");
        }
        config
    }
}

impl Drop for Nas {
    fn drop(&mut self) {
        // A stopped server would hold up every unmounting.
        let _ = sh("rpc.nfsd 0; rpc.nfsd 4");
        for at in ["far", "six", "four-bound", "four-again", "four"] {
            unmount(&self.path(at));
        }
        let second = self.path("second");
        for client in ["127.0.0.1", "[::1]"] {
            let _ = sh(&format!("exportfs -u '{client}:{second}'; exportfs -f"));
        }
        unmount(&second);
    }
}

fn unmount(at: &str) {
    let _ = sh(&format!(
        "! mountpoint -q {at} || timeout 20 umount {at} || umount -f -l {at}"
    ));
}

fn sh(script: &str) -> std::io::Result<std::process::Output> {
    Command::new("timeout")
        .args(["120", "sh", "-c", script])
        .output()
}

fn run(script: &str) {
    let output = sh(script).unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}
