//! What feeds there are: checked values of the configuration's `feeds`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tidegauge_model::exposition::Format;

use super::limits::LabelLimits;

/// All feeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What is scraped. No two have the same name.
    pub jobs: Vec<Job>,
    /// The exporter in the same process, where there is one.
    pub host: Option<HostFeed>,
}

/// The exporter in the same process, as a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFeed {
    /// Label `instance` of its series: `<host name>:10733`. Their `job` is `tidegauge`.
    pub instance: String,
    /// How often it is read.
    pub interval: Duration,
    /// How long a reading is waited for.
    pub timeout: Duration,
}

/// Targets that are scraped alike: an entry of Prometheus's `scrape_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// `job_name`: the label `job`, and the scrape pool.
    pub name: String,
    /// `scrape_interval`, not zero.
    pub interval: Duration,
    /// `scrape_timeout`, not zero, at most the interval.
    pub timeout: Duration,
    /// `scheme`.
    pub scheme: Scheme,
    /// `metrics_path`, from `/` on.
    pub path: String,
    /// `params`: names, each with its values.
    pub params: Vec<(String, Vec<String>)>,
    /// `static_configs`.
    pub groups: Vec<Group>,
    /// `basic_auth` or `authorization`.
    pub login: Login,
    /// `tls_config`.
    pub tls: Tls,
    /// `follow_redirects`.
    pub follow_redirects: bool,
    /// `enable_compression`.
    pub compression: bool,
    /// `fallback_scrape_protocol`: how an answer without a content type that is known is read.
    pub fallback: Option<Format>,
    /// `body_size_limit`, in bytes, uncompressed.
    pub body_size_limit: u64,
    /// `sample_limit`.
    pub sample_limit: Option<u64>,
    /// `label_limit` and its like.
    pub label_limits: LabelLimits,
    /// `honor_labels`.
    pub honor_labels: bool,
    /// `honor_timestamps`.
    pub honor_timestamps: bool,
    /// `track_timestamps_staleness`.
    pub track_timestamps: bool,
}

/// How the exporter is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without encryption.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As addresses have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an address that names none.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An entry of `static_configs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// As `host:9100`; the label `instance` of what they expose.
    pub targets: Vec<String>,
    /// Labels of all series of these targets.
    pub labels: Vec<(String, String)>,
}

/// How we prove who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    None,
    /// `basic_auth`.
    Basic {
        /// `username`.
        name: String,
        /// `password` or `password_file`.
        password: Secret,
    },
    /// `authorization`.
    Token {
        /// `type`, such as `Bearer`.
        kind: String,
        /// `credentials` or `credentials_file`.
        token: Secret,
    },
}

/// What nobody is to see. Not even [`fmt::Debug`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration.
    Inline(String),
    /// In a file, which is read anew at each use; blanks around it do not count.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(<secret>)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// `tls_config`. Files are read anew for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `ca_file`: PEM of those who may have signed the exporter's certificate; else those that the system trusts.
    pub ca: Option<PathBuf>,
    /// `cert_file` and `key_file`: PEM of our own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `server_name`: the name that the certificate is to have, if not that of the target.
    pub server_name: Option<String>,
    /// `insecure_skip_verify`: any certificate will do.
    pub skip_verify: bool,
    /// `min_version: TLS13`.
    pub only_tls13: bool,
}

impl Job {
    /// How often a feed is scraped that does not say.
    pub const INTERVAL: Duration = Duration::from_secs(15);
    /// How long a feed is waited for that does not say; the interval, if that is shorter.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// How large an answer may be for a feed that does not say. Prometheus has no limit; an exporter gone
    /// wild would then take the memory of the host whose disks it is to watch.
    pub const BODY_SIZE_LIMIT: u64 = 256 << 20;

    /// A job with the defaults for everything, and no targets yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            interval: Self::INTERVAL,
            timeout: Self::TIMEOUT,
            scheme: Scheme::Http,
            path: "/metrics".to_owned(),
            params: Vec::new(),
            groups: Vec::new(),
            login: Login::None,
            tls: Tls::default(),
            follow_redirects: true,
            compression: true,
            fallback: None,
            body_size_limit: Self::BODY_SIZE_LIMIT,
            sample_limit: None,
            label_limits: LabelLimits::default(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps: false,
        }
    }
}
