use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::super::server::{Reply, Server, exposition};
use super::tests::{feed, scraped};
use super::*;
use crate::feed::settings::{Scheme, Tls};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A CA, a server's certificate for `localhost` and a client's, all in PEM.
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "ca");
        let own = ca.self_signed(&ca_key).unwrap();
        files.write("ca.pem", &own.pem());
        let issuer = Issuer::new(ca, ca_key);
        for name in ["localhost", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            files.write(&format!("{name}.pem"), &certificate.pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    async fn server(&self, ask_client: bool) -> Server {
        let certificate = |path: &Path| CertificateDer::from_pem_file(path).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.path("ca.pem"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if ask_client {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.path("localhost.key")).unwrap();
        let config = builder
            .with_single_cert(vec![certificate(&self.path("localhost.pem"))], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Server::start_with(Some(acceptor), |_, _| Reply::Keep(exposition("a 1\n"))).await
    }

    async fn scrape(&self, server: &Server, tls: Tls) -> Result<Vec<String>, ScrapeError> {
        let mut job = Job::new("x");
        job.scheme = Scheme::Https;
        job.tls = tls;
        scraped(&mut feed(&server.address, job)).await
    }

    fn trusting(&self) -> Tls {
        Tls {
            ca: Some(self.path("ca.pem")),
            server_name: Some("localhost".into()),
            ..Tls::default()
        }
    }
}

#[tokio::test]
async fn only_whom_the_ca_signed_under_the_right_name() {
    let files = Files::new();
    let server = files.server(false).await;
    let good = files.trusting();
    assert_eq!(
        files.scrape(&server, good.clone()).await.unwrap(),
        ["a 1000 1"]
    );
    let wrong_name = Tls {
        server_name: None,
        ..good.clone()
    };
    let other_ca = Tls {
        ca: Some(files.path("client.pem")),
        ..good.clone()
    };
    for tls in [wrong_name.clone(), other_ca] {
        let error = files.scrape(&server, tls).await.unwrap_err();
        assert_eq!(error.kind(), "tls", "{error}");
    }
    let anybody = Tls {
        skip_verify: true,
        only_tls13: true,
        ..wrong_name
    };
    assert_eq!(files.scrape(&server, anybody).await.unwrap(), ["a 1000 1"]);
}

#[tokio::test]
async fn we_show_who_we_are() {
    let files = Files::new();
    let server = files.server(true).await;
    let mut tls = files.trusting();
    let error = files.scrape(&server, tls.clone()).await.unwrap_err();
    assert!(["tls", "transfer"].contains(&error.kind()), "{error}");
    tls.identity = Some((files.path("client.pem"), files.path("client.key")));
    assert_eq!(
        files.scrape(&server, tls.clone()).await.unwrap(),
        ["a 1000 1"]
    );
    tls.identity = Some((files.path("client.pem"), files.path("localhost.key")));
    let error = files.scrape(&server, tls).await.unwrap_err();
    assert_eq!(error.kind(), "file", "{error}");
}

#[tokio::test]
async fn files_that_are_of_no_use_are_named() {
    let files = Files::new();
    let server = files.server(false).await;
    files.write("empty", "");
    files.write("broken", "-----BEGIN CERTIFICATE-----\nAAA\n");
    for name in ["empty", "broken", "missing"] {
        let tls = Tls {
            ca: Some(files.path(name)),
            ..files.trusting()
        };
        let error = files.scrape(&server, tls).await.unwrap_err();
        assert_eq!(error.kind(), "file", "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn tls_where_none_is_spoken_and_none_where_it_is() {
    let files = Files::new();
    let plain = Server::start(|_, _| Reply::Keep(exposition("a 1\n"))).await;
    // What it reads is no request, and it waits for one.
    let mut job = Job::new("x");
    job.scheme = Scheme::Https;
    job.timeout = Duration::from_millis(200);
    let error = scraped(&mut feed(&plain.address, job)).await.unwrap_err();
    assert_eq!(error.kind(), "timeout");
    let server = files.server(false).await;
    let error = scraped(&mut feed(&server.address, Job::new("x")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), "transfer", "{error}");
}
