//! QEMU's monitor from within the guest: the virtio serial port `tidegauge.qmp` (QMP, one JSON object a line).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::fs::OFlags;
use serde_json::{Value, json};
use tidegauge_rig::wait_until;

const LIMIT: Duration = Duration::from_secs(30);

/// An open monitor.
pub struct Monitor {
    port: File,
    /// Read, and not yet a whole line.
    rest: Vec<u8>,
}

impl Monitor {
    /// Opens it and agrees on its capabilities, which once is enough for all of the boot.
    pub fn open() -> Self {
        let port = fs::read_dir("/sys/class/virtio-ports")
            .unwrap()
            .map(|entry| entry.unwrap())
            .find(|port| {
                let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
                name.trim() == "tidegauge.qmp"
            })
            .expect("the machine has it");
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(format!("/dev/{}", port.file_name().to_string_lossy()))
            .unwrap();
        let mut monitor = Self {
            port,
            rest: Vec::new(),
        };
        // Refused when an earlier test did it.
        let _ = monitor.ask(&json!({"execute": "qmp_capabilities"}));
        monitor
    }

    /// Sets a property of a device.
    pub fn set(&mut self, device: &str, property: &str, value: &Value) {
        let arguments = json!({
            "path": format!("/machine/peripheral/{device}"),
            "property": property,
            "value": value,
        });
        let answer = self.ask(&json!({"execute": "qom-set", "arguments": arguments}));
        assert!(answer.get("return").is_some(), "{answer}");
    }

    /// The answer to a command: an object with `return` or `error`.
    fn ask(&mut self, command: &Value) -> Value {
        self.port
            .write_all(format!("{command}\n").as_bytes())
            .unwrap();
        let answer = wait_until(LIMIT, || {
            self.fill();
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line: Value = serde_json::from_slice(&line).unwrap();
                // Others are the greeting and events.
                if line.get("return").or(line.get("error")).is_some() {
                    return Some(line);
                }
            }
            None
        });
        answer.expect("QEMU answers")
    }

    fn fill(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.port.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => self.rest.extend(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
