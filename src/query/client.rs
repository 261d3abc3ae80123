//! The least of an HTTP client that asks a Prometheus-like API.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ArgMatches;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidegauge_web::intake::read_body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::failure::Failure;

/// A little more than a sidecar gives a query.
const DEADLINE: Duration = Duration::from_secs(150);
/// Longest answer that is taken, in bytes.
const LONGEST_ANSWER: usize = 1 << 30;
/// Where Debian and others keep the certificates that the host trusts.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Knows whom to ask, and how.
pub struct Client {
    url: Uri,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<String>,
}

impl Client {
    /// As the flags say.
    pub fn new(matches: &ArgMatches) -> Result<Self, Failure> {
        let text = matches.get_one::<String>("url").map_or("", String::as_str);
        let wrong = |why: &str| {
            Failure::usage(format!(
                "--url {text}: {why}; such as http://127.0.0.1:10734"
            ))
        };
        let url: Uri = text.parse().map_err(|_| wrong("no URL"))?;
        let has_password = url.authority().is_some_and(|a| a.as_str().contains('@'));
        if has_password {
            return Err(wrong("give the user by --user and --password-file"));
        }
        let tls = match url.scheme_str() {
            Some("http") => None,
            Some("https") => Some(Arc::new(trusting(matches.get_one("ca-file"))?)),
            _ => return Err(wrong("begins neither with http:// nor with https://")),
        };
        if url.query().is_some() || url.host().is_none_or(str::is_empty) {
            return Err(wrong("it has a query, or no host"));
        }
        let authorization = match matches.get_one::<String>("user") {
            None => None,
            Some(user) => Some(credentials(user, matches.get_one("password-file"))?),
        };
        Ok(Self {
            url,
            tls,
            authorization,
        })
    }

    /// Whom it asks.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Sends a form to a path of the API; the status and the body of the answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, form: String) -> Result<(u16, Vec<u8>), Failure> {
        let asked = tokio::time::timeout(DEADLINE, self.ask(path, form)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
        answer.map_err(|why| {
            Failure::failed(format!(
                "cannot ask {}: {why}; is the sidecar running, and --url right?",
                self.url
            ))
        })
    }

    async fn ask(&self, path: &str, form: String) -> Result<(u16, Vec<u8>), String> {
        let host = self.url.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let default = if self.tls.is_some() { 443 } else { 80 };
        let port = self.url.port_u16().unwrap_or(default);
        let prefix = self.url.path().trim_end_matches('/');
        let authority = self
            .url
            .authority()
            .map_or(host, |authority| authority.as_str());
        let mut request = Request::post(format!("{prefix}/api/v1/{path}"))
            .header(HOST, authority)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(form).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect((address, port))
            .await
            .map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else {
            return converse(stream, request).await;
        };
        let name = ServerName::try_from(address.to_owned()).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        converse(stream, request).await
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<String>,
) -> Result<(u16, Vec<u8>), String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // It ends with the answer, or with an error that the answer has too.
    tokio::spawn(async move { drop(connection.await) });
    let mut response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = read_body(response.body_mut(), LONGEST_ANSWER, DEADLINE)
        .await
        .map_err(|error| error.to_string())?;
    Ok((status, body))
}

/// Trusts a CA, or those that the host trusts.
fn trusting(ca_file: Option<&PathBuf>) -> Result<ClientConfig, Failure> {
    let file = ca_file.map_or_else(|| PathBuf::from(TRUSTED), Clone::clone);
    let wrong = |why: String| {
        Failure::usage(format!(
            "{}: {why}; name the CA's certificate with --ca-file",
            file.display()
        ))
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(&file).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        // One among many of the host that rustls does not understand is no reason to stop.
        if let (Err(error), Some(_)) = (roots.add(certificate), ca_file) {
            return Err(wrong(error.to_string()));
        }
    }
    if roots.is_empty() {
        return Err(wrong("no certificate is in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The header for a user and the password in a file.
fn credentials(user: &str, password_file: Option<&PathBuf>) -> Result<String, Failure> {
    let file = password_file
        .ok_or_else(|| Failure::usage("--user needs --password-file with the password"))?;
    let password = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let pair = format!("{user}:{}", password.trim_end_matches(['\r', '\n']));
    Ok(format!("Basic {}", STANDARD.encode(pair)))
}
