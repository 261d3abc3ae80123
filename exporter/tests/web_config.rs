//! The server with a web configuration, in this process: TLS as clients and attackers meet it, passwords,
//! limits, and files that change while it runs.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tidegauge_exporter::http::{CollectorInfo, Scrape, ServerOptions, Wanted, serve};
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::snapshot::{Group, Snapshot};
use tidegauge_web::secure::Security;
use tidegauge_web::{HttpStats, Options, bind};
use tokio::sync::oneshot;

static BIG: FamilySpec = FamilySpec::gauge("t_big_bytes", "Much.", &["n"]);

/// Answers at once, with so many samples.
struct Fake(u64);

impl Scrape for Fake {
    fn snapshot(&self, _: Wanted) -> oneshot::Receiver<Arc<Snapshot>> {
        let mut family = Family::new(&BIG);
        for n in 0..self.0 {
            family.push(&Labels::new(&[("n", &n.to_string())]), n);
        }
        let (reply, answer) = oneshot::channel();
        let _ = reply.send(Arc::new(Snapshot {
            taken: SystemTime::UNIX_EPOCH,
            groups: vec![Group {
                collector: "big",
                families: Arc::new([family]),
            }],
        }));
        answer
    }

    fn ready(&self) -> bool {
        true
    }

    fn collectors(&self) -> Arc<[CollectorInfo]> {
        Arc::from([])
    }
}

/// A server, its files, and the thread it runs in.
struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    stats: Arc<HttpStats>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

const TLS: &str = "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n";

impl Server {
    fn start(text: &str, samples: u64, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let stats = Arc::new(HttpStats::default());
        let mut server = Self {
            folder,
            address: "127.0.0.1:0".parse().unwrap(),
            stats: Arc::clone(&stats),
            stop: Some(stop),
            thread: None,
        };
        server.identity();
        server.put("web.yml", text);
        let security = Security::open(&server.path("web.yml"), Arc::clone(&stats)).unwrap();
        let options = ServerOptions {
            web: Options {
                security: Some(Arc::new(security)),
                ..options
            },
            ..ServerOptions::default()
        };
        server.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = bind("127.0.0.1:0").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let stop = async { drop(stopped.await) };
                serve(
                    vec![listener],
                    Arc::new(Fake(samples)),
                    stats,
                    options,
                    stop,
                )
                .await;
            });
        }));
        server.address = told.recv().unwrap();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(".new"), text).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    /// A new certificate and key for `server`.
    fn identity(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["server".to_owned()]).unwrap();
        self.put("tls.crt", &params.self_signed(&key).unwrap().pem());
        self.put("tls.key", &key.serialize_pem());
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Trusts the certificate as it is in the file now.
    fn secure(&self) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path("tls.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("server").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = self.connect();
        while client.is_handshaking() {
            client.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(client, stream))
    }

    /// Status and text of the whole answer, over TLS.
    fn ask_secure(&self, request: &str) -> String {
        ask(&mut self.secure().unwrap(), request)
    }

    fn ask_plain(&self, request: &str) -> String {
        ask(&mut self.connect(), request)
    }

    fn get(&self, path: &str, headers: &str) -> String {
        self.ask_plain(&get(path, headers))
    }

    fn in_use(&self) -> f64 {
        self.stats.families()[3].samples[0].value.as_f64()
    }

    fn connections(&self) -> f64 {
        self.stats.families()[2].samples[0].value.as_f64()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}\r\n")
}

