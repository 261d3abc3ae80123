use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tidegauge_promql::Labels;

use super::super::server::{Reply, Server, answer, exposition};
use super::*;
use crate::feed::labels::Joiner;
use crate::feed::settings::{Group, Login, Secret};
use crate::feed::testing::lines;

pub(super) fn feed(address: &str, job: Job) -> HttpFeed {
    let target = Target::of_job(&job, &Group::default(), address);
    let joiner = Joiner::new(Labels::empty(), false);
    let series = Series::new(joiner, Arc::default());
    HttpFeed::new(&target, Arc::new(job), series)
}

/// The samples of a good scrape, or why it failed.
pub(super) async fn scraped(feed: &mut HttpFeed) -> Result<Vec<String>, ScrapeError> {
    match feed.collect(1000).await.error {
        None => Ok(lines(feed.series().batch())),
        Some(error) => Err(error),
    }
}

async fn failure(job: Job, reply: fn(usize, &str) -> Reply) -> String {
    let server = Server::start(reply).await;
    let mut feed = feed(&server.address, job);
    let error = scraped(&mut feed).await.expect_err("it fails");
    format!("{}: {error}", error.kind())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zipped(body: &[u8]) -> Vec<u8> {
    answer(
        "200 OK",
        "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
        body,
    )
}

#[tokio::test]
async fn asks_as_prometheus_does_and_keeps_the_connection() {
    let server = Server::start(|_, _| Reply::Keep(exposition("a 1\n"))).await;
    let mut job = Job::new("x");
    job.params = vec![("module".into(), vec!["a b".into()])];
    let mut feed = feed(&server.address, job);
    for _ in 0..3 {
        assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1"]);
    }
    let requests = server.requests.lock().unwrap().clone();
    assert!(requests.iter().all(|(connection, _)| *connection == 1));
    assert!(
        requests[0]
            .1
            .starts_with("GET /metrics?module=a+b HTTP/1.1\r\n")
    );
    let header = |name| server.header(0, name).unwrap();
    assert_eq!(header("host"), server.address);
    assert_eq!(header("accept-encoding"), "gzip");
    assert_eq!(header("x-prometheus-scrape-timeout-seconds"), "10");
    assert!(header("accept").starts_with("application/openmetrics-text;version=1.0.0"));
    assert!(header("user-agent").starts_with("tidegauge/"));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_opened_again() {
    let server = Server::start(|_, _| Reply::Close(exposition("a 1\n"))).await;
    let mut feed = feed(&server.address, Job::new("x"));
    for _ in 0..3 {
        assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1"]);
    }
    assert_eq!(server.requests.lock().unwrap().len(), 3);
}

/// It closes without a word when asked for the second time.
#[tokio::test]
async fn a_request_that_a_kept_connection_swallowed_is_sent_again() {
    let server = Server::start(|number, _| match number {
        1 => Reply::Close(Vec::new()),
        _ => Reply::Keep(exposition("a 1\n")),
    })
    .await;
    let mut feed = feed(&server.address, Job::new("x"));
    for _ in 0..2 {
        assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1"]);
    }
    let requests = server.requests.lock().unwrap();
    assert_eq!(
        requests.iter().map(|(c, _)| *c).collect::<Vec<_>>(),
        [1, 1, 2]
    );
}

#[tokio::test]
async fn gzip_is_unpacked_whether_in_one_piece_or_more() {
    let server = Server::start(|_, _| {
        let mut body = gzip(b"a 1\n");
        body.extend(gzip(b"b 2\n"));
        Reply::Keep(zipped(&body))
    })
    .await;
    let mut feed = feed(&server.address, Job::new("x"));
    assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1", "b 1000 2"]);
}

#[tokio::test]
async fn answers_that_are_none() {
    for (reply, expected) in [
        (
            (|_, _| Reply::Keep(answer("503 Service Unavailable", "", b"a 1\n")))
                as fn(usize, &str) -> Reply,
            "status: server returned HTTP status 503 Service Unavailable; see the exporter's log, and metrics_path",
        ),
        (
            |_, _| Reply::Keep(answer("200 OK", "Content-Type: text/html\r\n", b"<p>")),
            "content_type: \"text/html\" is no content type that can be read; is it an exporter?",
        ),
        (
            |_, _| Reply::Keep(answer("200 OK", "", b"a 1\n")),
            "content_type: \"\" is no content type",
        ),
        (
            |_, _| Reply::Keep(answer("200 OK", "Content-Encoding: br\r\n", b"x")),
            "encoding: the answer is encoded as \"br\", which was not asked for",
        ),
        (
            |_, _| {
                Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na 1\n".to_vec())
            },
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Close(Vec::new()),
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Close([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 200_000]].concat()),
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Keep(zipped(&gzip(b"a 1\n")[..20])),
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Keep(zipped(b"a 1\n")),
            "transfer: the answer of 127.0.0.1:",
        ),
        (
            |_, _| Reply::Keep(exposition("a{\n")),
            "parse: line 1, column 3:",
        ),
    ] {
        let told = failure(Job::new("x"), reply).await;
        assert!(told.starts_with(expected), "{expected}\n{told}");
    }
}

#[tokio::test]
async fn after_a_failure_the_next_answer_is_its_own() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Keep(exposition("a 1\nb{\n")),
        1 => Reply::Keep(answer("500 Internal Server Error", "", &[b'x'; 100_000])),
        2 => Reply::Keep(answer(
            "200 OK",
            "Content-Type: text/html\r\n",
            &[b'x'; 100_000],
        )),
        _ => Reply::Keep(exposition("a 1\n")),
    })
    .await;
    let mut feed = feed(&server.address, Job::new("x"));
    for kind in ["parse", "status", "content_type"] {
        assert_eq!(scraped(&mut feed).await.unwrap_err().kind(), kind);
    }
    assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1"]);
}

