//! TLS, client certificates and passwords, with the programs that others use: curl, openssl, Prometheus.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tidegauge_rig::{
    Authority, Exporter, Identity, Job, Prometheus, Scratch, Which, needs, wait_until,
};

const TIERS: &str = "tiers: [{name: hot, paths: [/]}]\n";
/// Of `secret`, made by libxcrypt.
const HASH: &str = "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u";
const SERVER: &str = "DNS:localhost,IP:127.0.0.1";

/// Starts an exporter with this web configuration; `answers` is what a plain request gets.
fn start(scratch: &Scratch, web_config: &str, answers: u16) -> Exporter {
    let file = scratch.file("web.yml", web_config);
    let file = file.to_str().unwrap();
    Exporter::start_answering(answers, &["--web.config.file", file], TIERS)
}

/// Success and the whole output of `curl -i`.
fn curl(arguments: &[&str], url: &str) -> (bool, String) {
    let output = Command::new("curl")
        .args(["-sSi", "--max-time", "20"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// All that `openssl s_client` says of a handshake.
fn s_client(exporter: &Exporter, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", exporter.address()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn https(exporter: &Exporter) -> String {
    format!("https://{}/metrics?collect[]=tier", exporter.address())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tls(server: &Identity) -> String {
    format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n",
        server.certificate.display(),
        server.key.display()
    )
}

fn tidegauge(arguments: &[&str]) -> Output {
    let binary =
        std::env::var_os("TIDEGAUGE_BIN").unwrap_or_else(|| "target/release/tidegauge".into());
    Command::new(binary).args(arguments).output().unwrap()
}

#[test]
fn curl_and_openssl_speak_tls_with_it_and_old_tls_is_refused() {
    needs!("binary", "openssl", "curl");
    let scratch = Scratch::new("tls");
    let ca = Authority::new(&scratch, "ca");
    let other = Authority::new(&scratch, "other");
    let server = ca.issue("server", SERVER, 2);
    let exporter = start(&scratch, &tls(&server), 400);
    let (ok, answer) = curl(
        &["-g", "--cacert", text(&ca.certificate())],
        &https(&exporter),
    );
    assert!(
        ok && answer.starts_with("HTTP/1.1 200") && answer.contains("tidegauge_tier_up"),
        "{answer}"
    );
    // curl offers HTTP/2 as well; a CA that did not sign it is not content.
    let (ok, answer) = curl(
        &["-g", "--cacert", text(&other.certificate())],
        &https(&exporter),
    );
    assert!(
        !ok && answer.contains("SSL certificate problem"),
        "{answer}"
    );
    let (_, answer) = curl(&["-g"], &https(&exporter).replace("https", "http"));
    assert!(answer.contains("this port speaks TLS"), "{answer}");

    for (version, said) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let spoken = s_client(&exporter, &[version, "-alpn", "h2,http/1.1"]);
        assert!(
            spoken.contains(&format!("New, {said}, Cipher is "))
                && spoken.contains("ALPN protocol: http/1.1"),
            "{spoken}"
        );
    }
    // At security level 0 it is the server that refuses.
    for old in ["-tls1_1", "-tls1"] {
        let refused = s_client(&exporter, &[old, "-cipher", "DEFAULT@SECLEVEL=0"]);
        assert!(
            refused.contains("SSL alert number") && refused.contains("Cipher is (NONE)"),
            "{refused}"
        );
    }
    exporter.stop();

    let strict = format!("{}  min_version: TLS13\n", tls(&server));
    let exporter = start(&scratch, &strict, 400);
    let refused = s_client(&exporter, &["-tls1_2"]);
    assert!(refused.contains("alert protocol version"), "{refused}");
    exporter.stop();

    let one = format!(
        "{}  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  curve_preferences: [CurveP384]\n",
        tls(&server)
    );
    let exporter = start(&scratch, &one, 400);
    let spoken = s_client(&exporter, &[]);
    assert!(
        spoken.contains("New, TLSv1.2, Cipher is ECDHE-RSA-AES256-GCM-SHA384")
            && spoken.contains("Server Temp Key: ECDH, secp384r1"),
        "{spoken}"
    );
    let refused = s_client(&exporter, &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]);
    assert!(refused.contains("alert handshake failure"), "{refused}");
    exporter.stop();
}

#[test]
fn only_clients_with_a_right_certificate_are_served() {
    needs!("binary", "openssl", "curl");
    let scratch = Scratch::new("clients");
    let ca = Authority::new(&scratch, "ca");
    let other = Authority::new(&scratch, "other");
    let server = ca.issue("server", SERVER, 2);
    let right = ca.issue("right", "DNS:prometheus.example", 2);
    let misnamed = ca.issue("misnamed", "DNS:grafana.example", 2);
    let expired = ca.issue("expired", "DNS:prometheus.example", -1);
    let foreign = other.issue("foreign", "DNS:prometheus.example", 2);
    let web_config = format!(
        "{}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  client_allowed_sans: [prometheus.example]\n",
        tls(&server)
    );
    let exporter = start(&scratch, &web_config, 400);
    let ca_file = ca.certificate();
    let ask = |identity: Option<&Identity>| {
        let mut arguments = vec!["-g", "--cacert", text(&ca_file)];
        if let Some(identity) = identity {
            arguments.extend(["--cert", text(&identity.certificate)]);
            arguments.extend(["--key", text(&identity.key)]);
        }
        let mut served = Vec::new();
        for version in [
            ["--tlsv1.2", "--tls-max", "1.2"],
            ["--tlsv1.3", "--tls-max", "1.3"],
        ] {
            let all = [arguments.as_slice(), &version].concat();
            let (ok, answer) = curl(&all, &https(&exporter));
            served.push(ok && answer.contains("tidegauge_tier_up{tier=\"hot\"} 1"));
        }
        served
    };
    assert_eq!(ask(Some(&right)), [true, true]);
    for refused in [Some(&misnamed), Some(&expired), Some(&foreign), None] {
        assert_eq!(ask(refused), [false, false], "{refused:?}");
    }
    exporter.stop();
}

#[test]
fn passwords_are_asked_for() {
    needs!("binary", "curl");
    let scratch = Scratch::new("passwords");
    let exporter = start(
        &scratch,
        &format!("basic_auth_users:\n  alice: {HASH}\n"),
        401,
    );
    let url = format!("{}/metrics?collect[]=tier", exporter.url());
    for (user, status) in [
        ("alice:secret", 200),
        ("alice:secret", 200),
        ("alice:wrong", 401),
        ("alice:", 401),
        ("bob:secret", 401),
        (":", 401),
    ] {
        let (_, answer) = curl(&["-g", "-u", user], &url);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{user}: {answer}"
        );
    }
    let (_, answer) = curl(&["-g"], &url);
    assert!(
        answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Basic"),
        "{answer}"
    );
    let log = exporter.stop().log;
    assert!(
        !log.contains("abcdefgh") && !log.contains("secret"),
        "{log}"
    );
}

