//! A feed and Prometheus 3.5 scrape the same exporter, which does right and wrong by turns: what they store
//! must be the same, marks of staleness and series about the scrapes included.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge::config::Config;
use tidegauge_alerts::clock::HostClock;
use tidegauge_alerts::feed::Feeds;
use tidegauge_promql::{MemoryStorage, Samples, Storage, is_stale};
use tidegauge_rig::{Job, Prometheus, Which, needs, wait_until};

/// Read by all, in several ways.
const BASE: &str = r#"# HELP h A histogram.
# TYPE h histogram
h_bucket{le="1"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
# TYPE s summary
s{quantile="0.50"} 1
# TYPE a gauge
a 1
b{x="1",y="2"} 2
clash{job="theirs",instance="",exported_instance="e"} 3
{"name with.dots","label.x"="v\"\\\n"} 4
up 7
"#;

const TEXT: &str = "text/plain; version=0.0.4";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the exporter answers, one after the other: status, content type, body. `@` in a body is the time of
/// the first answer in milliseconds, `>` a time an hour ahead.
fn script() -> Vec<(&'static str, &'static str, String)> {
    let ok = |body: &str| ("200 OK", TEXT, body.to_owned());
    let with = |more: &str| ok(&format!("{BASE}{more}"));
    vec![
        with("t 1 @\n"),
        with("t 1 @\nnew 1\n"),
        // Gone: new; the same series in another spelling.
        ok(&BASE.replace(r#"x="1",y="2""#, r#"y="2",x="1""#)),
        ("500 Internal Server Error", TEXT, BASE.to_owned()),
        with("t 2 @\n"),
        with("bad{ 1\nafter 1\n"),
        with("bad{ 1\nafter 1\n"),
        with(""),
        ok(""),
        with("a 5\nb{y=\"2\",x=\"1\"} 6\nb{x=\"1\",y=\"2\"} 2\n"),
        ("200 OK", "text/html", BASE.to_owned()),
        with(""),
        (
            "200 OK",
            OPEN,
            "# TYPE c counter\nc_total 1 # {t=\"x\"} 0.5\na 1\n# EOF\n".to_owned(),
        ),
        ("200 OK", OPEN, "a 1\nc_total 2\n".to_owned()),
        (
            "200 OK",
            OPEN,
            "# TYPE a_bytes gauge\n# UNIT a_bytes seconds\na 1\n# EOF\n".to_owned(),
        ),
        with("ahead 1 >\n"),
        with("twice{l=\"1\",l=\"2\"} 1\n"),
        with("t 3 1\n"),
        ok("a 1\n"),
        with("many 1\n"),
        ok("a{job=\"x\"} 1\n# only a comment"),
        with(""),
    ]
}

/// Jobs as both are configured.
fn jobs() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("plain", serde_json::json!({})),
        ("honor", serde_json::json!({ "honor_labels": true })),
        ("no_times", serde_json::json!({ "honor_timestamps": false })),
        (
            "track",
            serde_json::json!({ "track_timestamps_staleness": true }),
        ),
        ("limited", serde_json::json!({ "sample_limit": 13 })),
        ("labels", serde_json::json!({ "label_limit": 5 })),
        ("size", serde_json::json!({ "body_size_limit": "340B" })),
    ]
}

/// Answers each scraper of each job by the script.
struct Exporter {
    address: String,
    /// How often each asked for each path.
    asked: Arc<Mutex<HashMap<(bool, String), usize>>>,
}

impl Exporter {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let asked: Arc<Mutex<HashMap<(bool, String), usize>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let began = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || answer(stream, &seen, began.as_millis()));
            }
        });
        Self { address, asked }
    }

    fn rounds(&self) -> usize {
        let asked = self.asked.lock().expect("nobody panicked");
        if asked.len() < 2 * jobs().len() {
            return 0;
        }
        asked.values().copied().min().unwrap_or(0)
    }
}

fn answer(
    mut stream: TcpStream,
    asked: &Mutex<HashMap<(bool, String), usize>>,
    began: u128,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let script = script();
    loop {
        let first = lines.next()?.ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let mut ours = false;
        loop {
            let header = lines.next()?.ok()?.to_ascii_lowercase();
            ours |= header.starts_with("user-agent: tidegauge");
            if header.is_empty() {
                break;
            }
        }
        let round = {
            let mut asked = asked.lock().expect("nobody panicked");
            let count = asked.entry((ours, path)).or_insert(0);
            *count += 1;
            *count - 1
        };
        let (status, content_type, body) = script.get(round).or(script.last())?;
        let body = body
            .replace('@', &began.to_string())
            .replace('>', &(began + 3_600_000).to_string());
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).ok()?;
    }
}

/// By series: in which scrape (or at which time of its own), and what.
type Stored = BTreeMap<String, Vec<(String, String)>>;

