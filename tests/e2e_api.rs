//! The sidecar's HTTP API beside a real Prometheus that has the same samples and rules, as Grafana and
//! promtool ask it.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod api;

use api::{Pair, SAMPLES_BEGIN, SAMPLES_END, form};
use serde_json::Value;
use tidegauge_rig::{Authority, Scratch, Which, needs, post_form, promtool};

/// Queries that both must answer alike. Those without an order are compared without it.
const INSTANT: &[&str] = &[
    "test_gauge",
    "test_gauge{job=\"a\"}",
    "{__name__=~\"test_(gauge|total)\",job!=\"a\"}",
    "sum by (job) (rate(test_total[5m]))",
    "rate(test_total[5m]) * 60",
    "test_gauge[3m]",
    "test_special",
    "1e30",
    "-0",
    "time()",
    "\"te<x>t\"",
    "NaN",
    "vector(1/0)",
    "-vector(1/0)",
    "test_gauge / 3",
    "test_gauge * 1e-9",
    "test_gauge * 1e25",
    "absent(test_nothing)",
    "test_nothing",
    "rate(test_gauge[5m])",
    "quantile(2, test_gauge)",
    "histogram_quantile(0.9, rate(test_seconds_bucket[5m]))",
    "predict_linear(test_gauge[10m], 3600)",
    "max_over_time(rate(test_total[2m])[10m:1m])",
    "test_gauge offset 5m",
    "label_replace(test_gauge, \"x\", \"<$1>\", \"job\", \"(.*)\")",
    "{\"test.dotted name\"}",
    "test_gauge and on(job) test_gauge{job=\"a\"}",
    "count({__name__=~\"test_.+\"})",
];

/// Requests of other kinds, and wrong ones; `{b}` and `{e}` are the first and the last time of samples.
const REQUESTS: &[&str] = &[
    "labels?match[]={__name__=~\"test_.%2B\"}",
    "labels?match[]=test_gauge&match[]=test_seconds_bucket",
    "labels?match[]={__name__=~\"test_.%2B\"}&limit=2",
    "labels?match[]={}",
    "labels?match[]=test_gauge[5m]",
    "labels?start=x",
    "label/__name__/values?match[]={__name__=~\"test_.%2B\"}",
    "label/job/values?match[]=test_gauge",
    "label/job/values?match[]=test_gauge&match[]=test_total&limit=1",
    "label/U__a_2e_b/values",
    "label/a.b/values",
    "label/le/values?match[]=test_seconds_bucket&start={b}&end={e}",
    "label/nothing/values",
    "label/job/values?limit=-1",
    "label/job/values?limit=x",
    "label/job/values?start=2015-13-01T00:00:00Z",
    "series?match[]=test_gauge&start={b}&end={e}",
    "series?match[]=test_gauge&match[]=test_total{job=\"a\"}&start={b}&end={e}",
    "series?match[]=test_gauge&limit=2&start={b}&end={e}",
    "series?match[]=test_gauge&start=0&end=1",
    "series",
    "series?match[]={job=~\".*\"}",
    "series?match[]=test_gauge&end=10&start=x",
    "query?query=test_gauge&limit=1&time={e}",
    "query?query=test_gauge&limit=0&time={e}",
    "query?query=test_gauge&time={e}&lookback_delta=1s",
    "query?query=test_gauge&time={e}&lookback_delta=nonsense",
    "query?query=test_gauge&time=never",
    "query?query=test_gauge&time={e}&limit=-5",
    "query?query=test_gauge&time={e}&timeout=x",
    "query?query=test_gauge{&time={e}",
    "query?query=&time={e}",
    "query?query=rate(test_gauge)&time={e}",
    "query?query=test_gauge%2Bon(job)test_total&time={e}",
    "query?query=test_gauge*ignoring(i)test_gauge&time={e}",
    "query?query=label_replace(test_gauge,\"job\",\"x\",\"\",\"\")&time={e}",
    "query_range?query=test_gauge&start={b}&end={e}&step=60",
    "query_range?query=test_gauge&start={b}&end={e}&step=1m30s&limit=1",
    "query_range?query=rate(test_total[2m])&start={b}&end={e}&step=47.5",
    "query_range?query=1.5&start={b}&end={e}&step=5m",
    "query_range?query=test_special&start={b}&end={e}&step=1m",
    "query_range?query=test_nothing&start={b}&end={e}&step=1m",
    "query_range?query=test_gauge&start={b}&end={e}&step=0",
    "query_range?query=test_gauge&start={b}&end={e}&step=-1",
    "query_range?query=test_gauge&start={b}&end={e}&step=x",
    "query_range?query=test_gauge&start={b}&end={e}",
    "query_range?query=test_gauge&start={e}&end={b}&step=1m",
    "query_range?query=test_gauge&start={b}&step=1m",
    "query_range?query=test_gauge&start={b}&end={e}&step=0.05",
    "query_range?query=test_gauge[5m]&start={b}&end={e}&step=1m",
    "query_range?query=\"x\"&start={b}&end={e}&step=1m",
    "query_range?query=test_gauge&start={b}&end={e}&step=1e300",
    "query_exemplars?query=test_gauge&start={b}&end={e}",
    "query_exemplars?query=test_gauge&start={e}&end={b}",
    "format_query?query=sum(test_gauge)by(job)",
    "format_query?query=sum(",
    "metadata?metric=test_nothing",
    "metadata?metric=go_goroutines",
    "metadata?metric=go_goroutines&limit=1&limit_per_metric=1",
    "metadata?limit=0",
    "targets",
    "targets?state=active",
    "targets?state=ANY&scrapePool=prometheus",
    "targets?state=none",
    "scrape_pools",
    "metadata?limit=x",
    "metadata?limit_per_metric=x",
    "targets?state=dropped&scrapePool=none",
    "targets?scrapePool=none&state=active",
    "rules",
    "rules?type=alert",
    "rules?type=record",
    "rules?type=nothing",
    "rules?rule_name[]=Fires",
    "rules?rule_group[]=first&rule_group[]=second",
    "rules?rule_group[]=none",
    "rules?file[]=none",
    "rules?match[]={severity=\"page\"}",
    "rules?match[]={}",
    "rules?exclude_alerts=true",
    "rules?exclude_alerts=perhaps",
    "rules?group_limit=1",
    "rules?group_limit=0",
    "rules?group_limit=x",
    "rules?group_limit=99999999999",
    "rules?group_next_token=x",
    "rules?group_limit=1&group_next_token=x",
    "alerts",
    "nothing",
    "label/job",
    "status/nothing",
];

