//! What ends a FUSE filesystem whose server was killed.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::mount::{minor_of, run};

/// Where the kernel lets a FUSE connection be cut off (fusectl, Documentation/filesystems/fuse.rst).
const CONNECTIONS: &str = "/sys/fs/fuse/connections";

/// A process that cuts off and unmounts a FUSE filesystem at the latest when this process dies.
///
/// It must be another process. A killed one with a thread that hangs in its own filesystem is never
/// gone: the thread waits for an answer from its own process, and keeps the connection open.
#[derive(Debug)]
pub(crate) struct Lifeline {
    child: Child,
}

/// Waits for the end of its input, or for a signal; then ends the connection $0 and unmounts $1.
const CUT: &str = r#"trap : TERM; read -r _; echo 1 >"$0/abort"; umount --lazy "$1""#;

impl Lifeline {
    pub(crate) fn new(at: &Path) -> Self {
        let minor = minor_of(at).unwrap_or_else(|| panic!("{} is not mounted", at.display()));
        let connection = Path::new(CONNECTIONS).join(minor);
        if !connection.exists() {
            // systemd has it mounted always; left mounted, as every host has it.
            run(Command::new("mount").args(["-t", "fusectl", "fusectl", CONNECTIONS]));
        }
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "sh", "-c", CUT])
            .args([&*connection, at])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The test runner kills a test with all of its group; this one is needed then.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start setpriv (of util-linux): {error}"));
        Self { child }
    }

    /// Cuts the filesystem off, and waits until that is done.
    pub(crate) fn cut(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("rig: cannot wait for a FUSE connection's end: {error}");
        }
    }
}
