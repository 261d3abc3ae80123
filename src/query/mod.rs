//! `tidegauge query`: asks a running sidecar, or a Prometheus.

mod client;
mod print;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidegauge_alerts::api::v1::parameter::parse_time;

use self::client::Client;
use crate::failure::{Failure, print};

/// A range that has no beginning is this long, as promtool's.
const RANGE_MS: i64 = 5 * 60_000;
/// So many steps a range has that names none.
const STEPS: i64 = 250;

/// Any answer of the API.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, rename = "errorType")]
    kind: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

/// Asks, and prints what comes.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let client = Client::new(matches)?;
    let (path, form) = request(matches)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let (status, body) = runtime.block_on(client.post(path, form))?;
    let answer: Answer<'_> = serde_json::from_slice(&body).map_err(|_| {
        Failure::failed(format!(
            "{} answers with status {status}, and with no JSON; is that the address of a sidecar or a Prometheus?",
            client.url()
        ))
    })?;
    for (kind, notes) in [("warning", &answer.warnings), ("info", &answer.infos)] {
        for note in notes {
            eprintln!("tidegauge: {kind}: {}", print::on_one_line(note));
        }
    }
    let Some(data) = answer.data.filter(|_| answer.kind.is_empty()) else {
        let why = print::on_one_line(&format!("{}: {}", answer.kind, answer.error));
        return Err(Failure::failed(format!("query error: {why}")));
    };
    let is_json = matches
        .get_one::<String>("output")
        .is_some_and(|o| o == "json");
    if is_json {
        print(&format!("{}\n", data.get()))?;
    } else {
        let text = print::text(data.get()).map_err(|error| {
            Failure::failed(format!(
                "{} answers with what is no result: {error}",
                client.url()
            ))
        })?;
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The path and the form of a request.
fn request(matches: &ArgMatches) -> Result<(&'static str, String), Failure> {
    let given = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", given("expr").unwrap_or_default());
    let time = |name: &str| match given(name) {
        None => Ok(None),
        Some(text) => parse_time(text).map(Some).ok_or_else(|| {
            Failure::usage(format!(
                "--{name} {text}: no time; give seconds since 1970, or as 2026-11-25T03:00:00Z"
            ))
        }),
    };
    let is_range = ["start", "end", "step"]
        .iter()
        .any(|name| given(name).is_some());
    if !is_range {
        if let Some(at) = time("time")? {
            form.append_pair("time", &seconds(at));
        }
        return Ok(("query", form.finish()));
    }
    let end = time("end")?.unwrap_or_else(now);
    let start = time("start")?.unwrap_or(end.saturating_sub(RANGE_MS));
    if start >= end {
        return Err(Failure::usage("--start is not before --end"));
    }
    let step = match given("step") {
        Some(step) => step.to_owned(),
        None => (end.saturating_sub(start) / 1000 / STEPS)
            .max(1)
            .to_string(),
    };
    form.append_pair("start", &seconds(start));
    form.append_pair("end", &seconds(end));
    form.append_pair("step", &step);
    Ok(("query_range", form.finish()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.map_or(Duration::ZERO, |since| since).as_millis()).unwrap_or(i64::MAX)
}

fn seconds(time: i64) -> String {
    let sign = if time < 0 { "-" } else { "" };
    let size = time.unsigned_abs();
    format!("{sign}{}.{:03}", size / 1000, size % 1000)
}
