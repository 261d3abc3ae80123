//! What systemd is told, and what it asks: readiness, watchdog, stopping.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegauge_rig::{Scratch, needs};

struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ready_then_alive_then_stopping() {
    needs!("binary");
    let scratch = Scratch::new("notify");
    let path = scratch.path().join("s");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("systemd is told something");
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    let mut exporter = Kill(
        Command::new(binary)
            .args([
                "exporter",
                "--web.listen-address=127.0.0.1:0",
                "--log.level=error",
            ])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "200000")
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap(),
    );
    assert_eq!(next(), "READY=1");
    assert_eq!(next(), "WATCHDOG=1");
    assert_eq!(next(), "WATCHDOG=1");
    let pid = rustix::process::Pid::from_child(&exporter.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let stopping = (0..10).any(|_| next() == "STOPPING=1");
    assert!(stopping);
    assert_eq!(exporter.0.wait().unwrap().code(), Some(0));
}
