//! TLS as a client: whom we trust, and who we are.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use super::login::read_file;
use crate::feed::error::ScrapeError;
use crate::feed::settings::Tls;

/// No file of certificates is longer, in bytes.
const LONGEST: u64 = 4 << 20;

/// What rustls makes of the settings, with the files as they are now.
pub(super) async fn config(tls: &Tls, address: &str) -> Result<Arc<ClientConfig>, ScrapeError> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[&'static SupportedProtocolVersion] = if tls.only_tls13 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let unusable = |error: Error| ScrapeError::Tls {
        address: address.to_owned(),
        reason: error.to_string(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(unusable)?;
    let builder = if tls.skip_verify {
        let anybody = Arc::new(Anybody { provider });
        builder
            .dangerous()
            .with_custom_certificate_verifier(anybody)
    } else {
        builder.with_root_certificates(roots(tls.ca.as_deref(), address).await?)
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate).await?;
            let pem = read_file(key, LONGEST).await?;
            let own = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| file(key, format!("it holds no private key in PEM: {error}")))?;
            builder
                .with_client_auth_cert(chain, own)
                .map_err(|error| file(certificate, error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The name that the certificate is to have.
pub(super) fn server_name(
    tls: &Tls,
    host: &str,
    address: &str,
) -> Result<ServerName<'static>, ScrapeError> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| ScrapeError::Tls {
        address: address.to_owned(),
        reason: format!("{name:?} is no name that a certificate can have"),
    })
}

async fn roots(ca: Option<&Path>, address: &str) -> Result<RootCertStore, ScrapeError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let (usable, _) = roots.add_parsable_certificates(certificates(path).await?);
            if usable == 0 {
                return Err(file(path, "no certificate in it can be used".to_owned()));
            }
        }
        None => {
            let native = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let native = native.map(|found| found.certs).unwrap_or_default();
            let (usable, _) = roots.add_parsable_certificates(native);
            if usable == 0 {
                return Err(ScrapeError::Tls {
                    address: address.to_owned(),
                    reason: "this system trusts no certificate authority; name one as ca_file"
                        .to_owned(),
                });
            }
        }
    }
    Ok(roots)
}

async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ScrapeError> {
    let pem = read_file(path, LONGEST).await?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(file(path, "it holds no certificate in PEM".to_owned())),
        Err(error) => Err(file(path, format!("it is broken PEM: {error}"))),
    }
}

fn file(path: &Path, reason: String) -> ScrapeError {
    ScrapeError::File {
        path: path.to_owned(),
        reason,
    }
}

/// Takes any certificate, as the configuration wants it; that whoever shows it has its key is still seen to.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
