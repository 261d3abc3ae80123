//! Reading the configuration again: all of it is checked, then all of it replaces the old; when
//! something is wrong the old goes on as if nothing had been asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use tidegauge_exporter::http::{Scrape, Wanted};
use tidegauge_exporter::rights::Right;
use tidegauge_exporter::sampling::live::Live;
use tidegauge_exporter::sampling::{Extra, Sampler};
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_web::reload::ReloadRequest;
use tokio::sync::mpsc;

use crate::exporter::{VERSION, host_feed};
use crate::failure::Failure;
use crate::host::Host;
use crate::sidecar::{Plan, Sidecar};
use crate::starter::Starter;
use crate::systemd;

static SUCCESSFUL: FamilySpec = FamilySpec::gauge(
    "tidegauge_config_last_reload_successful",
    "Whether the last reading of the configuration was taken.",
    &[],
);
static SUCCESS_TIME: FamilySpec = FamilySpec::gauge(
    "tidegauge_config_last_reload_success_timestamp_seconds",
    "When the configuration in use was read, in seconds since 1970.",
    &[],
);

/// What this adds to every snapshot, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &[&SUCCESSFUL, &SUCCESS_TIME];

/// How the last reading went.
pub struct Outcome {
    successful: AtomicBool,
    taken: Mutex<SystemTime>,
}

impl Outcome {
    /// The first reading was taken just now.
    pub fn taken_now() -> Self {
        Self {
            successful: AtomicBool::new(true),
            taken: Mutex::new(SystemTime::now()),
        }
    }

    /// Writes down and logs what came of a reload.
    pub fn tell(&self, result: &Result<(), String>) {
        self.set(result.is_ok());
        match result {
            Ok(()) => tracing::info!("configuration was read again and is in use"),
            Err(error) => {
                for line in error.lines() {
                    tracing::error!(
                        error = line,
                        "configuration is wrong, the old one stays in use"
                    );
                }
            }
        }
    }

    /// Whether the last reading was taken.
    pub fn is_successful(&self) -> bool {
        self.successful.load(Ordering::Relaxed)
    }

    /// When what is in use was read, in milliseconds since 1970.
    pub fn taken_at(&self) -> Option<i64> {
        let since = self.taken().duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    }

    fn taken(&self) -> SystemTime {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, successful: bool) {
        self.successful.store(successful, Ordering::Relaxed);
        if successful {
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
        }
    }

    /// As metrics.
    pub fn families(&self) -> Vec<Family> {
        let mut successful = Family::new(&SUCCESSFUL);
        successful.push(&Labels::none(), self.is_successful());
        let mut time = Family::new(&SUCCESS_TIME);
        if let Ok(since) = self.taken().duration_since(UNIX_EPOCH) {
            time.push(&Labels::none(), since.as_secs_f64());
        }
        vec![successful, time]
    }
}

/// Reads the configuration again.
pub struct Reloader {
    /// The flags, which stay.
    pub matches: Arc<ArgMatches>,
    /// The host as it is configured now.
    pub host: Host,
    /// What serves.
    pub live: Arc<Live>,
    /// What every snapshot carries.
    pub extra: Extra,
    /// What is said of it.
    pub outcome: Arc<Outcome>,
    /// The rights that were kept at the start.
    pub rights: Vec<Right>,
    /// Who has them.
    pub starter: Starter,
    /// The sidecar of this process.
    pub sidecar: Option<Arc<Sidecar>>,
}

impl Reloader {
    /// Answers requests one after the other, as long as there can be any.
    pub async fn serve(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        while let Some(reply) = requests.recv().await {
            systemd::reloading();
            let result = self.reload().await.map_err(|failure| failure.to_string());
            systemd::ready();
            self.outcome.tell(&result);
            if let Some(reply) = reply {
                // Who asked may have gone.
                let _ = reply.send(result);
            }
        }
    }

    async fn reload(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        let matches = Arc::clone(&self.matches);
        let memory = self.host.context.memory.clone();
        let extra = Arc::clone(&self.extra);
        // Files are read and mounts are looked at: not on the thread that answers scrapes.
        let with_sidecar = self.sidecar.is_some();
        let prepare = move || {
            let mut host = Host::load(&matches)?;
            let plan = with_sidecar
                .then(|| Plan::of(host.config(), Some(host_feed(host.config()))))
                .transpose()?;
            host.context.memory = memory;
            let chosen = host.collectors(&matches)?;
            let storage = host.storage(&matches)?;
            host.conflicts(&storage)?;
            let rights = host.rights(&chosen);
            let sampler = Sampler::start(&host.context, Arc::new(storage), &chosen, VERSION, extra)
                .map_err(|error| Failure::failed(error.to_string()))?;
            Ok((host, sampler, rights, plan))
        };
        let (mut host, sampler, rights, plan) = self.starter.run(prepare).await?;
        // The first reading is taken before anybody is served by it.
        if sampler.snapshot(Wanted::all()).await.is_err() {
            return Err(Failure::failed("the new sampler stopped"));
        }
        for right in rights.iter().filter(|right| !self.rights.contains(right)) {
            tracing::warn!(
                right = right.name(),
                "the new configuration can use a right that was given up at the start; restart to have it"
            );
        }
        self.live.replace(sampler);
        if let (Some(sidecar), Some(plan)) = (&self.sidecar, plan) {
            sidecar.apply(plan).await?;
            host.keep_state_dir(&self.host);
        }
        self.host = host;
        self.host.tell_tiers();
        tracing::debug!(took = ?began.elapsed(), "reload");
        Ok(())
    }
}