#[test]
fn the_same_answers_as_prometheus() {
    needs!("prometheus3");
    let pair = Pair::start();
    let mut wrong = String::new();
    let mut instants: Vec<String> = Vec::new();
    for time in [SAMPLES_END, SAMPLES_END - 90_500] {
        let time = pair.seconds(time);
        instants.extend(
            INSTANT
                .iter()
                .map(|query| format!("query?{}", form(&[("query", query), ("time", &time)]))),
        );
    }
    let requests = REQUESTS.iter().map(|request| {
        request
            .replace("{b}", &pair.seconds(SAMPLES_BEGIN))
            .replace("{e}", &pair.seconds(SAMPLES_END))
            .replace('"', "%22")
            .replace(' ', "%20")
    });
    let mut count = 0;
    for request in instants.into_iter().chain(requests) {
        count += 1;
        let [theirs, ours] = pair.get(&format!("/api/v1/{request}"));
        if theirs != ours {
            wrong += &format!("=== {request}\nPrometheus: {theirs:#}\nours: {ours:#}\n");
        }
        // What may be sent as a form has the same answer.
        if let Some((path, query)) = request.split_once('?')
            && ["query", "query_range", "series", "labels", "format_query"].contains(&path)
        {
            let posted = pair.post_to_us(&format!("/api/v1/{path}"), query);
            if posted != ours {
                wrong += &format!("=== POST {request}\nGET: {ours:#}\nPOST: {posted:#}\n");
            }
        }
    }
    assert!(count > 100);
    assert!(wrong.is_empty(), "{wrong}");
}

