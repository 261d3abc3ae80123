//! What a web configuration says, in the format of Prometheus's exporter-toolkit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use rustls::{CipherSuite, NamedGroup};
use serde_saphyr::Location;

use super::duration;
use super::names::{CIPHER_SUITES, CURVES, VERSIONS, Version};
use super::node::{Node, Value};
use super::password::{Hash, HashError};
use super::san;
use super::section::{Findings, Section, quoted, showable};

/// A web configuration. Without any section it asks for nothing.
#[derive(Debug, Default)]
pub struct WebConfig {
    /// How to speak TLS; `None`: not at all.
    pub tls: Option<TlsConfig>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may ask. Nobody named: anybody.
    pub users: BTreeMap<String, Hash>,
    /// How often may be asked.
    pub rate: Option<RateLimit>,
}

/// How to speak TLS.
#[derive(Debug)]
pub struct TlsConfig {
    /// The server's certificate, and those that lead to its CA.
    pub certificate: Source,
    /// Its key.
    pub key: Source,
    /// Who signs the certificates of clients.
    pub client_ca: Option<Source>,
    /// What clients have to show.
    pub client_auth: ClientAuth,
    /// Names of which a client's certificate must have one.
    pub client_names: Option<Vec<String>>,
    /// The oldest version spoken.
    pub min_version: Version,
    /// The newest version spoken.
    pub max_version: Version,
    /// Suites in the order of preference; `None`: all. Those of TLS 1.3 are always there.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// Groups of the key exchange in the order of preference; `None`: all.
    pub groups: Option<Vec<NamedGroup>>,
    /// Whether our order of suites counts, not the client's.
    pub prefer_server_order: bool,
}

/// Where something in PEM is.
pub struct Source {
    /// The key that gave it.
    pub name: &'static str,
    /// Where in the configuration.
    pub place: Location,
    /// Where to read it.
    pub from: Origin,
}

/// Where to read something.
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// It is in the configuration itself.
    Inline(String),
}

/// The key may be within: only the place is shown.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            Origin::File(path) => write!(f, "{} {}", self.name, path.display()),
            Origin::Inline(_) => write!(f, "{} in line {}", self.name, self.place.line()),
        }
    }
}

/// What a client has to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing.
    #[default]
    None,
    /// It is asked for a certificate; any is taken, and none too.
    Request,
    /// Any certificate.
    RequireAny,
    /// None, or one that holds.
    VerifyIfGiven,
    /// One that holds.
    RequireAndVerify,
}