/// What comes until the end, however it comes.
fn ask(stream: &mut (impl Read + Write), request: &str) -> String {
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn metrics_come_over_tls_with_the_headers_that_were_set() {
    let text = format!(
        "{TLS}http_server_config: {{headers: {{Strict-Transport-Security: max-age=9, Content-Security-Policy: none}}}}\n"
    );
    let server = Server::start(&text, 50_000, Options::default());
    let answer = server.ask_secure(&get("/metrics", ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:.300}");
    assert!(answer.contains("strict-transport-security: max-age=9\r\n"));
    assert!(answer.ends_with("49999\n\r\n0\r\n\r\n"));
    // The landing page has a policy of its own: that of the file counts, and is the only one.
    let landing = server.ask_secure(&get("/", ""));
    assert_eq!(landing.matches("content-security-policy: ").count(), 1);
    assert!(landing.contains("content-security-policy: none\r\n"));
    assert!(server.ask_secure(&get("/no", "")).contains("max-age=9"));
}

#[test]
fn limits_hold_over_tls_too() {
    let server = Server::start(TLS, 1, Options::default());
    let smuggled = server.ask_secure(
        "GET /metrics HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    );
    assert!(smuggled.starts_with("HTTP/1.1 400 "), "{smuggled}");
    assert_eq!(smuggled.matches("HTTP/1.1").count(), 1, "{smuggled}");
    let long = format!("X: {}\r\n", "y".repeat(1 << 20));
    for request in [get("/", &long), get("/", &"A: b\r\n".repeat(200))] {
        let answer = server.ask_secure(&request);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
            "{answer}"
        );
    }
    assert!(server.ask_secure(&get("/", "")).contains(" 200 OK"));
}

#[test]
fn http_on_a_tls_port_is_told_so_and_noise_is_closed() {
    let server = Server::start(TLS, 1, Options::default());
    let answer = server.get("/metrics", "");
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nthis port speaks TLS: use https://\n"));
    for noise in [
        b"\0\0\0\0".as_slice(),
        b"\x16\x03\x01\xff\xff\xff\xff\xff\xff",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80\x2e\x01\x00\x02",
    ] {
        let mut stream = server.connect();
        stream.write_all(noise).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"), "{noise:?}: {rest:?}");
    }
    assert!(server.ask_secure(&get("/", "")).contains(" 200 OK"));
}

#[test]
fn clients_that_dawdle_over_tls_are_dropped() {
    let options = Options {
        header_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
        max_connections: 2,
        ..Options::default()
    };
    let server = Server::start(TLS, 1_000_000, options);
    // One that sends nothing, and one that stops within its hello. With both there is room for nobody
    // else: the third is served only when they are gone.
    let silent = server.connect();
    let mut half = server.connect();
    half.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    assert!(server.ask_secure(&get("/", "")).contains(" 200 OK"));
    drop((silent, half));
    // One that shakes hands and then says nothing.
    let mut idle = server.secure().unwrap();
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    // One that asks for much and takes little.
    let mut greedy = server.secure().unwrap();
    greedy.write_all(get("/metrics", "").as_bytes()).unwrap();
    let mut begun = [0; 15];
    greedy.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    let began = Instant::now();
    while server.connections() > 0.0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is kept");
        std::thread::yield_now();
    }
    let mut taken = Vec::new();
    let _ = greedy.read_to_end(&mut taken);
    assert!(!taken.ends_with(b"0\r\n\r\n"), "the whole answer came");
}

#[test]
fn a_handshake_under_way_does_not_hold_up_the_end() {
    let options = Options {
        grace: Duration::from_secs(60),
        header_timeout: Duration::from_secs(3600),
        ..Options::default()
    };
    let server = Server::start(TLS, 1, options);
    let _silent = server.connect();
    while server.connections() < 1.0 {
        std::thread::yield_now();
    }
    let began = Instant::now();
    // Dropped, it waits for the server's end.
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[test]
fn a_new_certificate_is_shown_at_the_next_handshake() {
    let server = Server::start(TLS, 1, Options::default());
    let mut old = server.secure().unwrap();
    // Both files at once is not to be had; in between the old pair serves.
    let key = fs::read_to_string(server.path("tls.key")).unwrap();
    server.identity();
    assert!(server.ask_secure(&get("/", "")).contains(" 200 OK"));
    assert_eq!(server.in_use(), 1.0);
    // Connections that are open stay so.
    assert!(ask(&mut old, &get("/", "")).contains(" 200 OK"));
    server.put("tls.key", &key);
    assert!(server.ask_secure(&get("/", "")).contains(" 200 OK"));
    assert_eq!(server.in_use(), 0.0);
}

/// Cost 4, for tests that are quick.
fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

const ALICE_SECRET: &str = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";

#[test]
fn every_path_asks_for_the_password() {
    let text = format!("basic_auth_users: {{alice: {}}}\n", hash("secret"));
    let server = Server::start(&text, 1, Options::default());
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/no/such/path"] {
        for headers in [
            "",
            "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n",
            "Authorization: Basic Ym9iOnNlY3JldA==\r\n",
            "Authorization: Basic \u{e9}\r\n",
        ] {
            let answer = server.get(path, headers);
            assert!(
                answer.starts_with("HTTP/1.1 401 Unauthorized\r\n")
                    && answer.contains("www-authenticate: Basic\r\n")
                    && answer.ends_with("a user and a password are needed\n"),
                "{path} {headers}: {answer}"
            );
        }
        let status = if path == "/no/such/path" { 404 } else { 200 };
        let answer = server.get(path, ALICE_SECRET);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    // Who may not ask has no second request in its body.
    let smuggled = server.ask_plain(
        "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\nGET / HTTP/1.1\r\n\r\n..",
    );
    assert_eq!(smuggled.matches("HTTP/1.1").count(), 1, "{smuggled}");
}

#[test]
fn more_logins_than_can_wait_are_refused_and_who_logged_in_is_served() {
    // Wrong passwords, each of which takes a second or so: more than are sent in that time.
    let text = format!(
        "basic_auth_users: {{alice: {}, bob: $2b$13$vI8aWBnW3fID.ZQ4/zo1G.q1lRps.9cGLcZEiGDMVr5yUP1KUOYTa}}\n",
        hash("secret")
    );
    let server = Server::start(&text, 1, Options::default());
    assert!(server.get("/", ALICE_SECRET).contains(" 200 OK"));
    let bob = get("/", "Authorization: Basic Ym9iOng=\r\n");
    let mut waiting: Vec<_> = (0..30).map(|_| server.connect()).collect();
    for stream in &mut waiting {
        stream.write_all(bob.as_bytes()).unwrap();
    }
    // Nobody has to wait for them.
    assert!(server.get("/", ALICE_SECRET).contains(" 200 OK"));
    let refused = server.ask_plain(&bob);
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"),
        "{refused}"
    );
    // Those that gave up make no room for more at once, and all is well after them.
    drop(waiting);
    assert!(server.get("/", ALICE_SECRET).contains(" 200 OK"));
}

#[test]
fn more_requests_than_the_limit_are_told_when_to_come_back() {
    let server = Server::start(
        "rate_limit: {interval: 1h, burst: 2}\n",
        1,
        Options::default(),
    );
    assert!(server.get("/", "").contains(" 200 OK"));
    assert!(server.get("/no", "").contains(" 404 "));
    let answer = server.get("/metrics", "");
    assert!(
        answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
        "{answer}"
    );
    let wait: u64 = answer
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "))
        .unwrap()
        .parse()
        .unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
}
