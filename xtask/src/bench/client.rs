//! A scraper on one connection that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How a scraper asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Text 0.0.4, not compressed.
    Plain,
    /// As Prometheus does: OpenMetrics, gzip.
    Gzip,
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Client {
    /// Connects; an answer may take `limit`.
    pub fn connect(address: SocketAddr, ask: Ask, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_nodelay(true)?;
        let headers = match ask {
            Ask::Plain => "Accept: text/plain;version=0.0.4\r\nAccept-Encoding: identity\r\n",
            Ask::Gzip => {
                "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\nAccept-Encoding: gzip\r\n"
            }
        };
        let request = format!("GET /metrics HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            request,
        })
    }

    /// One scrape; the bytes of its body.
    pub fn scrape(&mut self) -> Result<usize> {
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let status = self.line()?;
        ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
        let (mut length, mut chunked) = (None, false);
        loop {
            let header = self.line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>()?);
            }
            chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
        }
        if !chunked {
            let length = length.context("neither a length nor chunks")?;
            self.skip(length)?;
            return Ok(length);
        }
        let mut total = 0;
        loop {
            let size = usize::from_str_radix(self.line()?.trim(), 16)?;
            self.skip(size)?;
            self.line()?;
            total += size;
            if size == 0 {
                return Ok(total);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(
            self.stream.read_line(&mut line)? > 0,
            "the connection was closed"
        );
        Ok(line.trim_end().to_owned())
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        let copied = std::io::copy(
            &mut self.stream.by_ref().take(bytes as u64),
            &mut std::io::sink(),
        )?;
        ensure!(copied == bytes as u64, "the answer is cut short");
        Ok(())
    }
}