/// The bytes, not only what they say.
#[test]
fn answers_are_the_same_to_the_byte() {
    needs!("prometheus3");
    let pair = Pair::start();
    let (begin, end) = (pair.seconds(SAMPLES_BEGIN), pair.seconds(SAMPLES_END));
    for request in [
        format!("query?query=test_gauge{{i=\"1\",job=\"a\"}}&time={end}"),
        format!("query?query=test_special{{job=\"nan\"}}&time={end}"),
        format!("query?query=test_gauge{{i=\"1\",job=\"a\"}}/3e9&time={end}"),
        format!("query?query=1e30&time={end}"),
        format!("query?query=%22%3C%26%3E%22&time={end}"),
        format!("query?query=test_gauge{{i=\"1\",job=\"a\"}}[2m]&time={end}"),
        format!(
            "query_range?query=test_gauge{{i=\"1\",job=\"a\"}}&start={begin}&end={end}&step=60"
        ),
        format!("query?query=test_gauge&time={end}&limit=x"),
        "labels?match[]=test_gauge".to_owned(),
        "label/job/values?match[]=test_gauge".to_owned(),
        format!("series?match[]=test_gauge{{i=\"1\",job=\"a\"}}&start={begin}&end={end}"),
        "series".to_owned(),
        "query_range?start=x".to_owned(),
        format!("query_exemplars?query=test_gauge&start={begin}&end={end}"),
    ] {
        let path = format!("/api/v1/{}", request.replace('"', "%22"));
        let [theirs, ours] = pair.raw(&path);
        assert_eq!(theirs.status, ours.status, "{path}");
        assert_eq!(theirs.text(), ours.text(), "{path}");
        let kind = "content-type";
        assert_eq!(theirs.header(kind), ours.header(kind), "{path}");
    }
    // Of others times and addresses differ, but not the fields and their order.
    for path in [
        "rules",
        "alerts",
        "targets",
        "status/buildinfo",
        "status/runtimeinfo",
        "status/config",
    ] {
        let [theirs, ours] = pair.raw(&format!("/api/v1/{path}"));
        assert_eq!(fields(theirs.text()), fields(ours.text()), "{path}");
    }
}

/// The names of fields, in their order.
fn fields(json: &str) -> Vec<&str> {
    let quoted: Vec<_> = json.split('"').collect();
    let pairs = quoted.iter().zip(quoted.iter().skip(1));
    pairs
        .filter(|(_, after)| after.starts_with(':'))
        .map(|(name, _)| *name)
        .collect()
}