#[test]
fn prometheus_scrapes_by_tls_certificate_and_password() {
    needs!("binary", "openssl", "prometheus3");
    let scratch = Scratch::new("prometheus-tls");
    let ca = Authority::new(&scratch, "ca");
    let server = ca.issue("server", SERVER, 2);
    let client = ca.issue("client", "URI:spiffe://example/prometheus", 2);
    let web_config = format!(
        "{}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
         client_allowed_sans: [\"spiffe://example/prometheus\"]\nbasic_auth_users: {{alice: {HASH}}}\n",
        tls(&server)
    );
    let exporter = start(&scratch, &web_config, 400);
    let targets = &[exporter.address()];
    let with = json!({
        "ca_file": ca.certificate(), "cert_file": client.certificate, "key_file": client.key,
    });
    let without = json!({ "ca_file": ca.certificate() });
    let job = |name, tls, password| Job {
        name,
        targets,
        settings: json!({
            "scheme": "https", "tls_config": tls,
            "basic_auth": { "username": "alice", "password": password },
        }),
    };
    let jobs = [
        job("right", &with, "secret"),
        job("wrong-password", &with, "wrong"),
        job("no-certificate", &without, "secret"),
    ];
    let prometheus = Prometheus::start_jobs(Which::V3, &jobs, &[]);
    let ratio = prometheus.query("tidegauge_tier_used_ratio{job=\"right\"}");
    assert_eq!(ratio.as_array().map(Vec::len), Some(1), "{ratio:#}");
    prometheus.query("up{job=\"right\"} == 1");
    prometheus.query("tidegauge_web_config_last_reload_successful{job=\"right\"} == 1");
    for refused in ["wrong-password", "no-certificate"] {
        prometheus.query(&format!("up{{job=\"{refused}\"}} == 0"));
        let ups =
            prometheus.query_once(&format!("max_over_time(up{{job=\"{refused}\"}}[1h]) == 1"));
        assert_eq!(ups, json!([]), "{refused}");
    }
    exporter.stop();
}

#[test]
fn a_certificate_is_replaced_while_it_runs() {
    needs!("binary", "openssl", "curl");
    let scratch = Scratch::new("replaced");
    let ca = Authority::new(&scratch, "ca");
    for name in ["first", "second"] {
        let identity = ca.issue(name, SERVER, 2);
        let folder = scratch.folder(&format!("live-{name}"));
        fs::rename(identity.certificate, folder.join("fullchain.pem")).unwrap();
        fs::rename(identity.key, folder.join("privkey.pem")).unwrap();
    }
    // As Kubernetes and certbot do: what is named stays, what it leads to is turned.
    let turn = |to: &str| {
        let new = scratch.path().join("new");
        symlink(to, &new).unwrap();
        fs::rename(new, scratch.path().join("live")).unwrap();
    };
    turn("live-first");
    let web_config =
        "tls_server_config: {cert_file: live/fullchain.pem, key_file: live/privkey.pem}\n";
    let exporter = start(&scratch, web_config, 400);
    let shown = |name: &str| {
        let said = s_client(&exporter, &[]);
        assert!(said.contains(&format!("subject=CN = {name}")), "{said}");
    };
    let in_use = |value: u8| {
        let ca = ca.certificate();
        let (_, answer) = curl(&["-g", "--cacert", text(&ca)], &https(&exporter));
        let line = format!("\ntidegauge_web_config_last_reload_successful {value}\n");
        assert!(answer.contains(&line), "{answer}");
    };
    shown("first");
    in_use(1);
    turn("live-second");
    shown("second");
    in_use(1);
    // Half a key, as a full disk leaves it.
    let key = scratch.path().join("live-second/privkey.pem");
    let whole = fs::read_to_string(&key).unwrap();
    fs::write(&key, &whole[..whole.len() / 2]).unwrap();
    for _ in 0..3 {
        shown("second");
        in_use(0);
    }
    fs::write(&key, &whole).unwrap();
    shown("second");
    in_use(1);
    scratch.file("web.yml", "");
    shown("second");
    in_use(0);
    let log = wait_until(std::time::Duration::from_secs(10), || {
        let log = exporter.log();
        log.contains("restart it").then_some(log)
    })
    .expect("it says that a restart is needed");
    assert_eq!(log.matches("privkey.pem is broken PEM").count(), 1, "{log}");
    assert!(
        log.contains("web.yml:1:62: ") && !log.contains(&whole[100..140]),
        "{log}"
    );
    exporter.stop();
}

#[test]
fn mistakes_are_told_and_nothing_is_started() {
    needs!("binary", "openssl");
    let scratch = Scratch::new("mistakes");
    let ca = Authority::new(&scratch, "ca");
    let (server, other) = (ca.issue("server", SERVER, -1), ca.issue("other", SERVER, 2));
    let right = scratch.file("right.yml", &tls(&server));
    let wrong = scratch.file(
        "wrong.yml",
        &format!(
            "{}basic_auth_users: {{alice: secret}}\nrate_limits: 1\n",
            tls(&Identity {
                key: other.key,
                ..server
            })
        ),
    );
    let (right, wrong) = (text(&right), text(&wrong));
    let checked = tidegauge(&["check", "web-config", right]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(
        said.starts_with(&format!("{right}:2:14: warning: the certificate in "))
            && said.ends_with(&format!(
                "has expired (clients will refuse it)\n{right}: ok\n"
            )),
        "{said}"
    );
    for arguments in [
        &["check", "web-config", right, wrong][..],
        &[
            "exporter",
            "--web.listen-address=127.0.0.1:0",
            "--web.config.file",
            wrong,
        ],
    ] {
        let output = tidegauge(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for mistake in [
            ":3:13: the key in ",
            ":4:27: what is given for user `alice` is no bcrypt hash (make a hash with: htpasswd",
            ":5:1: a web configuration has no key `rate_limits`",
        ] {
            assert!(said.contains(&format!("{wrong}{mistake}")), "{said}");
        }
        assert!(
            !said.contains("secret") && !said.contains("listening"),
            "{said}"
        );
    }
}