impl ClientAuth {
    /// Whether a certificate that is shown must lead to the CA.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

const CLIENT_AUTH: &[(&str, ClientAuth)] = &[
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    // The toolkit's first name for it, which it still takes.
    ("RequireClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

/// How often may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// A request more after each of these.
    pub interval: Duration,
    /// So many at once.
    pub burst: u32,
}

/// The headers that may be set, and where it is not free which values.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// bcrypt above this takes seconds for each new login.
const COSTLY: u32 = 14;

const HOW_TO_HASH: &str = "make a hash with: htpasswd -nBC 10 \"\" | tr -d ':\\n'";

/// Reads a web configuration. Relative paths in it are relative to `folder`. What is wrong is in the
/// findings; the configuration is of use only when nothing is.
pub fn parse(text: &str, folder: &Path, findings: &mut Findings) -> WebConfig {
    let root = match Node::parse(text) {
        Ok(root) => root,
        Err(problem) => {
            findings.problems.push(problem);
            return WebConfig::default();
        }
    };
    let sections = findings.section(
        &root,
        "a web configuration",
        &[
            "tls_server_config",
            "http_server_config",
            "basic_auth_users",
            "rate_limit",
        ],
    );
    WebConfig {
        tls: sections
            .get("tls_server_config")
            .and_then(|node| tls(node, folder, findings)),
        headers: sections
            .get("http_server_config")
            .map(|node| http(node, findings))
            .unwrap_or_default(),
        users: sections
            .get("basic_auth_users")
            .map(|node| users(node, findings))
            .unwrap_or_default(),
        rate: sections
            .get("rate_limit")
            .and_then(|node| rate(node, findings)),
    }
}

fn tls(node: &Node, folder: &Path, findings: &mut Findings) -> Option<TlsConfig> {
    let section = findings.section(
        node,
        "tls_server_config",
        &[
            "cert_file",
            "key_file",
            "cert",
            "key",
            "client_auth_type",
            "client_ca_file",
            "client_ca",
            "client_allowed_sans",
            "min_version",
            "max_version",
            "cipher_suites",
            "prefer_server_cipher_suites",
            "curve_preferences",
        ],
    );
    if section.is_empty() {
        findings.warn(
            node,
            "tls_server_config is empty: TLS is not spoken",
            "give cert_file and key_file, or remove it",
        );
        return None;
    }
    let mut source = |file, inline| source(&section, file, inline, folder, findings);
    let certificate = source("cert_file", "cert");
    let key = source("key_file", "key");
    let client_ca = source("client_ca_file", "client_ca");
    for (found, names) in [
        (&certificate, "neither cert_file nor cert"),
        (&key, "neither key_file nor key"),
    ] {
        if found.is_none() {
            findings.wrong(
                node,
                format!("tls_server_config has {names}"),
                "a server needs a certificate and its key",
            );
        }
    }
    let (client_auth, client_names) = clients(node, &section, client_ca.as_ref(), findings);
    let (min_version, max_version) = versions(&section, findings);
    let cipher_suites = section.get("cipher_suites").map(|node| {
        known(
            node,
            "cipher_suites",
            "cipher suite",
            CIPHER_SUITES,
            findings,
        )
    });
    let groups = section
        .get("curve_preferences")
        .map(|node| known(node, "curve_preferences", "curve", CURVES, findings));
    let prefer_server_order = section
        .get("prefer_server_cipher_suites")
        .and_then(|node| findings.boolean(node, "prefer_server_cipher_suites"))
        .unwrap_or(true);
    Some(TlsConfig {
        certificate: certificate?,
        key: key?,
        client_ca,
        client_auth,
        client_names,
        min_version,
        max_version,
        // Nothing given is the default, as it is in Go.
        cipher_suites: cipher_suites.filter(|all| !all.is_empty()),
        groups: groups.filter(|all| !all.is_empty()),
        prefer_server_order,
    })
}

/// A thing in PEM that may be in a file or in the configuration itself.
fn source(
    section: &Section<'_>,
    file: &'static str,
    inline: &'static str,
    folder: &Path,
    findings: &mut Findings,
) -> Option<Source> {
    let mut read = |name| {
        let node: &Node = section.get(name)?;
        let text = findings.text(node, name)?;
        (!text.is_empty()).then_some((node, text))
    };
    let (in_file, inlined) = (read(file), read(inline));
    if let (Some(_), Some((node, _))) = (&in_file, &inlined) {
        findings.warn(
            node,
            format!("{inline} is not used: {file} is given too"),
            "keep one of them",
        );
    }
    let (name, (node, from)) = match (in_file, inlined) {
        (Some((node, path)), _) => (file, (node, Origin::File(folder.join(path)))),
        (None, Some((node, text))) => (inline, (node, Origin::Inline(text.to_owned()))),
        (None, None) => return None,
    };
    Some(Source {
        name,
        place: node.place,
        from,
    })
}

fn clients(
    node: &Node,
    section: &Section<'_>,
    ca: Option<&Source>,
    findings: &mut Findings,
) -> (ClientAuth, Option<Vec<String>>) {
    let auth_node = section.get("client_auth_type").copied();
    let read =
        auth_node.filter(|node| !matches!(&node.value, Value::Scalar(text) if text.is_empty()));
    let auth = match read {
        Some(node) => match findings.one_of(node, "client_auth_type", CLIENT_AUTH) {
            Some(auth) => auth,
            // What follows would be guessing.
            None => return (ClientAuth::None, None),
        },
        None => ClientAuth::None,
    };
    let at = auth_node.unwrap_or(node);
    if ca.is_some() && auth == ClientAuth::None {
        findings.wrong(
            at,
            "a client CA is given, but clients are not asked for a certificate",
            "set client_auth_type: RequireAndVerifyClientCert",
        );
    }
    if ca.is_none() && auth.verifies() {
        findings.wrong(
            at,
            "certificates of clients are to be verified, but by no CA",
            "give client_ca_file",
        );
    }
    let Some(node) = section.get("client_allowed_sans").copied() else {
        return (auth, None);
    };
    let names = findings.texts(node, "client_allowed_sans");
    if names.is_empty() && matches!(&node.value, Value::List(items) if items.is_empty()) {
        findings.wrong(
            node,
            "client_allowed_sans is empty: no client could connect",
            "name some, or remove it",
        );
    }
    if auth != ClientAuth::RequireAndVerify {
        findings.wrong(
            node,
            "client_allowed_sans means nothing when a certificate may be missing or made by anybody",
            "set client_auth_type: RequireAndVerifyClientCert",
        );
    }
    let names = names.into_iter().map(|(name, _)| san::normal(name));
    (auth, Some(names.collect()))
}

fn versions(section: &Section<'_>, findings: &mut Findings) -> (Version, Version) {
    let mut read = |name| {
        let node: &Node = section.get(name)?;
        Some((node, findings.one_of(node, name, VERSIONS)?))
    };
    let (min, max) = (read("min_version"), read("max_version"));
    let mut least = Version::Tls12;
    if let Some((node, version)) = min {
        if version < Version::Tls12 {
            findings.warn(
                node,
                "TLS 1.0 and 1.1 are not served: TLS12 is the least",
                "write min_version: TLS12",
            );
        }
        least = version.max(Version::Tls12);
    }
    let Some((node, most)) = max else {
        return (least, Version::Tls13);
    };
    if most < Version::Tls12 {
        findings.wrong(
            node,
            "TLS 1.0 and 1.1 are not served, and nothing newer is allowed",
            "write max_version: TLS12 or TLS13",
        );
    } else if most < least {
        findings.wrong(
            node,
            "max_version is below min_version: nobody could connect",
            "write max_version: TLS13, or remove it",
        );
    }
    (least, most)
}

/// Those of a list of names that are served. A list of none at all is no list.
fn known<T: Copy>(
    node: &Node,
    name: &str,
    what: &str,
    names: &[(&str, Option<T>)],
    findings: &mut Findings,
) -> Vec<T> {
    let (mut served, mut sound) = (Vec::new(), true);
    let texts = findings.texts(node, name);
    for (text, node) in &texts {
        match names.iter().find(|(known, _)| known == text) {
            Some((_, Some(value))) => served.push(*value),
            Some((known, None)) => findings.warn(
                node,
                format!("{what} {known} is not served"),
                "it is left out of the list",
            ),
            None => {
                sound = false;
                let known: Vec<_> = names
                    .iter()
                    .filter_map(|(name, served)| served.as_ref().map(|_| *name))
                    .collect();
                findings.wrong(
                    node,
                    format!("{} is no {what}", showable(text)),
                    format!("one of: {}", known.join(", ")),
                );
            }
        }
    }
    if served.is_empty() && sound && !texts.is_empty() {
        findings.wrong(
            node,
            format!("none of {name} is served"),
            "remove it, to have the defaults",
        );
    }
    served
}

fn http(node: &Node, findings: &mut Findings) -> Vec<(HeaderName, HeaderValue)> {
    let section = findings.section(node, "http_server_config", &["http2", "headers"]);
    if let Some(node) = section.get("http2") {
        // HTTP/1.1 is what is served; a client that would rather have HTTP/2 takes it.
        findings.boolean(node, "http2");
    }
    let Some(node) = section.get("headers") else {
        return Vec::new();
    };
    let names: Vec<_> = HEADERS.iter().map(|(name, _)| *name).collect();
    let headers = findings.section(node, "headers", &names);
    let mut read = Vec::new();
    for (name, allowed) in HEADERS {
        let Some(node) = headers.get(name) else {
            continue;
        };
        let Some(text) = findings.text(node, name) else {
            continue;
        };
        if text.is_empty() {
            // Unset, as the toolkit's documentation has it.
            continue;
        }
        if !allowed.is_empty() && !allowed.contains(&text) {
            findings.wrong(
                node,
                format!("{} is no {name}", showable(text)),
                format!("one of: {}", allowed.join(", ")),
            );
            continue;
        }
        match (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(text),
        ) {
            (Ok(name), Ok(value)) => read.push((name, value)),
            _ => findings.wrong(
                node,
                format!("{name} has characters that no header may have"),
                "keep to printable ASCII on one line",
            ),
        }
    }
    read
}

fn users(node: &Node, findings: &mut Findings) -> BTreeMap<String, Hash> {
    let mut users = BTreeMap::new();
    let entries = findings.entries(node, "basic_auth_users");
    if entries.is_empty() {
        findings.warn(
            node,
            "basic_auth_users names nobody: no password is asked for",
            "name a user, or remove it",
        );
    }
    for (key, node) in entries {
        let user = quoted(&key.text).map_or("this user".to_owned(), |name| format!("user {name}"));
        if key.text.contains(':') {
            findings.wrong(
                node,
                "a user's name with a colon cannot log in",
                "choose another name",
            );
            continue;
        }
        let hash = match &node.value {
            Value::Scalar(text) => Hash::parse(text),
            _ => Err(HashError::NoHash),
        };
        match hash {
            Ok(hash) => {
                if hash.cost() > COSTLY {
                    findings.warn(
                        node,
                        format!(
                            "the hash for {user} has cost {}: each login takes seconds",
                            hash.cost()
                        ),
                        "10 to 12 is usual",
                    );
                }
                users.insert(key.text.clone(), hash);
            }
            Err(error) => {
                let message = match error {
                    HashError::NoHash => "is no bcrypt hash",
                    HashError::Malformed => "is a bcrypt hash that was cut or changed",
                };
                findings.wrong(
                    node,
                    format!("what is given for {user} {message}"),
                    HOW_TO_HASH,
                );
            }
        }
    }
    users
}

fn rate(node: &Node, findings: &mut Findings) -> Option<RateLimit> {
    let section = findings.section(node, "rate_limit", &["interval", "burst"]);
    let burst = match section.get("burst") {
        None => Some(0),
        Some(node) => findings.text(node, "burst").and_then(|text| {
            let burst = text.parse::<u32>().ok();
            if burst.is_none() {
                findings.wrong(node, "burst is no whole number from 0 on", "such as 20");
            }
            burst
        }),
    };
    let interval_node = section.get("interval")?;
    let Some(interval) = duration::parse(findings.text(interval_node, "interval")?) else {
        findings.wrong(
            interval_node,
            "interval is no duration",
            "such as 100ms, 1s or 1m30s; 0 for no limit",
        );
        return None;
    };
    let burst = burst?;
    if interval.is_zero() {
        return None;
    }
    if burst == 0 {
        findings.wrong(
            section.get("burst").unwrap_or(interval_node),
            "with no burst no request would ever be answered",
            "write burst: 20, say",
        );
        return None;
    }
    Some(RateLimit { interval, burst })
}
