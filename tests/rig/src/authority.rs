//! A certificate authority, made with `openssl`: other code than that which verifies what it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch::Scratch;

/// A certificate authority of its own, with its files in a folder that the test keeps.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    name: String,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM
    pub certificate: PathBuf,
    /// PEM, not encrypted
    pub key: PathBuf,
}

impl Authority {
    /// Makes one. Its name is that of its files, too.
    ///
    /// # Panics
    /// When `openssl` fails, with what it said.
    pub fn new(scratch: &Scratch, name: &str) -> Self {
        let authority = Self {
            folder: scratch.path().to_owned(),
            name: name.to_owned(),
        };
        openssl(
            &authority.folder,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                 -subj /CN={name} -keyout {name}.key -out {name}.pem"
            ),
        );
        authority
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Signs a certificate for a subject (and name of its files) with these alternative names, as
    /// `DNS:a.example,IP:127.0.0.1`. It holds for so many days from now on; with fewer than none it
    /// has expired.
    ///
    /// # Panics
    /// When `openssl` fails, with what it said.
    pub fn issue(&self, subject: &str, alternative_names: &str, days: i32) -> Identity {
        let ca = &self.name;
        openssl(
            &self.folder,
            &format!(
                "req -newkey rsa:2048 -nodes -subj /CN={subject} \
                 -addext subjectAltName={alternative_names} -keyout {subject}.key -out {subject}.csr"
            ),
        );
        openssl(
            &self.folder,
            &format!(
                "x509 -req -in {subject}.csr -CA {ca}.pem -CAkey {ca}.key -copy_extensions copy \
                 -days {days} -out {subject}.pem"
            ),
        );
        Identity {
            certificate: self.folder.join(format!("{subject}.pem")),
            key: self.folder.join(format!("{subject}.key")),
        }
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl: {error}"));
    assert!(
        output.status.success(),
        "openssl {arguments}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
