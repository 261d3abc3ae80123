//! The HTTP server by itself, over a fake sampler: limits, time-outs, compression, the end.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tidegauge_exporter::http::{CollectorInfo, Scrape, ServerOptions, Wanted, serve};
use tidegauge_model::metric::{Family, FamilySpec, Labels};
use tidegauge_model::snapshot::{Group, Snapshot};
use tidegauge_web::{HttpStats, Options, bind};
use tokio::sync::oneshot;

static BIG: FamilySpec = FamilySpec::gauge("t_big_bytes", "Much.", &["n"]);

/// Answers at once, or when told to.
#[derive(Default)]
struct Fake {
    samples: usize,
    held: Mutex<Vec<oneshot::Sender<Arc<Snapshot>>>>,
    hold: AtomicBool,
    ready: AtomicBool,
}

impl Fake {
    fn reading(&self) -> Arc<Snapshot> {
        let mut family = Family::new(&BIG);
        for n in 0..self.samples {
            family.push(&Labels::new(&[("n", &n.to_string())]), n as u64);
        }
        let group = Group {
            collector: "big",
            families: Arc::new([family]),
        };
        Arc::new(Snapshot {
            taken: SystemTime::UNIX_EPOCH,
            groups: vec![group],
        })
    }

    fn release(&self) {
        for reply in self.held.lock().unwrap().drain(..) {
            let _ = reply.send(self.reading());
        }
    }
}

impl Scrape for Fake {
    fn snapshot(&self, _: Wanted) -> oneshot::Receiver<Arc<Snapshot>> {
        let (reply, answer) = oneshot::channel();
        if self.hold.load(Ordering::SeqCst) {
            self.held.lock().unwrap().push(reply);
        } else {
            let _ = reply.send(self.reading());
        }
        answer
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst)
    }

    fn collectors(&self) -> Arc<[CollectorInfo]> {
        Arc::from([CollectorInfo {
            name: "big",
            help: "much",
        }])
    }
}

struct Server {
    address: SocketAddr,
    fake: Arc<Fake>,
    stats: Arc<HttpStats>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(samples: usize, options: ServerOptions) -> Self {
        let fake = Arc::new(Fake {
            samples,
            ..Fake::default()
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let scrape = Arc::clone(&fake);
        let stats = Arc::new(HttpStats::default());
        let counted = Arc::clone(&stats);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = bind("127.0.0.1:0").unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(vec![listener], scrape, counted, options, async {
                    drop(stopped.await)
                })
                .await;
            });
        });
        Self {
            address: told.recv().unwrap(),
            fake,
            stats,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// The whole answer to a request on a connection of its own.
    fn ask(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str, headers: &str) -> (String, Vec<u8>) {
        let answer = self.ask(&format!("GET {path} HTTP/1.0\r\nHost: t\r\n{headers}\r\n"));
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        (
            String::from_utf8(answer[..end].to_vec()).unwrap(),
            answer[end + 4..].to_vec(),
        )
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn every_compression_holds_the_same_text() {
    let mut server = Server::start(50_000, ServerOptions::default());
    let (_, plain) = server.get("/metrics", "");
    assert!(plain.len() > 1_000_000 && plain.ends_with(b"49999\n"));
    let (head, gzip) = server.get("/metrics", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(gzip.as_slice())
        .read_to_end(&mut text)
        .unwrap();
    assert!(text == plain);
    assert!(
        gzip.len() < plain.len() / 2,
        "{} of {}",
        gzip.len(),
        plain.len()
    );
    let (head, zstd) = server.get("/metrics", "Accept-Encoding: zstd, gzip\r\n");
    assert!(head.contains("content-encoding: zstd"));
    assert!(zstd::decode_all(zstd.as_slice()).unwrap() == plain);
    assert!(
        zstd.len() < plain.len() / 2,
        "{} of {}",
        zstd.len(),
        plain.len()
    );
    server.stop();
}

#[test]
fn heads_health_and_wrong_requests() {
    let mut server = Server::start(1, ServerOptions::default());
    assert!(server.get("/-/ready", "").0.contains("503"));
    server.fake.ready.store(true, Ordering::SeqCst);
    assert!(server.get("/-/ready", "").0.contains("200"));
    assert!(server.get("/-/healthy", "").0.contains("200"));
    assert!(server.get("/nothing", "").0.contains("404"));
    assert!(server.get("/metrics?collect[]=none", "").0.contains("400"));
    let (head, page) = server.get("/", "");
    assert!(head.contains("content-security-policy: default-src 'none'"));
    assert!(String::from_utf8(page).unwrap().contains("collect[]=big"));
    let head = server.ask("HEAD /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert!(head.ends_with(b"\r\n\r\n") && head.starts_with(b"HTTP/1.1 200"));
    let two = "GET /-/healthy HTTP/1.1\r\nHost: t\r\n\r\n";
    let answers = server.ask(&format!(
        "{two}{}",
        two.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    ));
    assert_eq!(
        String::from_utf8(answers)
            .unwrap()
            .matches("tidegauge is healthy")
            .count(),
        2
    );
    server.stop();
}

#[test]
fn more_scrapes_than_allowed_are_refused() {
    let mut server = Server::start(
        1,
        ServerOptions {
            max_requests: 2,
            ..ServerOptions::default()
        },
    );
    server.fake.hold.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| server.get("/metrics", "")))
            .collect();
        while server.fake.held.lock().unwrap().len() < 2 {
            std::thread::yield_now();
        }
        let (head, body) = server.get("/metrics", "");
        assert!(
            head.contains("503") && head.contains("retry-after: 1"),
            "{head}"
        );
        assert!(
            String::from_utf8(body)
                .unwrap()
                .contains("--web.max-requests")
        );
        server.fake.release();
        for client in waiting {
            assert!(client.join().unwrap().0.contains("200"));
        }
    });
    server.stop();
}

#[test]
fn clients_that_dawdle_are_dropped() {
    let options = ServerOptions {
        // Far longer than a healthy request takes on a busy machine.
        web: Options {
            header_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(1),
            ..Options::default()
        },
        ..ServerOptions::default()
    };
    // More than any socket buffers hold.
    let mut server = Server::start(1_000_000, options);
    // One that never ends its request, and one that never begins.
    for beginning in ["GET /metrics HTTP/1.1\r\nX: ", ""] {
        let mut stream = server.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut rest = Vec::new();
        // An answer of an error, or only the end; what matters is that it comes.
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
    // One that asks for much and takes little: the rest of the answer never comes.
    let mut stream = server.connect();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
        .unwrap();
    let mut begun = [0; 15];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    // Others are served meanwhile, until its connection is gone.
    while server.stats.families()[2].samples[0].value.as_f64() > 0.0 {
        assert!(server.get("/-/healthy", "").0.contains("200"));
    }
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken);
    assert!(!taken.ends_with(b"0\r\n\r\n"), "the whole answer came");
    server.stop();
}

#[test]
fn an_answer_under_way_is_finished_before_the_end() {
    let mut server = Server::start(10, ServerOptions::default());
    server.fake.hold.store(true, Ordering::SeqCst);
    let (address, fake) = (server.address, Arc::clone(&server.fake));
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    while fake.held.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    drop(server.stop.take());
    // It takes no new ones …
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    // … and ends those it has.
    fake.release();
    let answer = client.join().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("0\r\n\r\n"),
        "{answer}"
    );
    server.stop();
}
