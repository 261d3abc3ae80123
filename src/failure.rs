//! What a command ends with when it cannot do its work.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{ConfigError, Problem};

/// A message and an exit code: 1 when something failed, 2 when usage or configuration is wrong and
/// nothing was done.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// Usage or configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }

    /// A file is wrong: every mistake found in it.
    pub fn wrong(file: &Path, problems: Vec<Problem>) -> Self {
        let path = file.to_owned();
        ConfigError::Wrong { path, problems }.into()
    }

    /// Something failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// With the exit code of monitoring plugins for "unknown".
    #[must_use]
    pub fn into_unknown(self) -> Self {
        Self { code: 3, ..self }
    }

    /// Prints the message to standard error; the exit code.
    pub fn report(self) -> ExitCode {
        eprintln!("tidegauge: {}", self.message.replace('\n', "\ntidegauge: "));
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Writes to standard output. Nobody who reads any more (`tidegauge discover | head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}
