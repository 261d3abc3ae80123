//! NVMe controllers that answer as the files of a folder say: `nvme0/identify`, `nvme0/identify-19` (by CNS),
//! `nvme0/log-09-1` (by log page and log specific identifier). Lines are `offset kind value`; all else is zero.
//! `status 0x4006`: the controller answers so; `length 12`: only so much of the answer came, the rest is FFh.
//! What has no file is refused as an invalid log page.

use std::io;
use std::path::{Path, PathBuf};

use tidegauge_exporter::device::nvme::{Admin, Ask, CommandError, IDENTIFY_LENGTH, LogPage};

/// The folder of recordings.
pub struct Recorded(pub PathBuf);

struct Controller(PathBuf);

impl Ask for Recorded {
    fn open(&self, node: &Path) -> io::Result<Box<dyn Admin>> {
        let folder = self.0.join(node.file_name().unwrap());
        assert!(folder.is_dir(), "{} is not to be asked", node.display());
        Ok(Box::new(Controller(folder)))
    }
}

impl Admin for Controller {
    fn identify(&self, what: u8, buffer: &mut [u8; IDENTIFY_LENGTH]) -> Result<(), CommandError> {
        match what {
            1 => self.answer("identify", buffer),
            other => self.answer(&format!("identify-{other:02x}"), buffer),
        }
    }

    fn log_page(&self, page: LogPage, buffer: &mut [u8]) -> Result<(), CommandError> {
        self.answer(&format!("log-{:02x}-{}", page.id, page.index), buffer)
    }
}

impl Controller {
    fn answer(&self, file: &str, buffer: &mut [u8]) -> Result<(), CommandError> {
        let Ok(text) = std::fs::read_to_string(self.0.join(file)) else {
            return Err(CommandError::Status(0x4109));
        };
        for line in text.lines() {
            let line = line.split('#').next().unwrap().trim();
            let mut words = line.splitn(3, ' ');
            let Some(first) = words.next().filter(|word| !word.is_empty()) else {
                continue;
            };
            let second = words.next().unwrap();
            match (first, words.next()) {
                ("status", None) => return Err(CommandError::Status(number(second) as u16)),
                ("length", None) => buffer[number(second) as usize..].fill(0xFF),
                (offset, Some(value)) => put(buffer, number(offset) as usize, second, value),
                _ => panic!("{file}: {line}"),
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> u128 {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

fn put(buffer: &mut [u8], offset: usize, kind: &str, value: &str) {
    if kind == "text" {
        buffer[offset..offset + value.len()].copy_from_slice(value.as_bytes());
        return;
    }
    let bits: usize = kind.strip_prefix('u').unwrap().parse().unwrap();
    let bytes = number(value).to_le_bytes();
    assert!(bytes[bits / 8..].iter().all(|byte| *byte == 0), "{value}");
    buffer[offset..offset + bits / 8].copy_from_slice(&bytes[..bits / 8]);
}