/// Times as the number of the scrape; what came after the script is left out.
fn by_scrape(samples: Vec<(String, i64, f64)>, job: &str) -> Stored {
    let rounds = script().len();
    let mine: Vec<_> = samples
        .into_iter()
        .filter(|(series, ..)| series.contains(&format!("job=\"{job}\"")) || job == "honor")
        .collect();
    let mut times: Vec<i64> = mine
        .iter()
        .filter(|(series, ..)| series.contains("__name__=\"scrape_samples_scraped\""))
        .map(|(_, time, _)| *time)
        .collect();
    times.sort_unstable();
    times.truncate(rounds);
    assert_eq!(times.len(), rounds, "{job}");
    let mut stored = Stored::new();
    for (series, time, value) in mine {
        let when = match times.iter().position(|t| *t == time) {
            Some(round) => format!("scrape {round}"),
            None if time > times[rounds - 1] => continue,
            None => "own".to_owned(),
        };
        let value = if value.is_nan() {
            "stale".to_owned()
        } else {
            value.to_string()
        };
        if !series.contains("scrape_duration_seconds") {
            stored.entry(series).or_default().push((when, value));
        }
    }
    for samples in stored.values_mut() {
        samples.sort_by_key(|(when, _)| {
            let number = when
                .strip_prefix("scrape ")
                .map_or(0, |n| n.parse().unwrap_or(0));
            (number, when.clone())
        });
    }
    stored
}

fn ours(store: &MemoryStorage, job: &str) -> Vec<(String, i64, f64)> {
    let mut all = Vec::new();
    for series in store
        .select(&[], i64::MIN, i64::MAX)
        .expect("memory does not fail")
    {
        let labels: Vec<String> = series
            .labels()
            .iter()
            .map(|(name, value)| match name.contains('.') {
                true => format!("{name:?}={value:?}"),
                false => format!("{name}={value:?}"),
            })
            .collect();
        let text = format!("{{{}}}", labels.join(", "));
        let mut samples = Samples::default();
        series.read(i64::MIN, i64::MAX, &mut samples);
        for sample in samples.iter() {
            assert!(!sample.value.is_nan() || is_stale(sample.value), "{job}");
            all.push((text.clone(), sample.time, sample.value));
        }
    }
    all
}

/// Differences that are meant. Scrapes 4 and 17 have samples that only the store refuses, which Prometheus
/// takes off the number of new series. A series that never had a sample gets a mark from Prometheus 3.5; later
/// versions no longer do that.
fn is_known(job: &str, series: &str, when: &str) -> bool {
    let of = |name| series.contains(&format!("__name__={name:?}"));
    (of("scrape_series_added") && ["scrape 4", "scrape 17"].contains(&when))
        || (of("ahead") && (job, when) == ("track", "scrape 16"))
}

#[test]
fn a_feed_stores_what_prometheus_stores() {
    needs!("prometheus3");
    let exporter = Exporter::start();
    let mut configured = Vec::new();
    let mut settings = Vec::new();
    for (name, mut setting) in jobs() {
        setting["metrics_path"] = format!("/{name}").into();
        setting["scrape_interval"] = "1s".into();
        setting["scrape_timeout"] = "900ms".into();
        let mut ours = setting.clone();
        ours["job_name"] = name.into();
        ours["static_configs"] = serde_json::json!([{ "targets": [exporter.address] }]);
        configured.push(ours);
        settings.push((name, setting));
    }
    let targets = [exporter.address.as_str()];
    let theirs: Vec<Job<'_>> = settings
        .into_iter()
        .map(|(name, settings)| Job {
            name,
            targets: &targets,
            settings,
        })
        .collect();
    let prometheus = Prometheus::start_jobs(Which::V3, &theirs, &[]);
    // What Prometheus reads, we read.
    let config = Config::parse(&serde_json::json!({ "feeds": configured }).to_string()).unwrap();
    let stores: Vec<_> = config
        .feeds
        .jobs
        .into_iter()
        .map(|job| {
            let (store, name) = (Arc::new(MemoryStorage::new()), job.name.clone());
            let feeds = Feeds::new(Arc::clone(&store) as _, Arc::new(HostClock), None);
            (name, store, feeds, job)
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (_, _, feeds, job) in &stores {
            feeds.apply(tidegauge_alerts::feed::Settings {
                jobs: vec![job.clone()],
                host: None,
            });
        }
        let (sender, done) = tokio::sync::oneshot::channel();
        let asked = Exporter {
            address: String::new(),
            asked: Arc::clone(&exporter.asked),
        };
        thread::spawn(move || {
            let enough = script().len() + 2;
            let reached = wait_until(Duration::from_secs(90), || {
                (asked.rounds() >= enough).then_some(())
            });
            sender.send(reached).ok();
        });
        assert!(done.await.unwrap().is_some(), "both have scraped");
    });
    let mut wrong = String::new();
    for (job, store, ..) in &stores {
        let selector = match job.as_str() {
            "honor" => r#"{job=~"honor|theirs|x"}"#.to_owned(),
            _ => format!("{{job=\"{job}\"}}"),
        };
        let theirs = by_scrape(prometheus.dump(&selector), job);
        let ours = by_scrape(ours(store, job), job);
        let before = (theirs.len(), theirs.values().map(Vec::len).sum::<usize>());
        assert!(before.0 > 8 && before.1 > 80, "{job}: {before:?}");
        // Only what differs is shown.
        for (whose, one, other) in [("Prometheus", &theirs, &ours), ("ours", &ours, &theirs)] {
            for (series, samples) in one {
                let missing = samples
                    .iter()
                    .filter(|sample| !other.get(series).is_some_and(|all| all.contains(sample)));
                for (when, value) in missing.filter(|(when, _)| !is_known(job, series, when)) {
                    wrong += &format!("{job}, only {whose}: {series} {when}: {value}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
