//! The log: to standard error, as logfmt or JSON.

use clap::ArgMatches;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Starts logging as the flags say. A second call changes nothing.
pub fn start(matches: &ArgMatches) {
    let text = |name| matches.get_one::<String>(name).map(String::as_str);
    let level = match text("log.level") {
        Some("debug") => LevelFilter::DEBUG,
        Some("warn") => LevelFilter::WARN,
        Some("error") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
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
