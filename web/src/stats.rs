//! The server about itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidegauge_model::metric::{Family, FamilySpec, Labels};

static REQUESTS: FamilySpec = FamilySpec::counter(
    "tidegauge_http_requests_total",
    "Requests answered.",
    &["code"],
);
static IN_FLIGHT: FamilySpec = FamilySpec::gauge(
    "tidegauge_http_scrapes_in_flight",
    "Scrapes under way.",
    &[],
);
static CONNECTIONS: FamilySpec =
    FamilySpec::gauge("tidegauge_http_connections", "Open connections.", &[]);

static WEB_CONFIG: FamilySpec = FamilySpec::gauge(
    "tidegauge_web_config_last_reload_successful",
    "Whether the web configuration is in use as it is now; absent without --web.config.file.",
    &[],
);

/// What the server adds to every snapshot, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &[&REQUESTS, &IN_FLIGHT, &CONNECTIONS, &WEB_CONFIG];

/// Counts of a server.
#[derive(Debug, Default)]
pub struct HttpStats {
    requests: Mutex<BTreeMap<u16, u64>>,
    scrapes: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    /// `None` without a web configuration.
    web_config: Mutex<Option<bool>>,
}

/// Counts as under way until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<AtomicU64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpStats {
    /// An answer with this status was given.
    pub fn answered(&self, status: u16) {
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(status)
            .or_default() += 1;
    }

    /// A scrape begins; `None` when `limit` of them are under way already. 0 is no limit.
    pub fn begin_scrape(&self, limit: usize) -> Option<InFlight> {
        let guard = count(&self.scrapes);
        (limit == 0 || self.scrapes.load(Ordering::Relaxed) <= limit as u64).then_some(guard)
    }

    /// A connection was opened.
    pub fn connected(&self) -> InFlight {
        count(&self.connections)
    }

    /// A web configuration was read, and is in use or not.
    pub fn web_config_read(&self, in_use: bool) {
        *self
            .web_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(in_use);
    }

    /// As metrics.
    pub fn families(&self) -> Vec<Family> {
        let mut requests = Family::new(&REQUESTS);
        for (code, n) in self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            requests.push(&Labels::new(&[("code", &code.to_string())]), *n);
        }
        let gauge = |spec, value: &AtomicU64| {
            let mut family = Family::new(spec);
            family.push(&Labels::none(), value.load(Ordering::Relaxed));
            family
        };
        let mut families = vec![
            requests,
            gauge(&IN_FLIGHT, &self.scrapes),
            gauge(&CONNECTIONS, &self.connections),
        ];
        let web_config = *self
            .web_config
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(in_use) = web_config {
            let mut family = Family::new(&WEB_CONFIG);
            family.push(&Labels::none(), u64::from(in_use));
            families.push(family);
        }
        families
    }
}

fn count(counter: &Arc<AtomicU64>) -> InFlight {
    counter.fetch_add(1, Ordering::Relaxed);
    InFlight(Arc::clone(counter))
}
