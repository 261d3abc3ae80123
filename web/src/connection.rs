//! Accepts connections and keeps each within its limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::Answerer;
use super::peer::Peer;
use super::secure::Tls;
use super::server::Handler;

/// After a failed accept (no more descriptors, say) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The first byte of a TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;
/// For who speaks HTTP where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 35\r\nConnection: close\r\n\r\nthis port speaks TLS: use https://\n";

type Timed = Pin<Box<TimeoutStream<TcpStream>>>;

/// Accepts until it is dropped. Above the limit of connections new ones wait in the kernel's backlog.
pub(crate) async fn accept<H: Handler>(
    listener: TcpListener,
    answerer: Arc<Answerer<H>>,
    connections: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
) {
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let connection = Connection {
                    address,
                    answerer: Arc::clone(&answerer),
                    watcher: graceful.watcher(),
                    graceful: Arc::downgrade(&graceful),
                };
                tokio::spawn(connection.converse(stream, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connection<H> {
    address: SocketAddr,
    answerer: Arc<Answerer<H>>,
    watcher: Watcher,
    /// For a watcher later.
    graceful: Weak<GracefulShutdown>,
}

impl<H: Handler> Connection<H> {
    async fn converse(self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let _counted = (permit, self.answerer.stats.connected());
        // Answers are written whole or in large pieces; waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let local = match stream.local_addr() {
            Ok(local) => local,
            Err(error) => return tracing::debug!(%error, "connection ended"),
        };
        let mut peer = Peer {
            address: self.address,
            local,
            authenticated: false,
        };
        let options = &self.answerer.options;
        let tls = options
            .security
            .as_ref()
            .and_then(|security| security.current().tls.clone());
        let Some(tls) = tls else {
            let stream = timed(stream, options.write_timeout);
            return serve(stream, peer, self.answerer, self.watcher).await;
        };
        // Nobody waits at the end for a handshake: there is no request yet to be answered.
        drop(self.watcher);
        let (deadline, write_timeout) = (options.header_timeout, options.write_timeout);
        let shaken = tokio::time::timeout(deadline, handshake(stream, &tls, write_timeout)).await;
        let stream = match shaken.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(stream) => stream,
            Err(error) => {
                return tracing::debug!(%error, client = %peer.address, "no TLS connection");
            }
        };
        peer.authenticated = tls.verifies && stream.get_ref().1.peer_certificates().is_some();
        if let Some(graceful) = self.graceful.upgrade() {
            let watcher = graceful.watcher();
            drop(graceful);
            serve(stream, peer, self.answerer, watcher).await;
        }
    }
}

fn timed(stream: TcpStream, write_timeout: Duration) -> Timed {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    Box::pin(stream)
}

async fn handshake(
    mut stream: TcpStream,
    tls: &Tls,
    write_timeout: Duration,
) -> io::Result<TlsStream<Timed>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_uppercase() {
        stream.write_all(SPEAK_TLS).await?;
        stream.shutdown().await?;
        // What is left unread when a connection is closed takes back what was written.
        tokio::io::copy(&mut stream.take(1 << 16), &mut tokio::io::sink()).await?;
        return Err(io::Error::other("the client speaks HTTP without TLS"));
    }
    if first[0] != HANDSHAKE {
        return Err(io::Error::other("the client speaks neither TLS nor HTTP"));
    }
    TlsAcceptor::from(Arc::clone(&tls.server))
        .accept(timed(stream, write_timeout))
        .await
}

async fn serve<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    answerer: Arc<Answerer<H>>,
    watcher: Watcher,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(answerer.options.header_timeout)
        .max_buf_size(answerer.options.max_header_bytes)
        .max_headers(100);
    let service = {
        let answerer = Arc::clone(&answerer);
        service_fn(move |request| {
            let answerer = Arc::clone(&answerer);
            async move { Ok::<_, Infallible>(answerer.answer(request, peer).await) }
        })
    };
    let connection = http.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