#[tokio::test]
async fn nothing_at_all_is_no_failure() {
    let server = Server::start(|_, _| Reply::Keep(answer("200 OK", "", b""))).await;
    let mut feed = feed(&server.address, Job::new("x"));
    assert_eq!(scraped(&mut feed).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_fallback_reads_what_has_no_type() {
    let server = Server::start(|_, _| Reply::Keep(answer("200 OK", "", b"a 1\n"))).await;
    let mut job = Job::new("x");
    job.fallback = Some(Format::Text004);
    let mut feed = feed(&server.address, job);
    assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 1"]);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut feed = feed(&address, Job::new("x"));
    let error = scraped(&mut feed).await.unwrap_err();
    assert_eq!(error.kind(), "connect");
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot connect to {address}: ")),
        "{error}"
    );
}

#[tokio::test]
async fn whatever_takes_too_long_is_given_up() {
    for reply in [
        (|_, _| Reply::Hang) as fn(usize, &str) -> Reply,
        |_, _| Reply::Drip(exposition("a 1\n")),
        |_, _| Reply::Drip(exposition(&"a 1\n".repeat(1000))),
    ] {
        let mut job = Job::new("x");
        job.timeout = Duration::from_millis(200);
        let told = failure(job, reply).await;
        assert!(
            told.starts_with("timeout: no whole answer within scrape_timeout, which is 200ms"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_body_must_stay_below_its_limit() {
    let text = "a 1\n";
    for (limit, good) in [(5, true), (4, false), (1, false)] {
        for packed in [false, true] {
            let server = Server::start(move |_, _| {
                Reply::Keep(if packed {
                    zipped(&gzip(text.as_bytes()))
                } else {
                    exposition(text)
                })
            })
            .await;
            let mut job = Job::new("x");
            job.body_size_limit = limit;
            let result = scraped(&mut feed(&server.address, job)).await;
            match result {
                Ok(_) => assert!(good, "{limit} {packed}"),
                Err(error) => {
                    assert!(!good, "{limit} {packed} {error}");
                    assert_eq!(error.kind(), "body_size_limit");
                }
            }
        }
    }
    // A bomb: megabytes of comments in some kilobytes.
    let told = failure(
        Job {
            body_size_limit: 1 << 20,
            ..Job::new("x")
        },
        |_, _| Reply::Keep(zipped(&gzip(&b"#\n".repeat(2 << 20)))),
    )
    .await;
    assert!(told.starts_with("body_size_limit: "), "{told}");
}

#[tokio::test]
async fn redirects_are_followed_and_secrets_stay() {
    let other = Server::start(|_, _| Reply::Keep(exposition("a 2\n"))).await;
    let elsewhere = format!("Location: http://{}/there\r\n", other.address);
    let server = Server::start(move |_, head| {
        Reply::Keep(if head.starts_with("GET /metrics ") {
            answer("302 Found", "Location: /own\r\n", b"")
        } else {
            answer("307 Temporary Redirect", &elsewhere, b"")
        })
    })
    .await;
    let login = Login::Basic {
        name: "u".into(),
        password: Secret::Inline("p".into()),
    };
    let mut job = Job::new("x");
    job.login = login;
    let mut feed = feed(&server.address, job.clone());
    assert_eq!(scraped(&mut feed).await.unwrap(), ["a 1000 2"]);
    for request in 0..2 {
        assert_eq!(
            server.header(request, "authorization").unwrap(),
            "Basic dTpw"
        );
    }
    assert_eq!(other.header(0, "authorization"), None);
    assert_eq!(other.header(0, "host").unwrap(), other.address);
    job.follow_redirects = false;
    let error = scraped(&mut self::feed(&server.address, job))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("server returned HTTP status 302 Found"),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    for (reply, expected) in [
        (
            (|_, _| {
                Reply::Keep(answer(
                    "301 Moved Permanently",
                    "Location: /metrics\r\n",
                    b"",
                ))
            }) as fn(usize, &str) -> Reply,
            "redirect: cannot follow the redirect to \"/metrics\": there were 10 before it",
        ),
        (
            |_, _| {
                Reply::Keep(answer(
                    "301 Moved Permanently",
                    "Location: ftp://h/\r\n",
                    b"",
                ))
            },
            "redirect: cannot follow the redirect to \"ftp://h/\": its scheme is neither http nor https",
        ),
        (
            |_, _| Reply::Keep(answer("301 Moved Permanently", "", b"")),
            "status: server returned HTTP status 301 Moved Permanently",
        ),
    ] {
        let told = failure(Job::new("x"), reply).await;
        assert!(told.starts_with(expected), "{told}");
    }
}

#[tokio::test]
async fn secrets_are_read_anew_each_time() {
    let server = Server::start(|_, _| Reply::Keep(exposition("a 1\n"))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one\n").unwrap();
    let mut job = Job::new("x");
    job.login = Login::Token {
        kind: "Bearer".into(),
        token: Secret::File(path.clone()),
    };
    let mut feed = feed(&server.address, job);
    scraped(&mut feed).await.unwrap();
    std::fs::write(&path, "two").unwrap();
    scraped(&mut feed).await.unwrap();
    assert_eq!(server.header(0, "authorization").unwrap(), "Bearer one");
    assert_eq!(server.header(1, "authorization").unwrap(), "Bearer two");
    for (bytes, reason) in [
        (&b"a\nb"[..], "it has characters that no header can hold"),
        (b"\xff", "it is not UTF-8"),
        (&[b'x'; 70_000], "it has more than 65536 bytes"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = scraped(&mut feed).await.unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("token"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = scraped(&mut feed).await.unwrap_err();
    assert_eq!(error.kind(), "file");
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot use {}: ", path.display())),
        "{error}"
    );
}

#[tokio::test]
async fn samples_over_the_limit_fail_the_scrape() {
    let server = Server::start(|_, _| Reply::Keep(exposition("a 1\nb 1\nc 1\n"))).await;
    let mut job = Job::new("x");
    job.sample_limit = Some(2);
    let mut feed = feed(&server.address, job.clone());
    let error = scraped(&mut feed).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sample limit exceeded: there are 3 samples; sample_limit is 2"
    );
    job.sample_limit = Some(3);
    feed.replace(Arc::new(job));
    assert_eq!(scraped(&mut feed).await.unwrap().len(), 3);
}
