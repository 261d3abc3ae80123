//! The least of an HTTP/1.1 client: one GET or form, the connection closed after it.
//!
//! Our own, so that what the exporter sends is checked by other code than the library that sends it,
//! and nothing is undone on the way (a client library would unpack gzip unasked).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// For connecting and for each read. Prometheus's own limit for a scrape is the same.
const LIMIT: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// As 200
    pub status: u16,
    /// Names in lower case, in the server's order
    pub headers: Vec<(String, String)>,
    /// As sent, still compressed if it was
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

/// Asks `address` (as `127.0.0.1:10733`) for a path, with more headers than Host if wished.
///
/// # Errors
/// When nobody listens, no answer comes in time, or it is no HTTP/1.1 answer.
pub fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
    ask(address, "GET", path, headers, "")
}

/// Sends a form, as `a=1&b=2`, to a path of `address`.
///
/// # Errors
/// As [`get`].
pub fn post_form(address: &str, path: &str, form: &str) -> io::Result<Response> {
    let length = form.len().to_string();
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", &length),
    ];
    ask(address, "POST", path, &headers, form)
}

fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let target = address
        .parse()
        .map_err(|error| invalid(format!("{address}: {error}")))?;
    let mut stream = TcpStream::connect_timeout(&target, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes())?;
    read_response(&mut BufReader::new(stream))
}

fn read_response(from: &mut impl BufRead) -> io::Result<Response> {
    let status_line = read_line(from)?;
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| invalid(format!("not a status line of HTTP/1.1: {status_line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid(format!("not a header: {line:?}")))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if response.header("transfer-encoding") == Some("chunked") {
        response.body = read_chunks(from)?;
    } else if let Some(length) = response.header("content-length") {
        let length = length
            .parse()
            .map_err(|_| invalid(format!("content-length {length:?}")))?;
        response.body = read_exactly(from, length)?;
    } else if status != 204 && status != 304 {
        from.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| invalid(format!("not the size of a chunk: {line:?}")))?;
        body.append(&mut read_exactly(from, size)?);
        let end = read_line(from)?;
        if !end.is_empty() {
            return Err(invalid(format!("a chunk is followed by {end:?}")));
        }
        if size == 0 {
            return Ok(body);
        }
    }
}

/// A connection that ends early is an error here, never a shorter body.
fn read_exactly(from: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(invalid(format!("{} of {length} bytes came", bytes.len())))
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(content) => Ok(content.to_owned()),
        None => Err(invalid(format!("the answer ends at {line:?}"))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Response> {
        read_response(&mut text.as_bytes())
    }

    #[test]
    fn a_body_of_known_length() {
        let response =
            read("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabcdef");
        let response = response.expect("it is well formed");
        assert_eq!((response.status, response.text()), (200, "abc"));
        assert_eq!(response.header("content-type"), Some("text/plain"));
    }

    #[test]
    fn a_body_in_chunks() {
        let response = read(
            "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n",
        );
        let response = response.expect("it is well formed");
        assert_eq!((response.status, response.text()), (503, "abc0123456789"));
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        for cut in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            assert!(read(cut).is_err(), "{cut:?} was taken as whole");
        }
    }
}
