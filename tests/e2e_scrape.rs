//! Real scrapers and clients: Prometheus 2.42 and 3, promtool, many at once, broken ones, a browser.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tidegauge_rig::{Exporter, Prometheus, Scratch, Which, needs, promtool};

const NO_TIERS_NEEDED: &str = "tiers: [{name: hot, paths: [/]}]\n";

#[test]
fn promtool_has_nothing_to_say() {
    needs!("binary", "prometheus2", "prometheus3");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    let text = exporter.get("/metrics", &[]).unwrap().text().to_owned();
    for which in [Which::V2, Which::V3] {
        let said = promtool(which, &["check", "metrics"], &text);
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(0), "", ""),
            "{which:?}"
        );
    }
    exporter.stop();
}

#[test]
fn both_prometheus_read_both_formats_alike() {
    needs!("binary", "prometheus2", "prometheus3");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    let target = exporter.address();
    let scrapers = [
        Prometheus::start(Which::V2, &[target], &[]),
        Prometheus::start(Which::V3, &[target], &["OpenMetricsText1.0.0"]),
        Prometheus::start(Which::V3, &[target], &["PrometheusText0.0.4"]),
    ];
    let mut names: Vec<BTreeSet<String>> = Vec::new();
    for prometheus in &scrapers {
        let up = prometheus.query("up{job=\"tidegauge\"} == 1");
        assert_eq!(up.as_array().map(Vec::len), Some(1), "{up:#}");
        let ratio = prometheus.query("tidegauge_tier_used_ratio{tier=\"hot\"}");
        let ratio: f64 = ratio[0]["value"][1].as_str().unwrap().parse().unwrap();
        assert!((0.0..=1.0).contains(&ratio));
        let series = prometheus.query("count by (__name__) ({job=\"tidegauge\"})");
        names.push(
            series
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["metric"]["__name__"].as_str().unwrap().to_owned())
                .filter(|n| !n.starts_with("scrape_") && n != "up")
                .collect(),
        );
    }
    assert!(names[0].len() > 30, "{:?}", names[0]);
    assert_eq!(names[0], names[1]);
    assert_eq!(names[1], names[2]);
    exporter.stop();
}

#[test]
fn curl_gets_every_format_and_compression() {
    needs!("binary", "curl");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    let curl = |arguments: &[&str]| {
        let url = format!("{}/metrics?collect[]=tier", exporter.url());
        let output = Command::new("curl")
            .args(["-sgi"])
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let plain = curl(&[]);
    assert!(
        plain.contains("content-type: text/plain; version=0.0.4"),
        "{plain}"
    );
    let gzip = curl(&["--compressed", "-H", "Accept-Encoding: gzip"]);
    assert!(
        gzip.contains("content-encoding: gzip")
            && gzip.contains("tidegauge_tier_up{tier=\"hot\"} 1"),
        "{gzip}"
    );
    let open = curl(&["-H", "Accept: application/openmetrics-text; version=1.0.0"]);
    assert!(
        open.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{open}"
    );
    assert!(open.ends_with("# EOF\n"), "{open}");
    exporter.stop();
}

#[test]
fn thirty_two_clients_at_once_are_all_served() {
    needs!("binary");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let answer = exporter.get("/metrics", &[]).expect("an answer");
                        assert_eq!(answer.status, 200);
                        assert!(
                            answer
                                .text()
                                .contains("tidegauge_tier_up{tier=\"hot\"} 1\n")
                        );
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|c| c.join().unwrap());
    });
    exporter.stop();
}

#[test]
fn broken_clients_harm_nobody() {
    needs!("binary");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(exporter.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let huge = format!(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "y".repeat(1 << 20)
    );
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(2000));
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\r\n\r\n",
        huge.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = send(request);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let with_body = send(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    assert!(
        with_body.contains("200 OK") && with_body.contains("connection: close"),
        "{with_body}"
    );
    let post = send(
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    assert!(
        post.contains("405") && post.contains("allow: GET, HEAD"),
        "{post}"
    );
    // Many that send nothing, and yet a scrape is served.
    let _silent: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(exporter.address()).unwrap())
        .collect();
    assert_eq!(exporter.get("/metrics", &[]).unwrap().status, 200);
    exporter.stop();
}

#[test]
fn a_browser_shows_the_landing_page() {
    needs!("binary", "chromium");
    let exporter = Exporter::start(&[], NO_TIERS_NEEDED);
    let scratch = Scratch::new("browser");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", scratch.path().display()))
        .args(["--dump-dom", &exporter.url()])
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    for part in [
        "<h1>tidegauge</h1>",
        "href=\"/metrics\"",
        "href=\"/metrics?collect[]=filesystem\"",
        "/-/ready",
    ] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    exporter.stop();
}
