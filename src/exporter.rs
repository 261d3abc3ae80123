//! `tidegauge run` and `tidegauge exporter`: serves the host's metrics until it is told to stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::ArgMatches;
use tidegauge_alerts::feed::{HostFeed, Source};
use tidegauge_exporter::http::{ServerOptions, serve};
use tidegauge_exporter::rights::{keep_only, narrow_thread};
use tidegauge_exporter::sampling::live::Live;
use tidegauge_exporter::sampling::{Extra, Sampler};
use tidegauge_web::reload::ReloadRequest;
use tidegauge_web::secure::Security;
use tidegauge_web::{HttpStats, Options, bind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::failure::Failure;
use crate::host::Host;
use crate::reload::{Outcome, Reloader};
use crate::sidecar::{InProcess, Plan, Sidecar, Start, StateDir, host_name};
use crate::starter::Starter;
use crate::{alerts, logging, systemd};

/// Of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The exporter of this process as the sidecar's feed: what a Prometheus that scrapes it would add.
pub fn host_feed(config: &Config) -> HostFeed {
    HostFeed {
        instance: format!("{}:10733", host_name()),
        interval: config.global.scrape_interval,
        timeout: config.global.scrape_timeout,
    }
}

/// Runs until SIGTERM or SIGINT; with the sidecar, if it is asked for.
pub fn run(matches: &ArgMatches, with_sidecar: bool) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let host = Host::load(matches)?;
    let chosen = host.collectors(matches)?;
    let plan = with_sidecar
        .then(|| Plan::of(host.config(), Some(host_feed(host.config()))))
        .transpose()?;
    logging::start(matches);
    match &host.config_file {
        Some(file) => {
            tracing::info!(version = VERSION, config = %file.display(), state_dir = %host.state_dir.display(), "tidegauge starts")
        }
        None => {
            tracing::info!(version = VERSION, config = "none, tiers discovered", state_dir = %host.state_dir.display(), "tidegauge starts")
        }
    }
    host.tell_tiers();
    let storage = host.storage(matches)?;
    host.conflicts(&storage)?;
    let state = with_sidecar
        .then(|| StateDir::open(&host.state_dir))
        .transpose()?;
    let stats = Arc::new(HttpStats::default());
    let security = matches
        .get_one::<PathBuf>("web.config.file")
        .map(|file| secured(file, &stats))
        .transpose()?;

    let sidecar_stats = Arc::new(HttpStats::default());
    let sidecar_security = match with_sidecar {
        true => matches
            .get_one::<PathBuf>("alerts.config.file")
            .map(|file| secured(file, &sidecar_stats))
            .transpose()?,
        false => None,
    };

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
        let hang_ups = signal(SignalKind::hangup())
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        // After the ports below 1024 are open, before there is a second thread.
        let rights = host.rights(&chosen);
        let kept = keep_only(&rights).map_err(|error| Failure::failed(error.to_string()))?;
        tracing::info!(kept = kept.join(","), "gave up all other capabilities");
        let outcome = Arc::new(Outcome::taken_now());
        let extra: Extra = {
            let (stats, outcome) = (Arc::clone(&stats), Arc::clone(&outcome));
            Arc::new(move || [stats.families(), outcome.families()].concat())
        };
        let storage = Arc::new(storage);
        let starter = Starter::start()?;
        let (context, extra_of_it) = (host.context.clone(), Arc::clone(&extra));
        let start = move || {
            Sampler::start(&context, storage, &chosen, VERSION, extra_of_it)
                .map_err(|error| Failure::failed(error.to_string()))
        };
        let sampler = starter.run(start).await?;
        let live = Arc::new(Live::new(sampler));
        let (reload, requests) = mpsc::channel(1);
        let sidecar = match plan.zip(state) {
            None => None,
            Some((plan, state)) => {
                let source: Arc<dyn Source> = Arc::new(InProcess(Arc::clone(&live)));
                Some(Arc::new(Sidecar::start(Start {
                    plan,
                    state,
                    addresses: alerts::addresses(matches, "alerts.listen-address"),
                    external_url: matches.get_one::<String>("web.external-url").cloned(),
                    queries: alerts::queries(matches),
                    security: sidecar_security,
                    stats: sidecar_stats,
                    source: Some(source),
                    reload: reload.clone(),
                    flags: alerts::flags(matches),
                    outcome: Arc::clone(&outcome),
                })?))
            }
        };
        let reloader = Reloader {
            matches: Arc::new(matches.clone()),
            host,
            live: Arc::clone(&live),
            extra,
            outcome,
            rights,
            starter,
            sidecar: sidecar.clone(),
        };
        tokio::spawn(reloader.serve(requests));
        tokio::spawn(hang_up(hang_ups, reload.clone()));
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
            reload: Some(reload),
            web: Options {
                security,
                ..Options::default()
            },
        };
        tokio::spawn(systemd::attend(Arc::clone(&live), began));
        let stop = async {
            let name = stop.await;
            tracing::info!(signal = name, "stopping");
            systemd::stopping();
        };
        serve(listeners, live, stats, options, stop).await;
        drop(sidecar);
        Ok::<_, Failure>(())
    })?;
    // A password that is being compared would hold up the end for as long as that takes.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Each SIGHUP asks for the configuration to be read again; those that come meanwhile ask once more.
pub async fn hang_up(mut signals: Signal, reload: mpsc::Sender<ReloadRequest>) {
    while signals.recv().await.is_some() {
        if reload.send(None).await.is_err() {
            return;
        }
    }
}

/// What a web configuration asks for.
pub fn secured(file: &Path, stats: &Arc<HttpStats>) -> Result<Arc<Security>, Failure> {
    // Read with no more rights than it will be read again with, so that this does not fail only then.
    let open = || {
        narrow_thread(&[]).map_err(|error| Failure::failed(error.to_string()))?;
        Security::open(file, Arc::clone(stats)).map_err(|problems| Failure::wrong(file, problems))
    };
    let security = std::thread::scope(|scope| scope.spawn(open).join()).map_err(|_| {
        Failure::failed("reading the web configuration panicked; please report it")
    })??;
    tracing::info!(
        file = %file.display(),
        tls = security.speaks_tls(),
        passwords = security.asks_passwords(),
        "web configuration"
    );
    Ok(Arc::new(security))
}

/// Resolves with the signal's name.
pub fn stop_signal() -> Result<impl Future<Output = &'static str>, Failure> {
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
