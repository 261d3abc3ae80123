//! Tells systemd that the service is ready, alive, or stopping (sd_notify(3)). Without systemd all of
//! it does nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tidegauge_exporter::http::{Scrape, Wanted};
use tidegauge_exporter::sampling::live::Live;

/// Says ready after the first full reading, then, where the unit has a watchdog, that the sampler
/// answers. One that no longer answers lets the watchdog bark.
pub async fn attend(sampler: Arc<Live>, began: Instant) {
    // Answered after the first reading, since readings are taken one after the other.
    if sampler.snapshot(Wanted::only(&[])).await.is_err() {
        return;
    }
    tracing::info!(after = ?began.elapsed(), "ready");
    ready();
    let Some(period) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = tokio::time::interval((period / 2).max(Duration::from_millis(10)));
    loop {
        ticks.tick().await;
        if let Ok(Ok(_)) =
            tokio::time::timeout(period / 2, sampler.snapshot(Wanted::only(&[]))).await
        {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// Says that the configuration is being read again (for `Type=notify-reload`), until [`ready`].
pub fn reloading() {
    let mut state = vec![NotifyState::Reloading];
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        state.push(now);
    }
    notify(&state);
}

/// Says that the service does its work (again).
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Says that the service is about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
