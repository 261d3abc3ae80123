//! `tidegauge run` and `tidegauge exporter`: serves the host's metrics until it is told to stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ArgMatches;
use tidegauge_exporter::http::secure::Security;
use tidegauge_exporter::http::{HttpStats, ServerOptions, bind, serve};
use tidegauge_exporter::sampling::Sampler;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::host::Host;
use crate::{logging, systemd};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs until SIGTERM or SIGINT.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let host = Host::load(matches)?;
    let chosen = host.collectors(matches)?;
    logging::start(matches);
    match &host.config_file {
        Some(file) => {
            tracing::info!(version = VERSION, config = %file.display(), state_dir = %host.state_dir.display(), "tidegauge starts")
        }
        None => {
            tracing::info!(version = VERSION, config = "none, tiers discovered", state_dir = %host.state_dir.display(), "tidegauge starts")
        }
    }
    for tier in host.context.tiers.iter() {
        let paths: Vec<_> = tier.paths.iter().map(|p| p.to_string_lossy()).collect();
        tracing::info!(
            tier = tier.name,
            paths = paths.join(","),
            discovered = host.is_discovered(),
            "tier"
        );
    }
    if host.context.tiers.is_empty() {
        tracing::warn!(
            "no tiers: no mounted filesystem stores data as far as can be seen; `tidegauge discover` says why each was left out"
        );
    }
    let storage = host.storage(matches)?;
    host.conflicts(&storage)?;
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
        let mut listeners = Vec::new();
        for address in matches
            .get_many::<String>("web.listen-address")
            .into_iter()
            .flatten()
        {
            let listener = bind(address).map_err(|error| Failure::failed(error.to_string()))?;
            let local = listener
                .local_addr()
                .map_or_else(|_| address.clone(), |a| a.to_string());
            tracing::info!(address = local, "listening");
            listeners.push(listener);
        }
        // Signals that come while the first reading is taken must not be lost.
        let stop = stop_signal()?;
        let families = Arc::clone(&stats);
        let extra = Box::new(move || families.families());
        let sampler = Sampler::start(&host.context, Arc::new(storage), &chosen, VERSION, extra)
            .map_err(|error| Failure::failed(error.to_string()))?;
        let options = ServerOptions {
            telemetry_path: matches
                .get_one::<String>("web.telemetry-path")
                .cloned()
                .unwrap_or_default(),
            max_requests: matches
                .get_one::<u32>("web.max-requests")
                .copied()
                .unwrap_or(40) as usize,
            version: VERSION,
            security,
            ..ServerOptions::default()
        };
        tokio::spawn(systemd::attend(Arc::clone(&sampler), began));
        let stop = async {
            let name = stop.await;
            tracing::info!(signal = name, "stopping");
            systemd::stopping();
        };
        serve(listeners, sampler, stats, options, stop).await;
        Ok::<_, Failure>(())
    })?;
    // A password that is being compared would hold up the end for as long as that takes.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

fn secured(file: &Path, stats: &Arc<HttpStats>) -> Result<Arc<Security>, Failure> {
    let security = Security::open(file, Arc::clone(stats))
        .map_err(|problems| Failure::wrong(file, problems))?;
    tracing::info!(
        file = %file.display(),
        tls = security.speaks_tls(),
        passwords = security.asks_passwords(),
        "web configuration"
    );
    Ok(Arc::new(security))
}

/// Resolves with the signal's name.
fn stop_signal() -> Result<impl Future<Output = &'static str>, Failure> {
    let failed = |error| Failure::failed(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
