use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::config::{ClientAuth, Origin, RateLimit, WebConfig};
use super::*;

fn parse(text: &str) -> (WebConfig, Findings) {
    let mut findings = Findings::default();
    let config = config::parse(text, Path::new("/etc/tidegauge"), &mut findings);
    (config, findings)
}

fn shown(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|p| p.show(Path::new("w"))).collect();
    lines.join("\n")
}

/// Of `secret`, cost 4.
fn hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

#[test]
fn everything_that_can_be_said() {
    let text = format!(
        r#"
tls_server_config:
  cert_file: tls.crt
  key_file: /run/keys/tls.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca: |
    -----BEGIN CERTIFICATE-----
  client_allowed_sans: [prometheus.example, "2001:DB8::1"]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384, X25519, CurveP521]
http_server_config:
  http2: true
  headers: {{Strict-Transport-Security: max-age=1, X-Frame-Options: deny, X-XSS-Protection: ""}}
basic_auth_users:
  alice: {hash}
  007: "{hash}"
rate_limit: {{interval: 1m30s, burst: 20}}
"#,
        hash = hash()
    );
    let (config, findings) = parse(&text);
    assert_eq!(shown(&findings.problems), "");
    assert_eq!(
        shown(&findings.warnings),
        "w:11:58: cipher suite TLS_RSA_WITH_AES_128_CBC_SHA is not served (it is left out of the list)\n\
         w:13:42: curve CurveP521 is not served (it is left out of the list)"
    );
    let tls = config.tls.unwrap();
    assert!(
        matches!(&tls.certificate.from, Origin::File(path) if path == Path::new("/etc/tidegauge/tls.crt"))
    );
    assert!(matches!(&tls.key.from, Origin::File(path) if path == Path::new("/run/keys/tls.key")));
    assert!(matches!(
        tls.client_ca.unwrap().from,
        Origin::Inline(text) if text == "-----BEGIN CERTIFICATE-----\n"
    ));
    assert_eq!(tls.client_auth, ClientAuth::RequireAndVerify);
    assert_eq!(
        tls.client_names.unwrap(),
        ["prometheus.example", "2001:db8::1"]
    );
    assert!(!tls.prefer_server_order);
    assert_eq!(
        tls.cipher_suites.unwrap(),
        [rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
    );
    assert_eq!(
        tls.groups.unwrap(),
        [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]
    );
    let headers: Vec<_> = config.headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(headers, ["x-frame-options", "strict-transport-security"]);
    assert_eq!(
        config.users.keys().collect::<Vec<_>>(),
        [&"007".to_owned(), &"alice".to_owned()]
    );
    assert_eq!(
        config.rate,
        Some(RateLimit {
            interval: Duration::from_secs(90),
            burst: 20
        })
    );
}

#[test]
fn nothing_said_asks_for_nothing() {
    for text in [
        "",
        "# only a comment\n",
        "---\n",
        "tls_server_config:\nbasic_auth_users:\nrate_limit: {}\n",
        "rate_limit: {interval: 0, burst: 5}\nhttp_server_config: {http2: false}\n",
    ] {
        let (config, findings) = parse(text);
        assert_eq!(shown(&findings.problems), "", "{text:?}");
        assert!(
            config.tls.is_none() && config.users.is_empty() && config.rate.is_none(),
            "{text:?}"
        );
    }
    let (_, findings) = parse("tls_server_config: {}\nbasic_auth_users: {}\n");
    assert_eq!(
        shown(&findings.warnings),
        "w:1:20: tls_server_config is empty: TLS is not spoken (give cert_file and key_file, or remove it)\n\
         w:2:19: basic_auth_users names nobody: no password is asked for (name a user, or remove it)"
    );
}

const HINT: &str = "make a hash with: htpasswd -nBC 10 \"\" | tr -d ':\\n'";
const SUITES: &str = "one of: TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, \
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, \
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";

