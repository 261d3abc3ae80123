//! Real Prometheus servers and promtool, of the versions that `tests/peers.sh` unpacks.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::{Daemon, free_port};
use crate::scratch::{Scratch, peers};
use crate::wait::wait_until;

/// For a query to have an answer: some scrapes, one a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Which Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// 2.42, an old scraper
    V2,
    /// 3, the oracle
    V3,
}

impl Which {
    fn program(self, name: &str) -> PathBuf {
        let folder = match self {
            Self::V2 => "prometheus2",
            Self::V3 => "prometheus3",
        };
        peers().join(folder).join("usr/bin").join(name)
    }
}

/// Targets that Prometheus scrapes alike.
#[derive(Debug)]
pub struct Job<'a> {
    /// Their label `job`.
    pub name: &'a str,
    /// Addresses as `127.0.0.1:10733`.
    pub targets: &'a [&'a str],
    /// Whatever else its configuration has for a job, as a map: `scheme`, `tls_config`, `basic_auth`.
    pub settings: Value,
}

/// A running Prometheus; ended when dropped, its data removed.
///
/// It scrapes every second: itself as `job="prometheus"`, its targets as `job="tidegauge"`.
#[derive(Debug)]
pub struct Prometheus {
    daemon: Daemon,
}

impl Prometheus {
    /// Starts one. `targets` are addresses as `127.0.0.1:10733`; `scrape_protocols` are as in its
    /// configuration (`OpenMetricsText1.0.0`, `PrometheusText0.0.4`), none for its own choice.
    ///
    /// # Panics
    /// When it does not start, with its log, or protocols are given to 2.42, which knows of none.
    pub fn start(which: Which, targets: &[&str], scrape_protocols: &[&str]) -> Self {
        let job = Job {
            name: "tidegauge",
            targets,
            settings: json!({}),
        };
        Self::start_jobs(which, &[job], scrape_protocols)
    }

    /// As [`Prometheus::start`], with jobs that differ in how they are scraped.
    ///
    /// # Panics
    /// As [`Prometheus::start`], and when settings are no map.
    pub fn start_jobs(which: Which, jobs: &[Job<'_>], scrape_protocols: &[&str]) -> Self {
        let global = if scrape_protocols.is_empty() {
            json!({})
        } else {
            json!({ "scrape_protocols": scrape_protocols })
        };
        Self::launch(which, jobs, &global, &[], Scratch::new("prometheus"))
    }

    /// Starts one that has these samples, in OpenMetrics with times, from the beginning, and evaluates this
    /// file of rules every second. It scrapes only itself.
    ///
    /// # Panics
    /// When it does not start, or promtool does not take the samples.
    pub fn start_filled(which: Which, samples: &str, rules: &str) -> Self {
        let scratch = Scratch::new("prometheus");
        let input = scratch.file("samples.om", samples);
        let data = scratch.folder("data");
        let program = which.program("promtool");
        let arguments = ["tsdb", "create-blocks-from", "openmetrics"];
        let output = run_with_input(
            Command::new(&program).args(arguments).arg(input).arg(data),
            "",
        )
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        assert_eq!(output.code, Some(0), "{output:#?}");
        let rules = scratch.file("rules.yml", rules);
        let global = json!({ "evaluation_interval": "1s" });
        Self::launch(which, &[], &global, &[rules], scratch)
    }

    /// As [`Prometheus::start`], with rule files, which it evaluates every second.
    ///
    /// # Panics
    /// As [`Prometheus::start`], and when it refuses a rule.
    pub fn start_with_rules(which: Which, targets: &[&str], rule_files: &[PathBuf]) -> Self {
        let job = Job {
            name: "tidegauge",
            targets,
            settings: json!({}),
        };
        Self::start_jobs_with_rules(which, &[job], rule_files)
    }

    /// As [`Prometheus::start_with_rules`], with jobs that differ in how they are scraped.
    ///
    /// # Panics
    /// As [`Prometheus::start_with_rules`], and when settings are no map.
    pub fn start_jobs_with_rules(which: Which, jobs: &[Job<'_>], rule_files: &[PathBuf]) -> Self {
        let global = json!({ "evaluation_interval": "1s" });
        Self::launch(which, jobs, &global, rule_files, Scratch::new("prometheus"))
    }

    fn launch(
        which: Which,
        jobs: &[Job<'_>],
        global: &Value,
        rules: &[PathBuf],
        scratch: Scratch,
    ) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let config = scratch.file("prometheus.yml", &config(&address, jobs, global, rules));
        let flag = |name: &str, value: OsString| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        };
        let arguments = [
            flag("config.file", config.into()),
            flag("storage.tsdb.path", scratch.folder("data").into()),
            flag("web.listen-address", address.clone().into()),
            // One of two throttles of five seconds before it knows its targets; the other is fixed.
            flag("scrape.discovery-reload-interval", "50ms".into()),
        ];
        let program = which.program("prometheus");
        Self {
            daemon: Daemon::start(
                program.as_ref(),
                arguments,
                &address,
                ("/-/ready", 200),
                scratch,
            ),
        }
    }

    /// As `127.0.0.1:4711`.
    pub fn address(&self) -> &str {
        self.daemon.address()
    }

    /// The result of an instant query, waited for while it is empty.
    ///
    /// # Panics
    /// When the query is refused, or empty for longer than some scrapes take; then with what
    /// Prometheus says of its targets.
    pub fn query(&self, expression: &str) -> Value {
        wait_until(LIMIT, || {
            let result = self.query_once(expression);
            (result.as_array().is_none_or(|samples| !samples.is_empty())).then_some(result)
        })
        .unwrap_or_else(|| {
            let targets = self.api("/api/v1/targets");
            panic!(
                "{expression} has no result\ntargets: {targets:#}\n{}",
                self.daemon.log()
            )
        })
    }

    /// The result of an instant query now, empty or not.
    ///
    /// # Panics
    /// When the query is refused.
    pub fn query_once(&self, expression: &str) -> Value {
        self.api(&format!(
            "/api/v1/query?query={}",
            percent_encode(expression)
        ))["result"]
            .take()
    }

    /// All samples that it stores of series that a selector selects, marks of staleness included: each the
    /// series as `{__name__="a", b="c"}`, the time in milliseconds and the value (NaN for a mark).
    ///
    /// # Panics
    /// When promtool cannot read its data.
    pub fn dump(&self, selector: &str) -> Vec<(String, i64, f64)> {
        let data = self.daemon.scratch().path().join("data");
        let matching = format!("--match={selector}");
        let sandbox = format!(
            "--sandbox-dir-root={}",
            self.daemon.scratch().path().display()
        );
        let data = data.display().to_string();
        let said = promtool(Which::V3, &["tsdb", "dump", &matching, &sandbox, &data], "");
        assert_eq!(said.code, Some(0), "promtool tsdb dump: {}", said.stderr);
        let read = |line: &str| {
            let (series, rest) = line.rsplit_once("} ")?;
            let (value, time) = rest.split_once(' ')?;
            Some((
                format!("{series}}}"),
                time.parse().ok()?,
                value.parse().ok()?,
            ))
        };
        let lines = said.stdout.lines();
        lines
            .map(|line| read(line).unwrap_or_else(|| panic!("promtool tsdb dump: {line:?}")))
            .collect()
    }

    /// What is under `data` in the answer of an API path.
    ///
    /// # Panics
    /// When it answers with an error.
    pub fn api(&self, path: &str) -> Value {
        let response = self
            .daemon
            .get(path, &[])
            .unwrap_or_else(|error| panic!("prometheus {path}: {error}"));
        let mut answer: Value = serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("prometheus {path}: {error}: {response:?}"));
        assert_eq!(answer["status"], "success", "prometheus {path}: {answer:#}");
        answer["data"].take()
    }
}

