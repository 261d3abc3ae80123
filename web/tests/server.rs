//! The server by itself, over a handler of the test: clients that go away, bodies of requests, paths that are
//! open whatever the web configuration asks for. What it does for the exporter is tested there.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tidegauge_web::answer::text;
use tidegauge_web::intake::{IntakeError, read_body};
use tidegauge_web::secure::Security;
use tidegauge_web::{Body, Handler, HttpStats, Options, Peer, bind, serve};
use tokio::sync::oneshot;

/// `/echo` gives back what it is sent; what else is asked for has no answer.
struct Fake {
    events: Sender<&'static str>,
}

/// Tells when it is gone.
struct Gone(Sender<&'static str>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send("gone");
    }
}

impl Handler for Fake {
    async fn handle(&self, request: &mut Request<Incoming>, peer: &Peer) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/echo" => match read_body(request.body_mut(), 10, Duration::from_millis(200)).await {
                Ok(bytes) => text(StatusCode::OK, bytes),
                Err(IntakeError::TooLong(most)) => {
                    text(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {most}"))
                }
                Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
            },
            "/open" | "/closed" => text(StatusCode::OK, format!("{}", peer.authenticated)),
            _ => {
                let _gone = Gone(self.events.clone());
                self.events.send("begun").unwrap();
                std::future::pending().await
            }
        }
    }

    fn is_open(&self, path: &str) -> bool {
        path == "/open"
    }
}

struct Server {
    address: SocketAddr,
    events: Receiver<&'static str>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(options: Options, stats: Arc<HttpStats>) -> Self {
        let (events, told) = channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, address) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = bind("127.0.0.1:0").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let stop = async { drop(stopped.await) };
                serve(vec![listener], Fake { events }, stats, options, stop).await;
            });
        });
        Self {
            address: address.recv().unwrap(),
            events: told,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// All that comes until the connection's end.
    fn ask(&self, request: &str) -> String {
        let mut answer = String::new();
        self.send(request).read_to_string(&mut answer).unwrap();
        answer
    }

    fn event(&self) -> &'static str {
        self.events.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

#[test]
fn what_nobody_waits_for_is_given_up() {
    let server = Server::start(Options::default(), Arc::default());
    for request in [
        "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST /wait HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n",
    ] {
        let client = server.send(request);
        assert_eq!(server.event(), "begun");
        drop(client);
        assert_eq!(server.event(), "gone");
    }
}

#[test]
fn bodies_within_bounds() {
    let server = Server::start(Options::default(), Arc::default());
    let post = |headers: &str, body: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: t\r\n{headers}\r\n{body}")
    };
    // Who was read to the end keeps the connection: both are answered.
    let two = [
        post("Content-Length: 5\r\n", "hello"),
        post("Content-Length: 5\r\nConnection: close\r\n", "again"),
    ];
    let answers = server.ask(&two.concat());
    assert!(
        answers.contains("hello") && answers.ends_with("again"),
        "{answers}"
    );
    let chunked = post(
        "Transfer-Encoding: chunked\r\nConnection: close\r\n",
        "4\r\nlo n\r\n2\r\ng.\r\n0\r\n\r\n",
    );
    assert!(server.ask(&chunked).contains("lo ng."));
    // What is not read costs the connection, whatever follows.
    for (request, status) in [
        (post("Content-Length: 11\r\n", "hello hello"), 413),
        (post("Content-Length: 99999999999\r\n", ""), 413),
        (
            post(
                "Transfer-Encoding: chunked\r\n",
                "b\r\nhello hello\r\n0\r\n\r\n",
            ),
            413,
        ),
        (post("Content-Length: 9\r\n", "slow"), 400),
    ] {
        let answer = server.ask(&request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[test]
fn an_open_path_asks_for_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let hash = bcrypt::hash("secret", 4).unwrap();
    std::fs::write(&file, format!("basic_auth_users: {{alice: {hash}}}\n")).unwrap();
    let stats = Arc::new(HttpStats::default());
    let security = Security::open(&file, Arc::clone(&stats)).unwrap();
    let options = Options {
        security: Some(Arc::new(security)),
        ..Options::default()
    };
    let server = Server::start(options, stats);
    let get = |path: &str, headers: &str| {
        server.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\r\n"
        ))
    };
    let password = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    assert!(get("/closed", "").starts_with("HTTP/1.1 401 "));
    assert!(get("/closed", password).ends_with("true"));
    assert!(get("/open", "").ends_with("false"));
    // A password that is given there proves nothing.
    assert!(get("/open", password).ends_with("false"));
}
