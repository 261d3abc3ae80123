//! A Prometheus and our API over the same samples and rules.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegauge_alerts::api::host::Hosts;
use tidegauge_alerts::api::v1::{Api, Settings, Sources};
use tidegauge_alerts::api::{Routes, SelfMetrics};
use tidegauge_alerts::clock::HostClock;
use tidegauge_model::metric::Family;
use tidegauge_promql::{Labels, MemoryStorage, Sample, Timestamp};
use tidegauge_rig::{Prometheus, Response, Which, get, post_form, wait_until};
use tidegauge_web::secure::Security;
use tidegauge_web::{HttpStats, Options, bind, serve};
use tokio::sync::oneshot;

mod rules;
mod shown;

/// The first sample's time, in milliseconds after the beginning of the hour before the last.
pub const SAMPLES_BEGIN: Timestamp = 0;
/// The last one's.
pub const SAMPLES_END: Timestamp = 30 * 60_000;
/// Between samples: no whole number of seconds.
const STEP: Timestamp = 15_250;

/// Both servers.
pub struct Pair {
    theirs: Prometheus,
    ours: Ours,
    origin: Timestamp,
}

impl Pair {
    pub fn start() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // A whole hour, so that what promtool makes blocks of begins with one.
        let origin = (i64::try_from(now.as_secs()).unwrap() / 3600 - 2) * 3_600_000;
        let mut exposition = String::new();
        for (labels, samples) in series(origin) {
            let name = labels.name();
            let rest: Vec<_> = labels
                .iter()
                .filter(|(label, _)| *label != "__name__")
                .map(|(label, value)| format!("{}={value:?}", quoted(label)))
                .collect();
            for sample in samples {
                let _infallible = writeln!(
                    exposition,
                    "{{{}}} {} {}",
                    [vec![format!("{name:?}")], rest.clone()].concat().join(","),
                    written(sample.value),
                    in_seconds(sample.time),
                );
            }
        }
        exposition.push_str("# EOF\n");
        let theirs = Prometheus::start_filled(Which::V3, &exposition, rules::FILE);
        let pair = Self {
            theirs,
            ours: Ours::start(origin),
            origin,
        };
        // Its rules have been evaluated, the alert that fires does, and it has scraped itself.
        let fires = wait_until(Duration::from_secs(30), || {
            let rules = pair.theirs.api("/api/v1/rules").to_string();
            let metadata = pair.theirs.api("/api/v1/metadata?metric=go_goroutines");
            let evaluated = rules.contains("\"firing\"") && !rules.contains("\"unknown\"");
            (evaluated && metadata != json!({})).then_some(())
        });
        assert!(
            fires.is_some(),
            "the rules are not evaluated, or nothing is scraped"
        );
        pair
    }

    /// As a parameter: a time of the samples.
    pub fn seconds(&self, after_origin: Timestamp) -> String {
        in_seconds(self.origin + after_origin)
    }

    pub fn addresses(&self) -> [&str; 2] {
        [self.theirs.address(), self.ours.address()]
    }

    /// The answers of Prometheus and of ours, as they are.
    pub fn raw(&self, path: &str) -> [Response; 2] {
        self.addresses()
            .map(|address| get(address, path, &[]).unwrap())
    }

    /// The answers, without what may differ.
    pub fn get(&self, path: &str) -> [Value; 2] {
        self.raw(path).map(|response| comparable(&response))
    }

    pub fn post_to_us(&self, path: &str, form: &str) -> Value {
        comparable(&post_form(self.ours.address(), path, form).unwrap())
    }
}

/// Names that are no plain ones are in quotes.
fn quoted(label: &str) -> String {
    let plain = label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        label.to_owned()
    } else {
        format!("{label:?}")
    }
}

fn written(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn in_seconds(time: Timestamp) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}