/// What Grafana's Prometheus data source asks for when it is saved and tested, in Explore's query builder, for
/// a panel, for variables and on the page of alert rules (packages/grafana-prometheus/src: `datasource.ts`,
/// `language_provider.ts`, `resource_clients.ts`; public/app/features/alerting/unified/api).
#[test]
fn grafana_gets_what_it_asks_for() {
    needs!("prometheus3");
    let pair = Pair::start();
    let (begin, end) = (pair.seconds(SAMPLES_BEGIN), pair.seconds(SAMPLES_END));
    let range = [("start", begin.as_str()), ("end", end.as_str())];
    let with = |more: &[(&'static str, &'static str)]| form(&[&range, more].concat());
    let posts: Vec<(&str, String)> = vec![
        ("query", form(&[("query", "1+1"), ("time", &end)])),
        (
            "query",
            form(&[("query", "test_gauge"), ("time", &end), ("limit", "40000")]),
        ),
        (
            "query_range",
            with(&[("query", "rate(test_total[1m0s])"), ("step", "15")]),
        ),
        ("query_exemplars", with(&[("query", "test_gauge")])),
        ("labels", with(&[("limit", "40000")])),
        ("labels", with(&[("match[]", "test_gauge")])),
        (
            "series",
            with(&[("match[]", "test_gauge"), ("limit", "40000")]),
        ),
    ];
    for (path, form) in posts {
        let answer = pair.post_to_us(&format!("/api/v1/{path}"), &form);
        assert_eq!(answer["code"], 200, "{path} {form}: {answer:#}");
    }
    let gets = [
        "status/buildinfo".to_owned(),
        format!("label/__name__/values?{}", with(&[("limit", "40000")])),
        format!("label/job/values?{}", with(&[("match[]", "test_gauge")])),
        format!(
            "labels?{}",
            with(&[("match[]", "{__name__=\"test_gauge\"}")])
        ),
        "metadata?limit=5000".to_owned(),
        "metadata?limit_per_metric=1".to_owned(),
        "rules".to_owned(),
        "rules?type=alert&exclude_alerts=true".to_owned(),
        "alerts".to_owned(),
        "status/flags".to_owned(),
        "status/config".to_owned(),
        "status/tsdb".to_owned(),
        "status/runtimeinfo".to_owned(),
        "targets".to_owned(),
        "scrape_pools".to_owned(),
    ];
    for path in gets {
        let path = format!("/api/v1/{path}");
        let [theirs, ours] = pair.raw(&path);
        assert_eq!((theirs.status, ours.status), (200, 200), "{path}");
        let [theirs, ours] = [theirs, ours].map(|answer| json(&answer.body));
        // Of the same fields, though of other things.
        let fields = |answer: &Value| {
            answer["data"]
                .as_object()
                .map(|o| o.keys().cloned().collect::<Vec<_>>())
        };
        if !["metadata", "flags"].iter().any(|word| path.contains(word)) {
            assert_eq!(fields(&theirs), fields(&ours), "{path}");
        }
    }
    let version = pair.get("/api/v1/status/buildinfo")[1]["data"]["version"].clone();
    assert_eq!(version, "3.5.0");
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn promtool_prints_the_same_of_both() {
    needs!("prometheus3");
    let pair = Pair::start();
    let (begin, end) = (pair.seconds(SAMPLES_BEGIN), pair.seconds(SAMPLES_END));
    let (time, start, end) = (
        format!("--time={end}"),
        format!("--start={begin}"),
        format!("--end={end}"),
    );
    let cases: [&[&str]; 7] = [
        &["instant", "URL", "sort(test_gauge)", &time],
        &["instant", "URL", "1+", &time],
        &["instant", "URL", "vector(1e-9)", &time],
        &[
            "range",
            "URL",
            "test_gauge{i=\"1\"}",
            &start,
            &end,
            "--step=60s",
        ],
        &[
            "series",
            "URL",
            "--match=test_gauge{job=\"a\"}",
            &start,
            &end,
        ],
        &["labels", "URL", "job", "--match=test_gauge", &start, &end],
        &["labels", "URL", "a.b", &start, &end],
    ];
    for case in cases {
        let [theirs, ours] = pair.addresses().map(|address| {
            let url = format!("http://{address}");
            let arguments: Vec<_> = std::iter::once("query")
                .chain(
                    case.iter()
                        .map(|arg| if *arg == "URL" { url.as_str() } else { arg }),
                )
                .collect();
            let said = promtool(Which::V3, &arguments, "");
            let mut lines: Vec<_> = said.stdout.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            (said.code, lines)
        });
        assert_eq!(theirs, ours, "{case:?}");
    }
}

/// `tidegauge query` beside `promtool query`, of the same server.
#[test]
fn our_own_command_prints_as_promtool() {
    needs!("prometheus3");
    let us = api::Ours::start(1_800_000_000_000);
    let url = format!("http://{}", us.address());
    let (start, end) = ("1800000000", "1800001500.5");
    for query in [
        "sort(test_gauge)",
        "test_special",
        "{\"test.dotted name\"}",
        "(-1e-9)",
        "test_gauge[1m]",
        "test_nothing",
        "1 +",
        "test_gauge + on(job) test_total",
    ] {
        let time = format!("--time={end}");
        let theirs = promtool(Which::V3, &["query", "instant", &url, query, &time], "");
        let ours = tidegauge(&["query", "--url", &url, query, &time]);
        assert_eq!((theirs.code, theirs.stdout), (ours.0, ours.1), "{query}");
    }
    for query in ["test_gauge", "vector(1)", "test_nothing", "\"text\""] {
        let (start, end) = (format!("--start={start}"), format!("--end={end}"));
        for step in [Some("--step=60s"), None] {
            let arguments = ["query", "range", &url, query, &start, &end];
            let arguments = [&arguments, step.as_slice()].concat();
            let theirs = promtool(Which::V3, &arguments, "");
            let arguments = ["query", "--url", &url, query, &start, &end];
            let ours = tidegauge(&[&arguments, step.as_slice()].concat());
            assert_eq!((theirs.code, theirs.stdout), (ours.0, ours.1), "{query}");
        }
    }
    // Which promtool does not know.
    let text = tidegauge(&["query", "--url", &url, "\"te<x>t\""]);
    assert_eq!((text.0, text.1.as_str()), (Some(0), "te<x>t\n"));
    let json = tidegauge(&["query", "--url", &url, "1", "--time=7", "--output=json"]);
    let expected = "{\"resultType\":\"scalar\",\"result\":[7,\"1\"]}\n";
    assert_eq!((json.0, json.1.as_str()), (Some(0), expected));
    let info = tidegauge(&[
        "query",
        "--url",
        &url,
        "rate(test_gauge[5m])",
        "--time=1800000900",
    ]);
    assert!(
        info.2
            .contains("info: PromQL info: metric might not be a counter"),
        "{}",
        info.2
    );
    drop(us);
    let gone = tidegauge(&["query", "--url", &url, "1"]);
    assert!(
        gone.0 == Some(1) && gone.2.contains("is the sidecar running"),
        "{gone:?}"
    );
    for wrong in [
        &["query"][..],
        &["query", "1", "--url=ftp://x"],
        &["query", "1", "--url=http://user:secret@x"],
        &["query", "1", "--time=noon"],
        &["query", "1", "--start=2", "--end=1"],
        &["query", "1", "--start=2", "--time=1"],
        &["query", "1", "--user=x"],
    ] {
        assert_eq!(tidegauge(wrong).0, Some(2), "{wrong:?}");
    }
}

#[test]
fn queries_over_tls_with_a_password() {
    needs!("openssl");
    let scratch = Scratch::new("api");
    let authority = Authority::new(&scratch, "ca");
    let identity = authority.issue("server", "DNS:localhost,IP:127.0.0.1", 1);
    // Of `secret`, made by libxcrypt.
    let hash = "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u";
    let web_config = format!(
        "tls_server_config: {{cert_file: {}, key_file: {}}}\nbasic_auth_users: {{alice: {hash}}}\n",
        identity.certificate.display(),
        identity.key.display(),
    );
    let web_config = scratch.file("web.yml", &web_config);
    let us = api::Ours::start_secured(0, Some(&web_config));
    let url = format!("--url=https://{}", us.address());
    let certificate = authority.certificate();
    let trust = format!("--ca-file={}", certificate.display());
    let password = |text: &str| {
        let file = scratch.file(text, &format!("{text}\n"));
        format!("--password-file={}", file.display())
    };
    let (right, wrong) = (password("secret"), password("wrong"));
    let asked = tidegauge(&[
        "query",
        "1",
        "--time=7",
        &url,
        &trust,
        "--user=alice",
        &right,
    ]);
    assert_eq!(
        (asked.0, asked.1.as_str()),
        (Some(0), "scalar: 1 @[7]\n"),
        "{asked:?}"
    );
    for (arguments, why) in [
        (&["--user=alice", &wrong, &trust][..], "status 401"),
        (&[&trust], "status 401"),
        (&["--user=alice", &right], "invalid peer certificate"),
    ] {
        let refused = tidegauge(&[&["query", "1", &url], arguments].concat());
        assert!(
            refused.0 == Some(1) && refused.2.contains(why),
            "{refused:?}"
        );
    }
}

/// Exit code, standard output and standard error of the program.
fn tidegauge(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn forms_too_long_and_of_other_kinds() {
    let us = api::Ours::start(0);
    let long = format!("query=1&x={}", "y".repeat(2 << 20));
    let refused = post_form(us.address(), "/api/v1/query", &long).unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(json(&refused.body)["errorType"], "bad_data");
    let deleted =
        us.ask("DELETE /api/v1/series HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(deleted.starts_with("HTTP/1.1 405 "), "{deleted}");
    let options = us.ask("OPTIONS /api/v1/query HTTP/1.1\r\nHost: localhost\r\nOrigin: http://example.org\r\nConnection: close\r\n\r\n");
    assert!(options.starts_with("HTTP/1.1 204 "), "{options}");
    assert!(
        !options.to_lowercase().contains("access-control"),
        "{options}"
    );
    let rebound = us.ask(
        "GET /api/v1/labels HTTP/1.1\r\nHost: rebound.example.org\r\nConnection: close\r\n\r\n",
    );
    assert!(rebound.starts_with("HTTP/1.1 421 "), "{rebound}");
    for (path, status) in [
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/metrics", 200),
        ("/x", 404),
    ] {
        let answer = tidegauge_rig::get(us.address(), path, &[]).unwrap();
        assert_eq!(answer.status, status, "{path}");
    }
}
