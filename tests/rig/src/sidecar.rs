//! The program under test, as `tidegauge alerts`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::daemon::{Daemon, free_port};
use crate::exporter::binary;
use crate::prometheus::percent_encode;
use crate::scratch::Scratch;

/// A running sidecar on a port of its own; killed when dropped. Its state folder is the caller's, so that it
/// outlives it.
#[derive(Debug)]
pub struct Sidecar {
    daemon: Daemon,
}

impl Sidecar {
    /// Starts `tidegauge alerts` with a configuration and a state folder, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready, with its log.
    pub fn start(state: &Path, config: &str, arguments: &[&str]) -> Self {
        let scratch = Scratch::new("sidecar");
        let config = scratch.file("tidegauge.yml", config);
        let address = format!("127.0.0.1:{}", free_port());
        let mut all: Vec<OsString> = vec![
            "alerts".into(),
            "--config".into(),
            config.into(),
            "--state-dir".into(),
            state.into(),
        ];
        all.extend(["--web.listen-address", &address].map(OsString::from));
        all.extend(arguments.iter().map(OsString::from));
        let program = binary();
        Self {
            daemon: Daemon::start(program.as_ref(), all, &address, ("/-/ready", 200), scratch),
        }
    }

    /// As [`Sidecar::start`], together with the exporter: `tidegauge run`.
    ///
    /// # Panics
    /// As [`Sidecar::start`].
    pub fn start_with_exporter(state: &Path, config: &str, arguments: &[&str]) -> Self {
        let scratch = Scratch::new("run");
        let config = scratch.file("tidegauge.yml", config);
        let (address, exporter) = (free_port(), free_port());
        let address = format!("127.0.0.1:{address}");
        let exporter = format!("127.0.0.1:{exporter}");
        let mut all: Vec<OsString> = vec![
            "run".into(),
            "--config".into(),
            config.into(),
            "--state-dir".into(),
            state.into(),
        ];
        all.extend(["--web.listen-address", &exporter].map(OsString::from));
        all.extend(["--alerts.listen-address", &address].map(OsString::from));
        all.extend(arguments.iter().map(OsString::from));
        let program = binary();
        Self {
            daemon: Daemon::start(program.as_ref(), all, &address, ("/-/ready", 200), scratch),
        }
    }

    /// As `127.0.0.1:4711`.
    pub fn address(&self) -> &str {
        self.daemon.address()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// All that it logged so far.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Its configuration file, to be rewritten before a reload.
    pub fn config_file(&self) -> PathBuf {
        self.daemon.scratch().path().join("tidegauge.yml")
    }

    /// Sends it a signal, as SIGHUP to reload.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Ends it by SIGKILL and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(mut self) {
        self.daemon.signal(Signal::KILL);
        assert!(self.daemon.wait().is_some(), "it outlives SIGKILL");
    }

    /// What is under `data` in the answer of an API path.
    ///
    /// # Panics
    /// When it answers with an error.
    pub fn api(&self, path: &str) -> Value {
        let response = self
            .daemon
            .get(path, &[])
            .unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()));
        let mut answer: Value = serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("{path}: {error}: {response:?}"));
        assert_eq!(answer["status"], "success", "{path}: {answer:#}");
        answer["data"].take()
    }

    /// The result of an instant query now.
    ///
    /// # Panics
    /// When the query is refused.
    pub fn query(&self, expression: &str) -> Value {
        self.api(&format!(
            "/api/v1/query?query={}",
            percent_encode(expression)
        ))["result"]
            .take()
    }
}
