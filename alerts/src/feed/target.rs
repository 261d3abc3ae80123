//! Who is scraped: a target's labels, address and place in the interval.

use std::hash::Hasher;
use std::time::Duration;

use rustc_hash::FxHasher;
use tidegauge_model::units::format_duration;
use tidegauge_promql::Labels;

use super::http::endpoint::Endpoint;
use super::settings::{Group, HostFeed, Job};

/// A target, and what tells it from others. What of its job can change without making other series of it is
/// not part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// Labels of all its series.
    pub labels: Labels,
    /// Labels as they were before the job's rules; Prometheus shows them.
    pub discovered: Labels,
    /// The job's name.
    pub pool: String,
    /// What is asked for.
    pub url: String,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps: bool,
}

impl Target {
    /// A target of a job.
    pub fn of_job(job: &Job, group: &Group, address: &str) -> Self {
        let own = [("job", job.name.as_str()), ("instance", address)];
        let given = group.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let labels = Labels::new(own.into_iter().chain(given.clone()));
        let (interval, timeout) = (format_duration(job.interval), format_duration(job.timeout));
        let scheme = job.scheme.as_str();
        let meta = [
            ("__address__", address),
            ("__metrics_path__", job.path.as_str()),
            ("__scheme__", scheme),
            ("__scrape_interval__", interval.as_str()),
            ("__scrape_timeout__", timeout.as_str()),
            ("job", job.name.as_str()),
        ];
        let params: Vec<(String, &str)> = job
            .params
            .iter()
            .filter_map(|(name, values)| {
                Some((format!("__param_{name}"), values.first()?.as_str()))
            })
            .collect();
        let discovered = meta
            .into_iter()
            .chain(params.iter().map(|(name, value)| (name.as_str(), *value)))
            .chain(given);
        Self {
            discovered: Labels::new(discovered),
            labels,
            pool: job.name.clone(),
            url: url(job, address),
            honor_labels: job.honor_labels,
            honor_timestamps: job.honor_timestamps,
            track_timestamps: job.track_timestamps,
        }
    }

    /// The exporter in this process.
    pub fn of_host(host: &HostFeed) -> Self {
        let labels = Labels::new([("job", "tidegauge"), ("instance", &host.instance)]);
        Self {
            discovered: labels.with("__address__", &host.instance),
            labels,
            pool: "tidegauge".to_owned(),
            url: format!("http://{}/metrics", host.instance),
            honor_labels: false,
            honor_timestamps: false,
            track_timestamps: false,
        }
    }

    /// When within each interval it is scraped: spread by who it is, and the same after a restart.
    pub fn offset(&self, interval: Duration) -> Duration {
        let mut hasher = FxHasher::default();
        for (name, value) in self.labels.iter() {
            hasher.write(name.as_bytes());
            hasher.write(value.as_bytes());
        }
        hasher.write(self.url.as_bytes());
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(hasher.finish() % millis.max(1))
    }
}

/// The address of a target of a job.
fn url(job: &Job, address: &str) -> String {
    let mut url = format!("{}://{address}{}", job.scheme.as_str(), job.path);
    if !job.params.is_empty() {
        let mut names: Vec<_> = job.params.iter().collect();
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, values) in names {
            for value in values {
                query.append_pair(name, value);
            }
        }
        url.push('?');
        url.push_str(&query.finish());
    }
    url
}

/// Whether a target of a job can be asked at all.
///
/// # Errors
/// What is wrong with it.
pub fn check_address(job: &Job, address: &str) -> Result<(), String> {
    if address.contains(['/', '@', '?', '#']) || address.is_empty() {
        return Err(format!(
            "`{address}` is not a target: it is a host and a port, without scheme or path"
        ));
    }
    Endpoint::parse(&url(job, address))
        .map(|_| ())
        .map_err(|reason| format!("`{address}` is not a target: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_address_as_prometheus_shows_them() {
        let mut job = Job::new("node");
        job.params = vec![
            ("b".into(), vec!["x y".into(), "z".into()]),
            ("a".into(), vec!["1".into()]),
        ];
        let group = Group {
            targets: vec![],
            labels: vec![("rack".into(), "7".into()), ("env".into(), String::new())],
        };
        let target = Target::of_job(&job, &group, "h:9100");
        assert_eq!(
            target.labels.to_string(),
            r#"{instance="h:9100", job="node", rack="7"}"#
        );
        assert_eq!(target.url, "http://h:9100/metrics?a=1&b=x+y&b=z");
        assert_eq!(
            target.discovered.to_string(),
            r#"{__address__="h:9100", __metrics_path__="/metrics", __param_a="1", __param_b="x y", __scheme__="http", __scrape_interval__="15s", __scrape_timeout__="10s", job="node", rack="7"}"#
        );
    }

    #[test]
    fn a_target_is_a_host_and_a_port() {
        let job = Job::new("x");
        for good in [
            "h:9100",
            "h",
            "127.0.0.1:1",
            "[::1]:9100",
            "a.example.com:65535",
        ] {
            assert_eq!(check_address(&job, good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "http://h:1",
            "h:1/metrics",
            "u:p@h:1",
            "h:x",
            "h:70000",
            ":9100",
            "a b:1",
            "::1",
        ] {
            assert!(check_address(&job, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spread_over_the_interval() {
        let job = Job::new("x");
        let interval = Duration::from_secs(15);
        let offsets: Vec<Duration> = (0..100)
            .map(|n| {
                Target::of_job(&job, &Group::default(), &format!("h{n}:9100")).offset(interval)
            })
            .collect();
        for part in 0..5 {
            let from = interval * part / 5;
            let there = offsets
                .iter()
                .filter(|o| **o >= from && **o < from + interval / 5);
            assert!(there.count() >= 8, "{offsets:?}");
        }
    }
}
