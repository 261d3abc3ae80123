//! Boots the virtual machine once; its tests are in `tests/vm/guest`.

use std::process::Command;

use tidegauge_rig::needs;

#[test]
fn tests_pass_in_the_guest() {
    needs!(
        "root",
        "loop",
        "binary",
        "qemu-system-x86_64",
        "depmod",
        "busybox",
        "python3",
        "apt-get",
        "jq",
        "xfs_quota",
        "setquota",
        "chattr",
        "setpriv"
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/boot.sh");
    let output = Command::new(script).output().expect("it is a script");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    println!("{text}");
}
