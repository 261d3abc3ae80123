use std::path::Path;

use super::*;
use crate::config::Config;
use tidegauge_alerts::feed::{Login, Secret};

fn problems(text: &str) -> String {
    let problems = Config::parse(text).expect_err("the text is wrong");
    let shown: Vec<_> = problems
        .iter()
        .map(|p| p.show(Path::new("t.yml")))
        .collect();
    shown.join("\n")
}

#[test]
fn everything_that_can_be_said() {
    let config = Config::parse(
        r#"
feeds:
  - job_name: node
    static_configs: [{targets: ["127.0.0.1:9100"]}]
  - job_name: disks
    scrape_interval: 1m
    scrape_timeout: 20s
    metrics_path: /probe
    scheme: HTTPS
    params: {module: [a, b]}
    authorization: {type: Token, credentials_file: /etc/token}
    tls_config:
      ca_file: /etc/ca.pem
      cert_file: /etc/own.pem
      key_file: /etc/own.key
      server_name: disks.example.com
      insecure_skip_verify: true
      min_version: TLS13
    static_configs:
      - targets: ["a:1", "[::1]:2"]
        labels: {rack: 7}
      - targets: [b]
    honor_labels: true
    honor_timestamps: false
    track_timestamps_staleness: true
    sample_limit: 1000
    label_limit: 30
    label_name_length_limit: 0
    label_value_length_limit: 200
    body_size_limit: 10MiB
    follow_redirects: false
    enable_compression: false
    enable_http2: false
    fallback_scrape_protocol: PrometheusText0.0.4
  - job_name: quick
    scrape_interval: 5s
    basic_auth: {username: u, password_file: /etc/password}
    static_configs: [{targets: [c]}]
"#,
    )
    .unwrap();
    assert!(config.warnings.is_empty());
    let [node, disks, quick] = &config.feeds.jobs[..] else {
        panic!("{:?}", config.feeds);
    };
    let mut expected = Job::new("node");
    expected.groups = vec![Group {
        targets: vec!["127.0.0.1:9100".into()],
        labels: vec![],
    }];
    assert_eq!(node, &expected);
    assert_eq!(
        (node.interval, node.timeout),
        (Duration::from_secs(15), Duration::from_secs(10))
    );
    assert_eq!(
        disks,
        &Job {
            name: "disks".into(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(20),
            scheme: Scheme::Https,
            path: "/probe".into(),
            params: vec![("module".into(), vec!["a".into(), "b".into()])],
            groups: vec![
                Group {
                    targets: vec!["a:1".into(), "[::1]:2".into()],
                    labels: vec![("rack".into(), "7".into())],
                },
                Group {
                    targets: vec!["b".into()],
                    labels: vec![],
                },
            ],
            login: Login::Token {
                kind: "Token".into(),
                token: Secret::File("/etc/token".into()),
            },
            tls: Tls {
                ca: Some("/etc/ca.pem".into()),
                identity: Some(("/etc/own.pem".into(), "/etc/own.key".into())),
                server_name: Some("disks.example.com".into()),
                skip_verify: true,
                only_tls13: true,
            },
            follow_redirects: false,
            compression: false,
            fallback: Some(Format::Text004),
            body_size_limit: 10 << 20,
            sample_limit: Some(1000),
            label_limits: LabelLimits {
                number: Some(30),
                name_length: None,
                value_length: Some(200),
            },
            honor_labels: true,
            honor_timestamps: false,
            track_timestamps: true,
        }
    );
    assert_eq!(quick.timeout, Duration::from_secs(5));
}

#[test]
fn a_password_in_the_file_is_taken_with_a_warning_and_never_shown() {
    let config = Config::parse(
        "feeds:\n  - job_name: a\n    static_configs: [{targets: [h]}]\n    basic_auth: {username: u, password: hunter2}\n",
    )
    .unwrap();
    assert_eq!(
        config.feeds.jobs[0].login,
        Login::Basic {
            name: "u".into(),
            password: Secret::Inline("hunter2".into()),
        }
    );
    assert_eq!(config.warnings.len(), 1);
    let warning = config.warnings[0].show(Path::new("t.yml"));
    assert!(warning.starts_with("t.yml:4:"), "{warning}");
    assert!(warning.contains("password_file"), "{warning}");
    for shown in [warning, format!("{config:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn mistakes_are_told_with_their_lines() {
    let told = problems(
        r#"feeds:
  - job_name: a
    scrape_interval: 5s
    scrape_timeout: 6s
    static_configs: [{targets: ["http://h:1/metrics"], labels: {__x: "1", 2b: c}}]
  - job_name: a
    scheme: ftp
    metrics_path: metrics
    static_configs: [{targets: [h]}]
  - job_name: b
    metrics_path: /x?y
    static_configs: []
    sample_limit: -1
    scrape_interval: 0s
    tls_config: {cert_file: /x, min_version: TLS10, ca_file: ca.pem}
    basic_auth: {username: "a:b", password: hunter2, password_file: /x}
    authorization: {}
  - job_name: ""
    authorization: {type: Basic}
    body_size_limit: 1G
    fallback_scrape_protocol: PrometheusProto
"#,
    );
    for line in [
        "t.yml:4:21: scrape_timeout is greater than scrape_interval, which is 5s (a target is never scraped twice at a time)",
        "t.yml:5:33: `http://h:1/metrics` is not a target: it is a host and a port, without scheme or path",
        "`__x` is not a label's name",
        "`2b` is not a label's name",
        "t.yml:6:15: feed `a` is declared twice, first in line 2",
        "t.yml:7:13: `ftp` is not a scheme (http or https)",
        "t.yml:8:19: `metrics` is not a path",
        "t.yml:11:19: `/x?y` is more than a path",
        "t.yml:13:19: `-1` is not a number",
        "t.yml:14:22: no time is no duration",
        "cert_file and key_file go together",
        "`TLS10` is no version of TLS that is spoken",
        "`ca.pem` is not an absolute path",
        "basic_auth and authorization exclude each other",
        "feed `b` has no targets",
        "job_name is empty",
        "`authorization` is not for basic authentication",
        "there is nothing to send",
        "`1G` is not a size",
        "`PrometheusProto` is no format that can be read",
    ] {
        assert!(told.contains(line), "{line}\nis not in\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn what_prometheus_has_beyond_is_named() {
    for (key, hint) in [
        (
            "kubernetes_sd_configs: [{role: node}]",
            "there is no service discovery",
        ),
        ("relabel_configs: []", "there is no relabelling"),
        ("bearer_token: hunter2", "authorization"),
        ("tls_config: {max_version: TLS12}", "leave it out"),
        ("basic_auth: {username_file: /x}", "write username"),
    ] {
        let told = problems(&format!("feeds:\n  - job_name: a\n    {key}\n"));
        let name = key
            .split([':', '{'])
            .map(str::trim)
            .rfind(|part| raw::instead_of(part).is_some())
            .unwrap();
        let expected = format!("Prometheus's `{name}` is not supported");
        assert!(told.starts_with("t.yml:3:"), "{told}");
        assert!(told.contains(&expected) && told.contains(hint), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let told = problems("feeds:\n  - job_name: a\n    jobname: b\n");
    assert!(told.contains("unknown field `jobname`"), "{told}");
}
