//! The log: to standard error, as logfmt or JSON.

use clap::ArgMatches;
use clap::parser::ValueSource;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Starts logging as the flags say. A second call changes nothing.
pub fn start(matches: &ArgMatches) {
    start_at(matches, LevelFilter::INFO);
}

/// As [`start`], but only errors where no level was asked for: the command itself says what is wrong.
pub fn start_quiet(matches: &ArgMatches) {
    start_at(matches, LevelFilter::ERROR);
}

fn start_at(matches: &ArgMatches, default: LevelFilter) {
    let text = |name| matches.get_one::<String>(name).map(String::as_str);
    let asked = matches.value_source("log.level") != Some(ValueSource::DefaultValue);
    let level = match text("log.level").filter(|_| asked) {
        Some("debug") => LevelFilter::DEBUG,
        Some("info") => LevelFilter::INFO,
        Some("warn") => LevelFilter::WARN,
        Some("error") => LevelFilter::ERROR,
        _ => default,
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match text("log.format") {
        Some("json") => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed(),
        _ => tracing_logfmt::builder()
            .layer()
            .with_writer(std::io::stderr)
            .boxed(),
    };
    // Only tests start it twice in one process.
    let _ = Registry::default()
        .with(layer.with_filter(level))
        .try_init();
}
