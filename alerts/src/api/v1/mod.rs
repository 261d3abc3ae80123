//! Prometheus's HTTP API v1, as of 3.5: what Grafana, promtool and others ask a Prometheus for. The answers
//! are the same JSON. Nothing here changes anything.
//!
//! Left out: `parse_query`, whose tree is that of Prometheus's own
//! parser; remote read and write, and what administrates a TSDB.

mod error;
mod json;
mod name;
mod number;
pub mod parameter;
mod query;
mod reply;
mod rule;
pub mod selector;
mod series;
mod status;
mod target;
mod tsdb;
pub mod view;
mod work;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tidegauge_web::Body;
use tidegauge_web::answer::{text, wrong_method};

use self::error::ApiError;
use self::parameter::Parameters;
use self::reply::Reply;
use self::view::{Index, Rules, Status, Targets};
use self::work::Worker;
use crate::clock::Clock;

/// Where it all lies.
pub const PREFIX: &str = "/api/v1/";

/// Limits of queries. The defaults are for a host's sidecar: Prometheus's are 20 queries at once and 50
/// million samples, 800 MB.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long a query may take (`--query.timeout`).
    pub timeout: Duration,
    /// How many run at once; others wait (`--query.max-concurrency`).
    pub max_concurrency: usize,
    /// How many samples one may hold at one time (`--query.max-samples`).
    pub max_samples: u64,
    /// How far back a selector looks for a sample (`--query.lookback-delta`).
    pub lookback: Duration,
    /// The step of a subquery that names none.
    pub default_step: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2 * 60),
            max_concurrency: 4,
            max_samples: 5_000_000,
            lookback: Duration::from_secs(5 * 60),
            default_step: Duration::from_secs(60),
        }
    }
}

/// Where the answers come from.
#[derive(Clone)]
pub struct Sources {
    /// Samples.
    pub index: Arc<dyn Index>,
    /// Rules and their alerts.
    pub rules: Arc<dyn Rules>,
    /// Feeds.
    pub targets: Arc<dyn Targets>,
    /// The program.
    pub status: Arc<dyn Status>,
}

/// The API.
pub struct Api {
    sources: Sources,
    clock: Arc<dyn Clock>,
    settings: Settings,
    worker: Worker,
}

impl Api {
    /// Over these sources.
    pub fn new(sources: Sources, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let worker = Worker::new(settings.max_concurrency, settings.timeout);
        Self {
            sources,
            clock,
            settings,
            worker,
        }
    }

    /// Answers a request whose path begins with [`PREFIX`].
    pub async fn answer(&self, request: &mut Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let path = path.strip_prefix(PREFIX).unwrap_or_default();
        let Some(endpoint) = Endpoint::of(path) else {
            return match NOT_HERE.contains(&path) {
                true => ApiError::not_here(path).respond(),
                false => text(StatusCode::NOT_FOUND, "404 page not found\n"),
            };
        };
        match *request.method() {
            Method::GET => {}
            Method::POST if endpoint.takes_forms() => {}
            Method::OPTIONS => return Reply::Empty.respond(request.headers()),
            _ if endpoint.takes_forms() => {
                return wrong_method("GET, OPTIONS, POST", "Method Not Allowed\n");
            }
            _ => return wrong_method("GET, OPTIONS", "Method Not Allowed\n"),
        }
        let reply = match Parameters::read(request).await {
            Ok(parameters) => self.reply(endpoint, &parameters).await,
            Err(error) => Err(error),
        };
        match reply {
            Ok(reply) => reply.respond(request.headers()),
            Err(error) => error.respond(),
        }
    }

    async fn reply(&self, endpoint: Endpoint, parameters: &Parameters) -> Result<Reply, ApiError> {
        match endpoint {
            Endpoint::Query => self.query(parameters).await,
            Endpoint::QueryRange => self.query_range(parameters).await,
            Endpoint::QueryExemplars => Self::query_exemplars(parameters),
            Endpoint::FormatQuery => Self::format_query(parameters),
            Endpoint::Series => self.series(parameters).await,
            Endpoint::Labels => self.labels(parameters).await,
            Endpoint::LabelValues(name) => self.label_values(&name, parameters).await,
            Endpoint::Metadata => self.metadata(parameters),
            Endpoint::Rules => self.rules(parameters),
            Endpoint::Alerts => Ok(self.alerts()),
            Endpoint::Targets => Ok(self.targets(parameters)),
            Endpoint::ScrapePools => Ok(self.scrape_pools()),
            Endpoint::BuildInfo => Ok(self.build_info()),
            Endpoint::RuntimeInfo => Ok(self.runtime_info()),
            Endpoint::Flags => Ok(self.flags()),
            Endpoint::Config => Ok(self.config()),
            Endpoint::Tsdb => self.tsdb(parameters).await,
        }
    }
}

/// What can be asked for.
enum Endpoint {
    Query,
    QueryRange,
    QueryExemplars,
    FormatQuery,
    Series,
    Labels,
    /// With the label's name as it stands in the path.
    LabelValues(String),
    Metadata,
    Rules,
    Alerts,
    Targets,
    ScrapePools,
    BuildInfo,
    RuntimeInfo,
    Flags,
    Config,
    Tsdb,
}

/// What a Prometheus answers and we do not: who asks is told so in its way.
const NOT_HERE: &[&str] = &[
    "admin/tsdb/clean_tombstones",
    "admin/tsdb/delete_series",
    "admin/tsdb/snapshot",
    "alertmanagers",
    "notifications",
    "notifications/live",
    "otlp/v1/metrics",
    "parse_query",
    "read",
    "status/walreplay",
    "targets/metadata",
    "targets/relabel_steps",
    "write",
];

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "query" => Self::Query,
            "query_range" => Self::QueryRange,
            "query_exemplars" => Self::QueryExemplars,
            "format_query" => Self::FormatQuery,
            "series" => Self::Series,
            "labels" => Self::Labels,
            "metadata" => Self::Metadata,
            "rules" => Self::Rules,
            "alerts" => Self::Alerts,
            "targets" => Self::Targets,
            "scrape_pools" => Self::ScrapePools,
            "status/buildinfo" => Self::BuildInfo,
            "status/runtimeinfo" => Self::RuntimeInfo,
            "status/flags" => Self::Flags,
            "status/config" => Self::Config,
            "status/tsdb" => Self::Tsdb,
            other => {
                let name = other.strip_prefix("label/")?.strip_suffix("/values")?;
                let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
                Self::LabelValues(name)
            }
        })
    }

    /// Whether parameters may come as a form.
    fn takes_forms(&self) -> bool {
        matches!(
            self,
            Self::Query
                | Self::QueryRange
                | Self::QueryExemplars
                | Self::FormatQuery
                | Self::Series
                | Self::Labels
        )
    }
}
