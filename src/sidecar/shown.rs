//! The configuration in use as `status/config` shows it: what was made of it, with the keys of prometheus.yml, and
//! without secrets.

use std::path::Path;

use tidegauge_alerts::feed::{Job, Login, Secret, Tls};
use tidegauge_model::units::format_duration;

use super::plan::Plan;

/// What stands in place of a secret, as in Prometheus.
const HIDDEN: &str = "<secret>";

/// As YAML.
pub fn yaml(plan: &Plan) -> String {
    let mut out = Yaml::default();
    let global = &plan.global;
    out.line(0, "global:");
    out.pair(
        1,
        "scrape_interval",
        &format_duration(global.scrape_interval),
    );
    out.pair(1, "scrape_timeout", &format_duration(global.scrape_timeout));
    out.pair(
        1,
        "evaluation_interval",
        &format_duration(global.evaluation_interval),
    );
    if !global.external_labels.is_empty() {
        out.line(1, "external_labels:");
        for (name, value) in &global.external_labels {
            out.quoted(2, name, value);
        }
    }
    out.line(0, "rule_files:");
    for (file, _) in &plan.groups {
        out.line(0, &format!("- {}", quote(file)));
    }
    out.line(0, "scrape_configs:");
    for job in &plan.feeds.jobs {
        out.job(job);
    }
    out.0
}

#[derive(Default)]
struct Yaml(String);

impl Yaml {
    fn line(&mut self, depth: usize, text: &str) {
        self.0.push_str(&"  ".repeat(depth));
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn pair(&mut self, depth: usize, key: &str, value: &str) {
        self.line(depth, &format!("{key}: {value}"));
    }

    /// A key and a value of any kind.
    fn quoted(&mut self, depth: usize, key: &str, value: &str) {
        self.pair(depth, &quote(key), &quote(value));
    }

    fn job(&mut self, job: &Job) {
        self.line(0, &format!("- job_name: {}", quote(&job.name)));
        self.pair(1, "honor_labels", &job.honor_labels.to_string());
        self.pair(1, "honor_timestamps", &job.honor_timestamps.to_string());
        self.pair(1, "scrape_interval", &format_duration(job.interval));
        self.pair(1, "scrape_timeout", &format_duration(job.timeout));
        self.pair(1, "metrics_path", &quote(&job.path));
        self.pair(1, "scheme", job.scheme.as_str());
        self.pair(1, "enable_compression", &job.compression.to_string());
        self.pair(1, "follow_redirects", &job.follow_redirects.to_string());
        self.pair(1, "body_size_limit", &format!("{}B", job.body_size_limit));
        if let Some(limit) = job.sample_limit {
            self.pair(1, "sample_limit", &limit.to_string());
        }
        if !job.params.is_empty() {
            self.line(1, "params:");
            for (name, values) in &job.params {
                let values: Vec<_> = values.iter().map(|value| quote(value)).collect();
                let values = values.join(", ");
                self.line(2, &format!("{}: [{values}]", quote(name)));
            }
        }
        self.login(&job.login);
        self.tls(&job.tls);
        self.line(1, "static_configs:");
        for group in &job.groups {
            let targets: Vec<_> = group.targets.iter().map(|target| quote(target)).collect();
            self.line(1, &format!("- targets: [{}]", targets.join(", ")));
            if !group.labels.is_empty() {
                self.line(2, "labels:");
                for (name, value) in &group.labels {
                    self.quoted(3, name, value);
                }
            }
        }
    }

    fn login(&mut self, login: &Login) {
        match login {
            Login::None => {}
            Login::Basic { name, password } => {
                self.line(1, "basic_auth:");
                self.pair(2, "username", &quote(name));
                self.secret("password", password);
            }
            Login::Token { kind, token } => {
                self.line(1, "authorization:");
                self.pair(2, "type", &quote(kind));
                self.secret("credentials", token);
            }
        }
    }

    fn secret(&mut self, key: &str, secret: &Secret) {
        match secret {
            Secret::Inline(_) => self.pair(2, key, HIDDEN),
            Secret::File(path) => self.path(&format!("{key}_file"), path),
        }
    }

    fn tls(&mut self, tls: &Tls) {
        if *tls == Tls::default() {
            return;
        }
        self.line(1, "tls_config:");
        if let Some(ca) = &tls.ca {
            self.path("ca_file", ca);
        }
        if let Some((certificate, key)) = &tls.identity {
            self.path("cert_file", certificate);
            self.path("key_file", key);
        }
        if let Some(name) = &tls.server_name {
            self.pair(2, "server_name", &quote(name));
        }
        if tls.only_tls13 {
            self.pair(2, "min_version", "TLS13");
        }
        self.pair(2, "insecure_skip_verify", &tls.skip_verify.to_string());
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.pair(2, key, &quote(&path.to_string_lossy()));
    }
}

/// As YAML's double quotes have it, of which JSON's are a part.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn it_can_be_read_again_and_holds_no_secret() {
        let text = "
global: {scrape_interval: 20s, external_labels: {site: \"a: b\"}}
rules: []
feeds:
- job_name: 'n\"1'
  basic_auth: {username: u, password: hunter2}
  params: {match: [a, b]}
  tls_config: {ca_file: /ca.pem}
  scheme: https
  static_configs: [{targets: ['h:1'], labels: {rack: '7'}}]
- job_name: two
  authorization: {credentials_file: /token}
  static_configs: [{targets: ['h:2']}]
";
        let read = |text: &str| Plan::of(&Config::parse(text).unwrap(), None).unwrap();
        let plan = read(text);
        let shown = yaml(&plan);
        assert!(!shown.contains("hunter2"), "{shown}");
        // Ours are called otherwise in the file.
        let own = shown.replace("scrape_configs:", "feeds:");
        let own: Vec<_> = own
            .lines()
            .filter(|line| !line.starts_with("rule_files:") && !line.starts_with("- \"built-in/"))
            .collect();
        let again = read(&own.join("\n"));
        assert_eq!(again.global, plan.global);
        let [first, second] = again.feeds.jobs.as_slice() else {
            panic!("{shown}");
        };
        let Login::Basic { password, .. } = &first.login else {
            panic!("{shown}");
        };
        assert_eq!(*password, Secret::Inline(HIDDEN.to_owned()));
        assert_eq!(*second, plan.feeds.jobs[1]);
        let mut first = first.clone();
        first.login.clone_from(&plan.feeds.jobs[0].login);
        assert_eq!(first, plan.feeds.jobs[0]);
    }
}
