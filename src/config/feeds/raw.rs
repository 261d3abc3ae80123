//! An entry of `feeds` as it is written, and what Prometheus's `scrape_configs` have beyond that.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::raw::Text;

/// One entry of `feeds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFeed {
    pub job_name: Text,
    pub scrape_interval: Option<Text>,
    pub scrape_timeout: Option<Text>,
    pub metrics_path: Option<Text>,
    pub scheme: Option<Text>,
    #[serde(default)]
    pub params: BTreeMap<String, Vec<Text>>,
    #[serde(default)]
    pub static_configs: Vec<RawGroup>,
    pub basic_auth: Option<Spanned<RawBasicAuth>>,
    pub authorization: Option<Spanned<RawAuthorization>>,
    #[serde(default)]
    pub tls_config: RawTls,
    pub follow_redirects: Option<bool>,
    pub enable_compression: Option<bool>,
    /// Accepted for those who switch it off: HTTP/1.1 is spoken whatever it says.
    #[serde(rename = "enable_http2")]
    pub _enable_http2: Option<bool>,
    pub fallback_scrape_protocol: Option<Text>,
    pub body_size_limit: Option<Text>,
    pub sample_limit: Option<Text>,
    pub label_limit: Option<Text>,
    pub label_name_length_limit: Option<Text>,
    pub label_value_length_limit: Option<Text>,
    pub honor_labels: Option<bool>,
    pub honor_timestamps: Option<bool>,
    pub track_timestamps_staleness: Option<bool>,
}

/// An entry of `static_configs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGroup {
    #[serde(default)]
    pub targets: Vec<Text>,
    #[serde(default)]
    pub labels: BTreeMap<String, Text>,
}

/// `basic_auth`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBasicAuth {
    pub username: Option<Text>,
    pub password: Option<Spanned<RawSecret>>,
    pub password_file: Option<Text>,
}

/// `authorization`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAuthorization {
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    pub credentials: Option<Spanned<RawSecret>>,
    pub credentials_file: Option<Text>,
}

/// A secret as it is written; not even `Debug` shows it.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct RawSecret(pub String);

impl fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// `tls_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    pub ca_file: Option<Text>,
    pub cert_file: Option<Text>,
    pub key_file: Option<Text>,
    pub server_name: Option<Text>,
    #[serde(default)]
    pub insecure_skip_verify: bool,
    pub min_version: Option<Text>,
}

/// What to do instead of a key that Prometheus has and feeds have not.
pub fn instead_of(key: &str) -> Option<&'static str> {
    Some(match key {
        _ if key.ends_with("_sd_configs") => {
            "name the targets under static_configs; there is no service discovery"
        }
        "relabel_configs" | "metric_relabel_configs" => {
            "give labels under static_configs, and choose series in the rules; there is no relabelling"
        }
        "bearer_token" | "bearer_token_file" => "write authorization: {credentials_file: FILE}",
        "oauth2" => "authorization and basic_auth are what can be sent",
        "username_file" => "write username; only the password is secret",
        "ca" | "cert" | "key" => "name a file: ca_file, cert_file, key_file",
        "ca_ref" | "cert_ref" | "key_ref" | "password_ref" | "username_ref" | "credentials_ref" => {
            "name a file; there is no manager of secrets"
        }
        "max_version" => "leave it out; TLS 1.2 and 1.3 are spoken",
        "proxy_url" | "no_proxy" | "proxy_from_environment" | "proxy_connect_header" => {
            "leave it out; exporters are reached without a proxy"
        }
        "scrape_native_histograms"
        | "always_scrape_classic_histograms"
        | "scrape_classic_histograms"
        | "convert_classic_histograms_to_nhcb"
        | "native_histogram_bucket_limit"
        | "native_histogram_min_bucket_factor" => {
            "leave it out; histograms are classic ones, as the text formats have them"
        }
        "scrape_protocols"
        | "http_headers"
        | "scrape_failure_log_file"
        | "target_limit"
        | "keep_dropped_targets"
        | "metric_name_validation_scheme"
        | "metric_name_escaping_scheme"
        | "extra_scrape_metrics" => "leave it out",
        _ => return None,
    })
}