/// The samples that both have.
fn series(origin: Timestamp) -> Vec<(Labels, Vec<Sample>)> {
    let every = |value: &dyn Fn(f64) -> f64| -> Vec<Sample> {
        (0..)
            .map(|n| (n, origin + n * STEP))
            .take_while(|(_, time)| *time <= origin + SAMPLES_END)
            .map(|(n, time)| Sample {
                time,
                value: value(n as f64),
            })
            .collect()
    };
    let mut all = Vec::new();
    for job in ["a", "b<&>"] {
        for i in ["1", "2"] {
            let of = |name| Labels::new([("__name__", name), ("job", job), ("i", i)]);
            let scale = i.parse::<f64>().unwrap() + job.len() as f64;
            all.push((of("test_gauge"), every(&|n| (n / 7.0).sin() * scale)));
            // A counter that starts again half-way.
            all.push((of("test_total"), every(&|n| (n % 60.0) * 1e6 * scale)));
        }
    }
    for (kind, value) in [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("low", f64::NEG_INFINITY),
        ("tiny", 5e-324),
        ("huge", f64::MAX),
        ("zero", -0.0),
    ] {
        let labels = Labels::new([("__name__", "test_special"), ("job", kind)]);
        all.push((labels, every(&|_| value)));
    }
    for (le, share) in [("0.1", 1.0), ("1", 5.0), ("+Inf", 6.0)] {
        let labels = Labels::new([("__name__", "test_seconds_bucket"), ("le", le)]);
        all.push((labels, every(&|n| n * share)));
    }
    let labels = Labels::new([("__name__", "test.dotted name"), ("a.b", "c\"d\\e")]);
    all.push((labels, every(&|n| n)));
    all
}

/// What both say alike: members without an order sorted; of remarks not where in the query they are from; of
/// rules not when they were evaluated.
fn comparable(response: &Response) -> Value {
    let mut answer: Value = serde_json::from_slice(&response.body)
        .unwrap_or_else(|_| json!({ "text": response.text() }));
    answer["code"] = response.status.into();
    let words = answer["error"].as_str().unwrap_or_default().to_owned();
    // Which of the duplicates are named is by chance.
    if let Some((before, after)) = words
        .split_once('[')
        .filter(|_| words.contains("duplicate"))
    {
        let after = after.rsplit_once(']').map_or(after, |(_, after)| after);
        answer["error"] = format!("{before}{after}").into();
    }
    // The parsers word what they do not understand each in its own way.
    if words.contains("parse error") || words.contains("invalid parameter \"query\"") {
        answer["error"] = "of the parser".into();
    }
    for key in ["infos", "warnings"] {
        if let Some(notes) = answer[key].as_array_mut() {
            for note in notes.iter_mut() {
                let text = note.as_str().unwrap_or_default();
                let end = text
                    .rfind(" (")
                    .filter(|_| text.ends_with(')'))
                    .unwrap_or(text.len());
                *note = text[..end].into();
            }
            notes.sort_by_key(Value::to_string);
        }
    }
    if answer.get("infos").is_some_and(Value::is_null) {
        answer.as_object_mut().map(|fields| fields.remove("infos"));
    }
    if answer.get("warnings").is_some_and(Value::is_null) {
        answer
            .as_object_mut()
            .map(|fields| fields.remove("warnings"));
    }
    for path in ["/data/result", "/data"] {
        let many = answer.pointer_mut(path).and_then(Value::as_array_mut);
        if let Some(members) = many.filter(|members| members.iter().all(|m| !m.is_number())) {
            let is_pair = members.first().is_some_and(Value::is_number);
            if !is_pair {
                members.sort_by_key(Value::to_string);
            }
        }
    }
    shown::without_times(&mut answer);
    answer
}

/// Names and values as a form.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Our API, in a thread of its own.
pub struct Ours {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Itself;

impl SelfMetrics for Itself {
    fn families(&self) -> Vec<Family> {
        Vec::new()
    }

    fn ready(&self) -> bool {
        true
    }
}

impl Ours {
    /// With samples from this time on.
    pub fn start(origin: Timestamp) -> Self {
        Self::start_secured(origin, None)
    }

    /// With a web configuration.
    pub fn start_secured(origin: Timestamp, web_config: Option<&Path>) -> Self {
        let storage = MemoryStorage::new();
        for (labels, samples) in series(origin) {
            for sample in samples {
                assert!(storage.append(&labels, sample));
            }
        }
        let sources = Sources {
            index: Arc::new(storage),
            rules: Arc::new(rules::Known),
            targets: Arc::new(shown::Shown),
            status: Arc::new(shown::Shown),
        };
        let stats = Arc::new(HttpStats::default());
        let security = web_config
            .map(|file| Arc::new(Security::open(file, Arc::clone(&stats)).expect("it is right")));
        let options = Options {
            security,
            ..Options::default()
        };
        let routes = Routes {
            v1: Api::new(sources, Arc::new(HostClock), Settings::default()),
            itself: Arc::new(Itself),
            stats: Arc::clone(&stats),
            hosts: Hosts::default(),
            reload: None,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = bind("127.0.0.1:0").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let stop = async { drop(stopped.await) };
                serve(vec![listener], routes, stats, options, stop).await;
            });
        });
        Self {
            address: told.recv().unwrap().to_string(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// All that comes for a request until the connection's end.
    pub fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