/// JSON is YAML too.
fn config(own: &str, jobs: &[Job<'_>], settings: &Value, rules: &[PathBuf]) -> String {
    let own = Job {
        name: "prometheus",
        targets: &[own],
        settings: json!({}),
    };
    let scrape_configs: Vec<Value> = [&own]
        .into_iter()
        .chain(jobs)
        .map(|job| {
            let mut config = job.settings.clone();
            config["job_name"] = job.name.into();
            config["static_configs"] = json!([{ "targets": job.targets }]);
            config
        })
        .collect();
    let mut global = settings.clone();
    global["scrape_interval"] = "1s".into();
    global["scrape_timeout"] = "1s".into();
    json!({ "global": global, "scrape_configs": scrape_configs, "rule_files": rules }).to_string()
}

pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What a program that ran to its end said.
#[derive(Debug, Clone)]
pub struct Output {
    /// `None` when a signal ended it
    pub code: Option<i32>,
    /// Standard output
    pub stdout: String,
    /// Standard error
    pub stderr: String,
}

/// Runs promtool, as `promtool(Which::V3, &["check", "metrics"], exposition)`.
///
/// # Panics
/// When it cannot be run.
pub fn promtool(which: Which, arguments: &[&str], stdin: &str) -> Output {
    let program = which.program("promtool");
    run_with_input(Command::new(&program).args(arguments), stdin)
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()))
}

fn run_with_input(command: &mut Command, stdin: &str) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().expect("it is piped");
    let output = thread::scope(|scope| {
        // Beside the reading: a program that answers before it has read all would block both.
        scope.spawn(move || {
            // It may end without having read all; its exit code tells.
            let _broken_pipe = pipe.write_all(stdin.as_bytes());
        });
        child.wait_with_output()
    })?;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_survives_the_way_into_an_address() {
        assert_eq!(
            percent_encode(r#"up{job="a b"}+1"#),
            "up%7Bjob%3D%22a%20b%22%7D%2B1"
        );
    }
}
