//! `tidegauge alerts`: the sidecar alone, until it is told to stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;
use tidegauge_alerts::api::v1::Settings;
use tidegauge_exporter::rights::keep_only;
use tidegauge_web::HttpStats;
use tidegauge_web::reload::ReloadRequest;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::exporter::{VERSION, hang_up, secured, stop_signal};
use crate::failure::Failure;
use crate::reload::Outcome;
use crate::sidecar::{Plan, Sidecar, Start, StateDir};
use crate::{host, logging, systemd};

/// Runs until SIGTERM or SIGINT.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let (file, config) = host::config(matches)?;
    let plan = Plan::of(&config, None)?;
    logging::start(matches);
    host::tell_warnings(file.as_deref(), &config);
    let state_dir = host::state_dir(matches, &config);
    let state = StateDir::open(&state_dir)?;
    let config_file = file.map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    tracing::info!(
        version = VERSION,
        config = config_file,
        state_dir = %state_dir.display(),
        rules = plan.rules(),
        feeds = plan.feeds.jobs.len(),
        "tidegauge alerts starts"
    );
    if plan.feeds.jobs.is_empty() {
        tracing::warn!(
            "no feeds: nothing comes in; name exporters under `feeds`, or run the exporter in the same process with `tidegauge run`"
        );
    }
    let stats = Arc::new(HttpStats::default());
    let security = matches
        .get_one::<PathBuf>("web.config.file")
        .map(|file| secured(file, &stats))
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let hang_ups = signal(SignalKind::hangup())
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        keep_only(&[]).map_err(|error| Failure::failed(error.to_string()))?;
        let outcome = Arc::new(Outcome::taken_now());
        let (reload, requests) = mpsc::channel(1);
        let sidecar = Sidecar::start(Start {
            plan,
            state,
            addresses: addresses(matches, "web.listen-address"),
            external_url: matches.get_one::<String>("web.external-url").cloned(),
            queries: queries(matches),
            security,
            stats,
            source: None,
            reload: reload.clone(),
            flags: flags(matches),
            outcome: Arc::clone(&outcome),
        })?;
        systemd::ready();
        tokio::spawn(hang_up(hang_ups, reload));
        tokio::select! {
            name = stop => tracing::info!(signal = name, "stopping"),
            () = follow(matches, requests, &sidecar, &state_dir, &outcome) => {}
        }
        systemd::stopping();
        drop(sidecar);
        Ok::<_, Failure>(())
    })?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Answers wishes to read the configuration again.
async fn follow(
    matches: &ArgMatches,
    mut requests: mpsc::Receiver<ReloadRequest>,
    sidecar: &Sidecar,
    state_dir: &Path,
    outcome: &Outcome,
) {
    while let Some(reply) = requests.recv().await {
        systemd::reloading();
        let result = host::config(matches).and_then(|(file, config)| {
            let plan = Plan::of(&config, None)?;
            host::tell_warnings(file.as_deref(), &config);
            host::tell_state_dir(state_dir, &host::state_dir(matches, &config));
            Ok(plan)
        });
        let result = match result {
            Ok(plan) => sidecar.apply(plan).await,
            Err(failure) => Err(failure),
        };
        let result = result.map_err(|failure| failure.to_string());
        systemd::ready();
        outcome.tell(&result);
        if let Some(reply) = reply {
            // Who asked may have gone.
            let _ = reply.send(result);
        }
    }
}

/// The addresses that a flag names.
pub fn addresses(matches: &ArgMatches, flag: &str) -> Vec<String> {
    let addresses = matches.get_many::<String>(flag).into_iter().flatten();
    addresses.cloned().collect()
}

/// Limits of queries, by the flags.
pub fn queries(matches: &ArgMatches) -> Settings {
    let default = Settings::default();
    let duration = |name| matches.get_one::<Duration>(name).copied();
    Settings {
        timeout: duration("query.timeout").unwrap_or(default.timeout),
        lookback: duration("query.lookback-delta").unwrap_or(default.lookback),
        max_samples: matches
            .get_one::<u64>("query.max-samples")
            .copied()
            .unwrap_or(default.max_samples),
        max_concurrency: matches
            .get_one::<u16>("query.max-concurrency")
            .map_or(default.max_concurrency, |count| usize::from(*count)),
        ..default
    }
}

/// The flags that were given or have a default, as the API shows them.
pub fn flags(matches: &ArgMatches) -> std::collections::BTreeMap<String, String> {
    let names = matches.ids().map(clap::Id::as_str);
    let shown = names.filter_map(|name| {
        let values = matches.try_get_raw(name).ok()??;
        let values: Vec<_> = values
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        Some((name.to_owned(), values.join(",")))
    });
    shown.collect()
}
