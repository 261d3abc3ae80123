//! A connection to an exporter, kept from scrape to scrape.

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::tls;
use crate::feed::error::ScrapeError;
use crate::feed::settings::{Scheme, Tls};

/// How many header lines an answer may have.
const HEADERS: usize = 100;

/// The buffer for what comes, in bytes; headers must fit into it.
const BUFFER: usize = 128 << 10;

/// An open connection, closed when dropped.
pub(super) struct Connection {
    pub to: Endpoint,
    pub requests: SendRequest<String>,
    driver: AbortHandle,
}

impl Connection {
    pub async fn open(to: &Endpoint, settings: &Tls) -> Result<Self, ScrapeError> {
        let address = &to.authority;
        let failed = |error: std::io::Error| ScrapeError::Connect {
            address: address.clone(),
            reason: error.to_string(),
        };
        let stream = TcpStream::connect((to.host.as_str(), to.port))
            .await
            .map_err(failed)?;
        // A request is one small packet; waiting to fill it only delays it.
        stream.set_nodelay(true).map_err(failed)?;
        match to.scheme {
            Scheme::Http => Self::speak(to, stream).await,
            Scheme::Https => {
                let config = tls::config(settings, address).await?;
                let name = tls::server_name(settings, &to.host, address)?;
                let stream = TlsConnector::from(config)
                    .connect(name, stream)
                    .await
                    .map_err(|error| ScrapeError::Tls {
                        address: address.clone(),
                        reason: error.to_string(),
                    })?;
                Self::speak(to, stream).await
            }
        }
    }

    async fn speak(
        to: &Endpoint,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, ScrapeError> {
        let (requests, connection) = http1::Builder::new()
            .max_headers(HEADERS)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ScrapeError::Transfer {
                address: to.authority.clone(),
                reason: error.to_string(),
            })?;
        // What goes wrong with it, whoever waits for the answer is told.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self {
            to: to.clone(),
            requests,
            driver,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
