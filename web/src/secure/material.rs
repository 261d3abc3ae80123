//! Certificates and keys, and what rustls makes of them.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::clients;
use super::config::{Origin, Source, TlsConfig};
use super::files::Files;
use super::names::Version;
use super::san;
use super::section::Findings;
use crate::problem::Problem;

/// Reads certificates and keys; what is wrong with them is told at the place in the configuration that
/// names them.
pub fn server_config(
    config: &TlsConfig,
    files: &mut Files,
    findings: &mut Findings,
) -> Option<ServerConfig> {
    let provider = Arc::new(provider(config));
    // All of them are read, for all mistakes to be told.
    let chain = certificates(&config.certificate, files, findings);
    let key = private_key(&config.key, files, findings);
    let roots = match &config.client_ca {
        None => Some(RootCertStore::empty()),
        Some(source) => roots(source, files, findings),
    };
    if let Some(leaf) = chain.as_deref().and_then(<[_]>::first) {
        dates(&config.certificate, leaf, SystemTime::now(), findings);
    }
    let identity = identity(config, chain?, key?, &provider, findings);
    let (identity, roots) = (identity?, roots?);

    let versions: Vec<&'static SupportedProtocolVersion> = [
        (Version::Tls13, &rustls::version::TLS13),
        (Version::Tls12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter(|(version, _)| (config.min_version..=config.max_version).contains(version))
    .map(|(_, version)| version)
    .collect();
    let builder = match ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
    {
        Ok(builder) => builder,
        Err(error) => {
            wrong(
                &config.certificate,
                format!("no cipher suite is left for these versions of TLS: {error}"),
                "remove cipher_suites, or allow more versions",
                findings,
            );
            return None;
        }
    };
    let names = config.client_names.as_deref();
    let builder = match clients::verifier(config.client_auth, roots, names, &provider) {
        Ok(Some(verifier)) => builder.with_client_cert_verifier(verifier),
        Ok(None) => builder.with_no_client_auth(),
        Err(error) => {
            let at = config.client_ca.as_ref().unwrap_or(&config.certificate);
            wrong(
                at,
                format!("this client CA cannot be used: {error}"),
                "",
                findings,
            );
            return None;
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.ignore_client_order = config.prefer_server_order;
    // A scraper keeps its connection; sessions to take up again would only cost memory, and let in
    // who was verified long ago.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Some(server)
}

fn provider(config: &TlsConfig) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(wanted) = &config.cipher_suites {
        let all = std::mem::take(&mut provider.cipher_suites);
        // Go's list is for TLS 1.2 too; the suites of 1.3 cannot be chosen there.
        let (mut suites, older): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|suite| suite.tls13().is_some());
        for wanted in wanted {
            suites.extend(older.iter().filter(|suite| suite.suite() == *wanted));
        }
        provider.cipher_suites = suites;
    }
    if let Some(wanted) = &config.groups {
        let all = std::mem::take(&mut provider.kx_groups);
        for wanted in wanted {
            provider
                .kx_groups
                .extend(all.iter().filter(|group| group.name() == *wanted));
        }
    }
    provider
}

fn wrong(source: &Source, message: impl Into<String>, hint: &str, findings: &mut Findings) {
    findings
        .problems
        .push(Problem::at_location(source.place, message, hint));
}

/// As it is called in messages.
fn called(source: &Source) -> String {
    match &source.from {
        Origin::File(path) => path.display().to_string(),
        Origin::Inline(_) => source.name.to_owned(),
    }
}

fn pem(source: &Source, files: &mut Files, findings: &mut Findings) -> Option<Vec<u8>> {
    match &source.from {
        Origin::Inline(text) => Some(text.as_bytes().to_vec()),
        Origin::File(path) => files
            .read(path)
            .map_err(|error| {
                wrong(
                    source,
                    format!("cannot read {}: {error}", path.display()),
                    "relative paths begin at the folder of this file; tidegauge's user must be able to read it",
                    findings,
                );
            })
            .ok(),
    }
}

fn certificates(
    source: &Source,
    files: &mut Files,
    findings: &mut Findings,
) -> Option<Vec<CertificateDer<'static>>> {
    let pem = pem(source, files, findings)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Some(all),
        Ok(_) => {
            wrong(
                source,
                format!("{} holds no certificate", called(source)),
                "it is to be PEM, with -----BEGIN CERTIFICATE-----",
                findings,
            );
            None
        }
        Err(_) => {
            wrong(
                source,
                format!("{} is broken PEM", called(source)),
                "was it written half, or cut?",
                findings,
            );
            None
        }
    }
}

fn private_key(
    source: &Source,
    files: &mut Files,
    findings: &mut Findings,
) -> Option<PrivateKeyDer<'static>> {
    let pem = pem(source, files, findings)?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Some(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            let encrypted = pem
                .windows(b"ENCRYPTED".len())
                .any(|part| part == b"ENCRYPTED");
            let hint = if encrypted {
                "it is encrypted; nobody is there to type its password, so it must not be"
            } else {
                "it is to be PEM, with -----BEGIN PRIVATE KEY-----"
            };
            wrong(
                source,
                format!("{} holds no private key", called(source)),
                hint,
                findings,
            );
            None
        }
        Err(_) => {
            wrong(
                source,
                format!("{} is broken PEM", called(source)),
                "was it written half, or cut?",
                findings,
            );
            None
        }
    }
}

fn roots(source: &Source, files: &mut Files, findings: &mut Findings) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(certificates(source, files, findings)?);
    if roots.is_empty() {
        wrong(
            source,
            format!(
                "{} holds no certificate of a CA that can be used",
                called(source)
            ),
            "",
            findings,
        );
        return None;
    }
    if unusable > 0 {
        findings.warnings.push(Problem::at_location(
            source.place,
            format!(
                "{unusable} certificates in {} cannot be used",
                called(source)
            ),
            "",
        ));
    }
    Some(roots)
}

fn identity(
    config: &TlsConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
    findings: &mut Findings,
) -> Option<CertifiedKey> {
    let Ok(key) = provider.key_provider.load_private_key(key) else {
        wrong(
            &config.key,
            format!("the key in {} cannot be used", called(&config.key)),
            "RSA from 2048 bits, ECDSA P-256 or P-384, and Ed25519 can",
            findings,
        );
        return None;
    };
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Some(identity),
        Err(Error::InconsistentKeys(_)) => {
            wrong(
                &config.key,
                format!(
                    "the key in {} is not that of the certificate in {}",
                    called(&config.key),
                    called(&config.certificate)
                ),
                "the server's own certificate must be the first in its file",
                findings,
            );
            None
        }
        Err(error) => {
            wrong(
                &config.certificate,
                format!(
                    "the certificate in {} cannot be used: {error}",
                    called(&config.certificate)
                ),
                "it must be an X.509 certificate of version 3",
                findings,
            );
            None
        }
    }
}

/// A certificate that does not hold is served all the same: so do others, and clients say why they
/// refuse it.
fn dates(source: &Source, leaf: &CertificateDer<'_>, now: SystemTime, findings: &mut Findings) {
    let Some((begins, ends)) = san::validity(leaf) else {
        return;
    };
    let message = if now > ends {
        format!("the certificate in {} has expired", called(source))
    } else if now < begins {
        format!("the certificate in {} does not hold yet", called(source))
    } else {
        return;
    };
    findings.warnings.push(Problem::at_location(
        source.place,
        message,
        "clients will refuse it",
    ));
}
