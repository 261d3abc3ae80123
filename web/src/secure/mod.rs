//! TLS, passwords and limits of the server, as a web configuration asks for them: the format of
//! Prometheus's exporter-toolkit. The file, and the certificates and keys that it names, may change
//! while the server runs.

mod clients;
mod config;
mod duration;
mod files;
mod login;
mod material;
mod names;
mod node;
mod password;
mod rate;
mod san;
mod section;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;

use self::files::Files;
use self::login::{Credentials, Gate, Login, Users};
use self::rate::Bucket;
use self::section::Findings;
use super::stats::HttpStats;
use crate::problem::Problem;

/// What a web configuration asks for, made ready to serve.
pub struct Active {
    /// How to speak TLS; `None`: not at all.
    pub tls: Option<Tls>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    users: Option<Users>,
    rate: Option<config::RateLimit>,
}

/// How to speak TLS.
#[derive(Clone)]
pub struct Tls {
    /// For new connections.
    pub server: Arc<ServerConfig>,
    /// Whether a client's certificate was verified when it is there.
    pub verifies: bool,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It gives no password, or a wrong one.
    Unauthorized,
    /// There were too many; so long until the next may come.
    TooMany(Duration),
    /// Too many wait for their password to be compared.
    Busy,
}

/// Keeps to a web configuration, and to what becomes of it.
pub struct Security {
    file: PathBuf,
    stats: Arc<HttpStats>,
    began: Instant,
    gate: Gate,
    state: Mutex<State>,
}

struct State {
    active: Arc<Active>,
    files: Files,
    bucket: Option<Bucket>,
    /// What was said of the file as it is now, not to say it again.
    complaint: Option<String>,
}

/// What came of reading a web configuration and all that it names.
struct Reading {
    active: Result<Active, Vec<Problem>>,
    warnings: Vec<Problem>,
    files: Files,
}

fn read(file: &Path) -> Reading {
    let mut files = Files::new();
    let mut findings = Findings::default();
    let text = files.read(file).map(String::from_utf8);
    let active = match text {
        Ok(Ok(text)) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            let config = config::parse(&text, folder, &mut findings);
            let server = config
                .tls
                .as_ref()
                .and_then(|tls| material::server_config(tls, &mut files, &mut findings));
            let tls = config.tls.zip(server).map(|(tls, server)| Tls {
                server: Arc::new(server),
                verifies: tls.client_auth.verifies(),
            });
            Some(Active {
                tls,
                headers: config.headers,
                users: Users::new(config.users),
                rate: config.rate,
            })
        }
        Ok(Err(_)) => {
            findings
                .problems
                .push(Problem::of_file("it is not UTF-8", ""));
            None
        }
        Err(error) => {
            findings.problems.push(Problem::of_file(
                format!("cannot be read: {error}"),
                "check the name and its rights",
            ));
            None
        }
    };
    let Findings {
        mut problems,
        mut warnings,
    } = findings;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    Reading {
        active: match active {
            Some(active) if problems.is_empty() => Ok(active),
            _ => Err(problems),
        },
        warnings,
        files,
    }
}

/// Checks a web configuration and all that it names: what is worth knowing, or what is wrong.
///
/// # Errors
/// Every mistake found, in the order of their lines.
pub fn check(file: &Path) -> Result<Vec<Problem>, Vec<Problem>> {
    let reading = read(file);
    reading.active.map(|_| reading.warnings)
}

impl Security {
    /// Reads a web configuration.
    ///
    /// # Errors
    /// Every mistake found, in the order of their lines.
    pub fn open(file: &Path, stats: Arc<HttpStats>) -> Result<Self, Vec<Problem>> {
        let reading = read(file);
        let active = reading.active?;
        log_warnings(file, &reading.warnings);
        let gate = Gate::new().map_err(|_| {
            vec![Problem::of_file(
                "the system has no random numbers to give",
                "",
            )]
        })?;
        stats.web_config_read(true);
        let bucket = active.rate.map(Bucket::new);
        Ok(Self {
            file: file.to_owned(),
            stats,
            began: Instant::now(),
            gate,
            state: Mutex::new(State {
                active: Arc::new(active),
                files: reading.files,
                bucket,
                complaint: None,
            }),
        })
    }

    /// Whether TLS is spoken, which stays as it was at the start.
    pub fn speaks_tls(&self) -> bool {
        self.state().active.tls.is_some()
    }

    /// Whether passwords are asked for now.
    pub fn asks_passwords(&self) -> bool {
        self.state().active.users.is_some()
    }

    /// As the files are now. Costs a stat for each of them, and reads them when they changed; when they
    /// are wrong then, it stays as it was.
    pub fn current(&self) -> Arc<Active> {
        let mut state = self.state();
        if !state.files.unchanged() {
            self.read_again(&mut state);
        }
        Arc::clone(&state.active)
    }

    fn read_again(&self, state: &mut State) {
        let reading = read(&self.file);
        let same = reading.files.same_content(&state.files);
        state.files = reading.files;
        if same {
            // Touched only; logins need not be forgotten.
            return;
        }
        let active = reading.active.and_then(|active| {
            if active.tls.is_some() == state.active.tls.is_some() {
                Ok(active)
            } else {
                Err(vec![Problem::of_file(
                    "TLS cannot be switched on or off while tidegauge runs",
                    "restart it",
                )])
            }
        });
        self.stats.web_config_read(active.is_ok());
        match active {
            Ok(active) => {
                log_warnings(&self.file, &reading.warnings);
                tracing::info!(file = %self.file.display(), "the web configuration has changed and is in use");
                if state.bucket.as_ref().map(Bucket::limit) != active.rate {
                    state.bucket = active.rate.map(Bucket::new);
                }
                state.active = Arc::new(active);
                state.complaint = None;
            }
            Err(problems) => {
                let told: Vec<_> = problems.iter().map(|p| p.show(&self.file)).collect();
                let complaint = told.join("; ");
                if state.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(
                        reason = complaint,
                        "the web configuration has changed and is wrong; what was read before stays in use"
                    );
                }
                state.complaint = Some(complaint);
            }
        }
    }

    /// Whether a request may be answered: `Ok(true)` when it gave a password, `Ok(false)` when none is
    /// asked for.
    pub async fn admit(&self, active: &Active, headers: &HeaderMap) -> Result<bool, Refusal> {
        self.take_token(self.began.elapsed())
            .map_err(Refusal::TooMany)?;
        let Some(users) = &active.users else {
            return Ok(false);
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| Credentials::of_header(value.as_bytes()))
            .ok_or(Refusal::Unauthorized)?;
        match self.gate.login(users, given).await {
            Login::Right => Ok(true),
            Login::Wrong => Err(Refusal::Unauthorized),
            Login::Busy => Err(Refusal::Busy),
        }
    }

    fn take_token(&self, now: Duration) -> Result<(), Duration> {
        self.state()
            .bucket
            .as_mut()
            .map_or(Ok(()), |bucket| bucket.take(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_warnings(file: &Path, warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!(warning = warning.show(file), "web configuration");
    }
}

/// Keys and hashes are in there: only the file's name is shown.
impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
