//! The program under test, as `tidegauge exporter`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::daemon::{Daemon, free_port};
use crate::http::Response;
use crate::scratch::{Scratch, target};

/// Where the program is: `TIDEGAUGE_BIN`, else the release build.
pub(crate) fn binary() -> PathBuf {
    env::var_os("TIDEGAUGE_BIN").map_or_else(|| target().join("release/tidegauge"), PathBuf::from)
}

/// A running exporter on a port of its own; ended when dropped.
#[derive(Debug)]
pub struct Exporter {
    daemon: Daemon,
}

/// How an exporter ended.
#[derive(Debug)]
pub struct Stopped {
    /// `None` when a signal ended it
    pub code: Option<i32>,
    /// All that it logged
    pub log: String,
}

impl Exporter {
    /// Starts `tidegauge exporter --config FILE --web.listen-address ADDR` with more arguments, and
    /// waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready, with its log.
    pub fn start(arguments: &[&str], config: &str) -> Self {
        Self::start_answering(200, arguments, config)
    }

    /// As [`Exporter::start`], for one that answers a plain request otherwise once it is ready: 401 when it
    /// asks for a password, 400 when it speaks TLS.
    ///
    /// # Panics
    /// As [`Exporter::start`].
    pub fn start_answering(status: u16, arguments: &[&str], config: &str) -> Self {
        Self::start_all(&[], status, arguments, config)
    }

    /// As [`Exporter::start`], by a program that becomes it in the end: `["setpriv", "--reuid=1"]`.
    ///
    /// # Panics
    /// As [`Exporter::start`].
    pub fn start_by(by: &[&str], arguments: &[&str], config: &str) -> Self {
        Self::start_all(by, 200, arguments, config)
    }

    fn start_all(by: &[&str], status: u16, arguments: &[&str], config: &str) -> Self {
        let scratch = Scratch::new("exporter");
        let config = scratch.file("tidegauge.yml", config);
        let address = format!("127.0.0.1:{}", free_port());
        let mut all: Vec<OsString> = by.iter().map(OsString::from).collect();
        all.extend([
            binary().into(),
            "exporter".into(),
            "--config".into(),
            config.into(),
        ]);
        all.extend(["--web.listen-address", &address].map(OsString::from));
        all.extend(arguments.iter().map(OsString::from));
        let program = all.remove(0);
        Self {
            daemon: Daemon::start(&program, all, &address, ("/-/ready", status), scratch),
        }
    }

    /// As `http://127.0.0.1:4711`.
    pub fn url(&self) -> String {
        format!("http://{}", self.daemon.address())
    }

    /// As `127.0.0.1:4711`: a scrape's target.
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

    /// Asks it for a path.
    ///
    /// # Errors
    /// When no whole answer comes in time.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        self.daemon.get(path, headers)
    }

    /// Sends it a signal, as SIGHUP to reload.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Sends SIGTERM and waits for the end, which must come in time and with exit code 0.
    ///
    /// A thread of it that waits in a [`HangFs`](crate::HangFs) keeps the process: release that first.
    ///
    /// # Panics
    /// When it does not end, or ends otherwise, with its log.
    pub fn stop(mut self) -> Stopped {
        self.daemon.signal(Signal::TERM);
        let status = self.daemon.wait();
        let log = self.log();
        let status = status.unwrap_or_else(|| panic!("the exporter outlives SIGTERM\n{log}"));
        assert_eq!(
            status.code(),
            Some(0),
            "the exporter ended with {status}\n{log}"
        );
        Stopped {
            code: status.code(),
            log,
        }
    }
}