#[test]
fn every_mistake_is_told_with_its_place() {
    // All TLS sections have what each needs but for what the case is about.
    let with = |more: &str| format!("tls_server_config:\n  cert: c\n  key: k\n{more}");
    let cases = [
        (
            "tls_sever_config: {}\nbasic_auth_user: {}\n".to_owned(),
            "w:1:1: a web configuration has no key `tls_sever_config` (its keys: tls_server_config, http_server_config, basic_auth_users, rate_limit)\n\
             w:2:1: a web configuration has no key `basic_auth_user` (its keys: tls_server_config, http_server_config, basic_auth_users, rate_limit)".to_owned(),
        ),
        (
            "[]".to_owned(),
            "w:1:1: a web configuration is a list, not a map (write keys and values, each on a line of its own)".to_owned(),
        ),
        (
            "rate_limit: {}\nrate_limit: {}\n".to_owned(),
            "w:2:1: `rate_limit` is given twice, first in line 1 (keep one of them)".to_owned(),
        ),
        (
            "a: [".to_owned(),
            "w:1:4: this is not YAML: unclosed bracket '[' (look at the indentation and the quotes)".to_owned(),
        ),
        (
            "tls_server_config: {min_version: TLS12}\n".to_owned(),
            "w:1:20: tls_server_config has neither cert_file nor cert (a server needs a certificate and its key)\n\
             w:1:20: tls_server_config has neither key_file nor key (a server needs a certificate and its key)".to_owned(),
        ),
        (
            with("  client_ca_file: ca.pem\n"),
            "w:2:3: a client CA is given, but clients are not asked for a certificate (set client_auth_type: RequireAndVerifyClientCert)".to_owned(),
        ),
        (
            with("  client_auth_type: NoClientCert\n  client_ca: x\n"),
            "w:4:21: a client CA is given, but clients are not asked for a certificate (set client_auth_type: RequireAndVerifyClientCert)".to_owned(),
        ),
        (
            with("  client_auth_type: RequireAndVerifyClientCert\n"),
            "w:4:21: certificates of clients are to be verified, but by no CA (give client_ca_file)".to_owned(),
        ),
        (
            with("  client_auth_type: VerifyClientCertIfGiven\n"),
            "w:4:21: certificates of clients are to be verified, but by no CA (give client_ca_file)".to_owned(),
        ),
        (
            with("  client_auth_type: Verify\n"),
            "w:4:21: `Verify` is no client_auth_type (one of: NoClientCert, RequestClientCert, RequireAnyClientCert, RequireClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert)".to_owned(),
        ),
        (
            with("  client_auth_type: VerifyClientCertIfGiven\n  client_ca: x\n  client_allowed_sans: [a]\n"),
            "w:6:24: client_allowed_sans means nothing when a certificate may be missing or made by anybody (set client_auth_type: RequireAndVerifyClientCert)".to_owned(),
        ),
        (
            with("  client_auth_type: RequireAndVerifyClientCert\n  client_ca: x\n  client_allowed_sans: []\n"),
            "w:6:24: client_allowed_sans is empty: no client could connect (name some, or remove it)".to_owned(),
        ),
        (
            with("  min_version: TLS1.2\n"),
            "w:4:16: `TLS1.2` is no min_version (one of: TLS10, TLS11, TLS12, TLS13)".to_owned(),
        ),
        (
            with("  max_version: TLS11\n"),
            "w:4:16: TLS 1.0 and 1.1 are not served, and nothing newer is allowed (write max_version: TLS12 or TLS13)".to_owned(),
        ),
        (
            with("  min_version: TLS13\n  max_version: TLS12\n"),
            "w:5:16: max_version is below min_version: nobody could connect (write max_version: TLS13, or remove it)".to_owned(),
        ),
        (
            with("  cipher_suites:\n  - TLS_MAGIC\n  - {}\n  prefer_server_cipher_suites: perhaps\n"),
            format!(
                "w:6:5: an entry of cipher_suites is a map, not a text\n\
                 w:5:5: `TLS_MAGIC` is no cipher suite ({SUITES})\n\
                 w:7:32: prefer_server_cipher_suites is neither true nor false (write true or false)"
            ),
        ),
        (
            with("  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n"),
            "w:4:18: none of cipher_suites is served (remove it, to have the defaults)".to_owned(),
        ),
        (
            with("  curve_preferences: [CurveP521]\n"),
            "w:4:22: none of curve_preferences is served (remove it, to have the defaults)".to_owned(),
        ),
        (
            with("  curve_preferences: P256\n"),
            "w:4:22: curve_preferences is a text, not a list (write [a, b], or a line with `- ` for each)".to_owned(),
        ),
        (
            "http_server_config: {http2: maybe, headers: {Server: x, X-Frame-Options: allow, X-XSS-Protection: \"a\\nb\"}}".to_owned(),
            "w:1:29: http2 is neither true nor false (write true or false)\n\
             w:1:46: headers has no key `Server` (its keys: Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, Strict-Transport-Security)\n\
             w:1:74: `allow` is no X-Frame-Options (one of: deny, sameorigin)\n\
             w:1:99: X-XSS-Protection has characters that no header may have (keep to printable ASCII on one line)".to_owned(),
        ),
        (
            "basic_auth_users:\n  alice: hunter2\n  bob: $2x$04$abc\n  \"c:d\": x\n  eve: [x]\n  dan: $2y$10$cut\n  zoë: x\n".to_owned(),
            format!(
                "w:2:10: what is given for user `alice` is no bcrypt hash ({HINT})\n\
                 w:3:8: what is given for user `bob` is no bcrypt hash ({HINT})\n\
                 w:4:10: a user's name with a colon cannot log in (choose another name)\n\
                 w:5:8: what is given for user `eve` is no bcrypt hash ({HINT})\n\
                 w:6:8: what is given for user `dan` is a bcrypt hash that was cut or changed ({HINT})\n\
                 w:7:8: what is given for this user is no bcrypt hash ({HINT})"
            ),
        ),
        (
            "rate_limit: {interval: 10, burst: -1}".to_owned(),
            "w:1:35: burst is no whole number from 0 on (such as 20)\n\
             w:1:24: interval is no duration (such as 100ms, 1s or 1m30s; 0 for no limit)"
                .to_owned(),
        ),
        (
            "rate_limit: {interval: 10, burst: 1}".to_owned(),
            "w:1:24: interval is no duration (such as 100ms, 1s or 1m30s; 0 for no limit)".to_owned(),
        ),
        (
            "rate_limit: {interval: 1s}".to_owned(),
            "w:1:24: with no burst no request would ever be answered (write burst: 20, say)".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(&parse(&text).1.problems), expected, "{text}");
    }
}

#[test]
fn old_versions_are_raised_with_a_warning() {
    let (config, findings) = parse("tls_server_config: {cert: c, key: k, min_version: TLS10}");
    assert_eq!(
        shown(&findings.warnings),
        "w:1:51: TLS 1.0 and 1.1 are not served: TLS12 is the least (write min_version: TLS12)"
    );
    assert_eq!(config.tls.unwrap().min_version, names::Version::Tls12);
}

#[test]
fn secrets_are_in_no_message_and_no_debug_output() {
    let hash = hash();
    // A hash where a name belongs, a key where a file's name does, and the like.
    for text in [
        format!("basic_auth_users: {{\"{hash}\": alice, {hash}: x, a: \"{hash}x\", a: {hash}}}"),
        format!("\"{hash}\": 1\n"),
        format!("http_server_config: {{\"{hash}\": 1, headers: {{X-Frame-Options: \"{hash}\"}}}}"),
        format!("tls_server_config: {{key: [\"{hash}\"], client_auth_type: \"{hash}\"}}"),
        format!("basic_auth_users:\n  a: {hash}\n b: \"{hash}\n"),
        format!("basic_auth_users: \"{hash}\""),
        format!("tls_server_config: {{cert: c, key: \"{hash}\"}}\nbasic_auth_users: {{a: {hash}}}"),
        format!("basic_auth_users: !!int {hash}\n"),
    ] {
        let (config, findings) = parse(&text);
        let told = format!("{findings:?} {config:?}");
        assert!(!told.contains(&hash[7..]), "{told}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in r#"(tls_server_config|basic_auth_users|rate_limit|cert|key|client_allowed_sans|[-:{}\[\]"'|>&*!#, \n]|[a-z0-9$.]{0,3}){0,30}"#) {
        let _ = parse(&text);
    }

    #[test]
    fn nor_are_any_characters(text in "\\PC*") {
        let _ = parse(&text);
        let _ = parse(&format!("tls_server_config: {{cert: \"{text}\", key: {text}}}"));
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file as careful programs do.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(".new"), text).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    /// A certificate for a name, and its key.
    fn identity(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        self.put(&format!("{name}.crt"), &certificate.pem());
        self.put(&format!("{name}.key"), &key.serialize_pem());
    }

    fn mistakes(&self, text: &str) -> String {
        self.put("web.yml", text);
        let folder = format!("{}/", self.0.path().display());
        match check(&self.path("web.yml")) {
            Ok(warnings) => format!("ok\n{}", shown(&warnings)),
            Err(problems) => shown(&problems),
        }
        .replace(&folder, "")
    }

    fn open(&self) -> (Security, Arc<HttpStats>) {
        let stats = Arc::new(HttpStats::default());
        let security = Security::open(&self.path("web.yml"), Arc::clone(&stats)).unwrap();
        (security, stats)
    }
}

#[test]
fn certificates_and_keys_are_looked_at() {
    let folder = Folder::new();
    folder.identity("a");
    folder.identity("b");
    folder.put("empty.pem", "nothing\n");
    let whole = fs::read_to_string(folder.path("a.crt")).unwrap();
    folder.put("cut.pem", &whole[..whole.len() / 2]);
    folder.put(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    folder.put(
        "odd.key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    folder.put(
        "odd.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let mut expired = CertificateParams::new(vec!["old".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let key = KeyPair::generate().unwrap();
    folder.put("old.crt", &expired.self_signed(&key).unwrap().pem());
    folder.put("old.key", &key.serialize_pem());

    let tls = |certificate: &str, key: &str| {
        folder.mistakes(&format!(
            "tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\n"
        ))
    };
    assert_eq!(tls("a.crt", "a.key"), "ok\n");
    assert_eq!(
        tls("a.crt", "b.key"),
        "w:3:13: the key in b.key is not that of the certificate in a.crt (the server's own certificate must be the first in its file)"
    );
    assert_eq!(
        tls("none.crt", "none.key"),
        "w:2:14: cannot read none.crt: No such file or directory (os error 2) (relative paths begin at the folder of this file; tidegauge's user must be able to read it)\n\
         w:3:13: cannot read none.key: No such file or directory (os error 2) (relative paths begin at the folder of this file; tidegauge's user must be able to read it)"
    );
    assert_eq!(
        tls("empty.pem", "empty.pem"),
        "w:2:14: empty.pem holds no certificate (it is to be PEM, with -----BEGIN CERTIFICATE-----)\n\
         w:3:13: empty.pem holds no private key (it is to be PEM, with -----BEGIN PRIVATE KEY-----)"
    );
    assert_eq!(
        tls("cut.pem", "encrypted.key"),
        "w:2:14: cut.pem is broken PEM (was it written half, or cut?)\n\
         w:3:13: encrypted.key holds no private key (it is encrypted; nobody is there to type its password, so it must not be)"
    );
    assert_eq!(
        tls("a.crt", "odd.key"),
        "w:3:13: the key in odd.key cannot be used (RSA from 2048 bits, ECDSA P-256 or P-384, and Ed25519 can)"
    );
    assert!(
        tls("odd.crt", "a.key").starts_with("w:2:14: the certificate in odd.crt cannot be used: ")
    );
    assert_eq!(
        tls("old.crt", "old.key"),
        "ok\nw:2:14: the certificate in old.crt has expired (clients will refuse it)"
    );
    let client_ca = |ca: &str| {
        folder.mistakes(&format!(
            "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {ca}\n"
        ))
    };
    assert_eq!(client_ca("b.crt"), "ok\n");
    assert_eq!(
        client_ca("odd.crt"),
        "w:5:19: odd.crt holds no certificate of a CA that can be used"
    );
    assert_eq!(
        client_ca("empty.pem"),
        "w:5:19: empty.pem holds no certificate (it is to be PEM, with -----BEGIN CERTIFICATE-----)"
    );
    let suites = folder.mistakes(
        "tls_server_config: {cert_file: a.crt, key_file: a.key, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}",
    );
    assert!(
        suites.starts_with("w:1:32: no cipher suite is left for these versions of TLS: "),
        "{suites}"
    );
    // What is wrong with the text and what is wrong with the files is told at once.
    assert_eq!(
        folder
            .mistakes("tls_server_config: {cert_file: a.crt, key_file: b.key}\nrate_limits: {}\n"),
        "w:1:49: the key in b.key is not that of the certificate in a.crt (the server's own certificate must be the first in its file)\n\
         w:2:1: a web configuration has no key `rate_limits` (its keys: tls_server_config, http_server_config, basic_auth_users, rate_limit)"
    );
    folder.put("web.yml", "");
    fs::write(folder.path("web.yml"), b"\xff").unwrap();
    assert_eq!(
        shown(&check(&folder.path("web.yml")).unwrap_err()),
        "w: it is not UTF-8"
    );
    assert_eq!(
        shown(&check(&folder.path("no.yml")).unwrap_err()),
        "w: cannot be read: No such file or directory (os error 2) (check the name and its rights)"
    );
}

fn in_use(stats: &HttpStats) -> f64 {
    stats.families()[3].samples[0].value.as_f64()
}

#[test]
fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let folder = Folder::new();
    folder.identity("a");
    folder.identity("b");
    folder.put(
        "web.yml",
        "tls_server_config: {cert_file: now/tls.crt, key_file: now/tls.key}\n",
    );
    for name in ["a", "b"] {
        fs::create_dir(folder.path(&format!("..{name}"))).unwrap();
        for kind in ["crt", "key"] {
            fs::rename(
                folder.path(&format!("{name}.{kind}")),
                folder.path(&format!("..{name}/tls.{kind}")),
            )
            .unwrap();
        }
    }
    symlink("..a", folder.path("now")).unwrap();
    let (security, stats) = folder.open();
    let server = || {
        security
            .current()
            .tls
            .as_ref()
            .map(|tls| Arc::clone(&tls.server))
            .unwrap()
    };
    let first = server();
    assert!(Arc::ptr_eq(&first, &server()), "nothing changed");
    assert_eq!(in_use(&stats), 1.0);

    symlink("..b", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    let second = server();
    assert!(!Arc::ptr_eq(&first, &second), "the link was turned");
    assert_eq!(in_use(&stats), 1.0);

    fs::write(folder.path("..b/tls.key"), "half a k").unwrap();
    assert!(Arc::ptr_eq(&second, &server()), "the new one is broken");
    assert_eq!(in_use(&stats), 0.0);
    fs::remove_file(folder.path("..b/tls.key")).unwrap();
    assert!(Arc::ptr_eq(&second, &server()), "and now gone");
    assert_eq!(in_use(&stats), 0.0);

    symlink("..a", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    assert!(!Arc::ptr_eq(&second, &server()), "whole again");
    assert_eq!(in_use(&stats), 1.0);
}

#[test]
fn tls_is_not_switched_off_while_it_runs() {
    let folder = Folder::new();
    folder.identity("a");
    let tls = "tls_server_config: {cert_file: a.crt, key_file: a.key}\n";
    folder.put("web.yml", tls);
    let (security, stats) = folder.open();
    folder.put("web.yml", "");
    assert!(security.current().tls.is_some());
    assert_eq!(in_use(&stats), 0.0);
    folder.put("web.yml", tls);
    assert!(security.current().tls.is_some());
    assert_eq!(in_use(&stats), 1.0);

    folder.put("web.yml", "");
    let (security, stats) = folder.open();
    folder.put("web.yml", tls);
    assert!(security.current().tls.is_none());
    assert_eq!(in_use(&stats), 0.0);
    assert!(
        security
            .state()
            .complaint
            .as_ref()
            .unwrap()
            .contains("restart it")
    );
}

fn authorization(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value.parse().unwrap());
    headers
}

#[tokio::test]
async fn passwords_are_those_of_the_file_as_it_is_now() {
    let folder = Folder::new();
    folder.put(
        "web.yml",
        &format!("basic_auth_users: {{alice: {}}}", hash()),
    );
    let (security, _) = folder.open();
    // alice:secret and alice:new
    let (secret, new) = (
        authorization("Basic YWxpY2U6c2VjcmV0"),
        authorization("Basic YWxpY2U6bmV3"),
    );
    let ask = async |headers: &HeaderMap| security.admit(&security.current(), headers).await;
    assert_eq!(ask(&secret).await, Ok(true));
    assert_eq!(ask(&secret).await, Ok(true));
    assert_eq!(ask(&new).await, Err(Refusal::Unauthorized));
    assert_eq!(ask(&HeaderMap::new()).await, Err(Refusal::Unauthorized));
    assert_eq!(
        ask(&authorization("Bearer x")).await,
        Err(Refusal::Unauthorized)
    );

    let changed = bcrypt::hash("new", 4).unwrap();
    folder.put(
        "web.yml",
        &format!("basic_auth_users: {{alice: {changed}}}"),
    );
    assert_eq!(ask(&secret).await, Err(Refusal::Unauthorized));
    assert_eq!(ask(&new).await, Ok(true));

    folder.put("web.yml", "basic_auth_users: {alice: clear}");
    assert_eq!(ask(&new).await, Ok(true), "a broken file lets the same in");
    assert_eq!(ask(&HeaderMap::new()).await, Err(Refusal::Unauthorized));
    fs::remove_file(folder.path("web.yml")).unwrap();
    assert_eq!(ask(&HeaderMap::new()).await, Err(Refusal::Unauthorized));

    folder.put("web.yml", "");
    assert_eq!(ask(&HeaderMap::new()).await, Ok(false));
}

#[test]
fn a_touched_file_changes_nothing_and_a_changed_limit_fills_the_bucket() {
    let folder = Folder::new();
    let text = "rate_limit: {interval: 1h, burst: 1}\n";
    folder.put("web.yml", text);
    let (security, _) = folder.open();
    let first = security.current();
    let now = Duration::from_secs(1);
    assert_eq!(security.take_token(now), Ok(()));
    assert_eq!(security.take_token(now), Err(Duration::from_secs(3600)));
    folder.put("web.yml", text);
    assert!(Arc::ptr_eq(&first, &security.current()));
    // Another setting changes: the bucket stays as empty as it was.
    folder.put(
        "web.yml",
        &format!("{text}http_server_config: {{http2: false}}\n"),
    );
    assert!(!Arc::ptr_eq(&first, &security.current()));
    assert_eq!(security.take_token(now), Err(Duration::from_secs(3600)));
    folder.put("web.yml", "rate_limit: {interval: 1h, burst: 2}\n");
    security.current();
    assert_eq!(security.take_token(now), Ok(()));
}

#[test]
fn only_whom_the_ca_signed_and_who_has_a_name_is_taken() {
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection};

    let folder = Folder::new();
    folder.identity("server");
    let ca = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (right, wrong) = (ca("right"), ca("wrong"));
    folder.put("ca.pem", &right.pem());
    let client = |ca: &CertifiedIssuer<'_, KeyPair>, name: &str, until: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, ca).unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], der)
    };
    // Whether a handshake succeeds, in memory.
    let shake = |auth: &str, identity: Option<(Vec<_>, PrivateKeyDer<'static>)>| {
        folder.put(
            "web.yml",
            &format!("tls_server_config: {{cert_file: server.crt, key_file: server.key, {auth}}}"),
        );
        let (security, _) = folder.open();
        let tls = security.current().tls.clone().unwrap();
        let mut roots = RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        roots
            .add(
                rustls::pki_types::CertificateDer::from_pem_file(folder.path("server.crt"))
                    .unwrap(),
            )
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        };
        let name = ServerName::try_from("server").unwrap();
        let mut client: Connection = ClientConnection::new(Arc::new(config), name)
            .unwrap()
            .into();
        let mut server: Connection = ServerConnection::new(tls.server).unwrap().into();
        let pass = |from: &mut Connection, to: &mut Connection| {
            let mut bytes = Vec::new();
            while from.wants_write() {
                from.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                to.read_tls(&mut rest).unwrap();
                to.process_new_packets()?;
            }
            Ok::<_, rustls::Error>(())
        };
        for _ in 0..4 {
            if pass(&mut client, &mut server).is_err() || pass(&mut server, &mut client).is_err() {
                return false;
            }
        }
        !client.is_handshaking() && !server.is_handshaking()
    };
    let verify = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem";
    let named = format!("{verify}, client_allowed_sans: [p.example, 10.0.0.7]");
    let given = "client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem";
    let any = "client_auth_type: RequireAnyClientCert";
    let request = "client_auth_type: RequestClientCert";
    let cases = [
        (verify, [true, true, false, false, false]),
        (&named, [true, false, false, false, false]),
        (given, [true, true, false, false, true]),
        (any, [true, true, true, true, false]),
        (request, [true, true, true, true, true]),
        ("client_auth_type: NoClientCert", [true; 5]),
    ];
    for (auth, expected) in cases {
        let found = [
            shake(auth, Some(client(&right, "p.example", 4000))),
            shake(auth, Some(client(&right, "q.example", 4000))),
            shake(auth, Some(client(&wrong, "p.example", 4000))),
            shake(auth, Some(client(&right, "p.example", 2001))),
            shake(auth, None),
        ];
        assert_eq!(found, expected, "{auth}");
    }
}
