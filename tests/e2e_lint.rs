//! `check metrics` says what promtool says, and ends as it should.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tidegauge_model::exposition::{Format, lint};
use tidegauge_rig::{Scratch, Which, needs, promtool};

#[path = "fixtures/lint/table.rs"]
mod table;

fn cases() -> Vec<table::Case> {
    table::cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lint"))
}

#[test]
fn promtool_says_what_the_table_has_and_we_say_it_too() {
    needs!("prometheus3");
    let mut wrong = String::new();
    for case in cases() {
        let said = promtool(Which::V3, &["check", "metrics"], &case.text);
        let lines: Vec<&str> = said.stderr.lines().collect();
        let same = said.code == Some(case.exit) && (case.exit == 2 || lines == case.promtool);
        let findings = lint(case.text.as_bytes(), Format::Text004);
        let ours: BTreeSet<String> = findings
            .iter()
            .map(|finding| format!("{} {}", finding.metric, finding.problem))
            .collect();
        let agreed = match said.code {
            Some(0) => findings.is_empty() || case.ours.is_some(),
            // Its findings are among ours, word for word; more than those only where the table says so.
            Some(3) => {
                lines.iter().all(|&line| ours.contains(line))
                    && (case.ours.is_some()
                        || ours.iter().all(|line| lines.contains(&line.as_str())))
            }
            _ => !findings.is_empty(),
        };
        if !(same && agreed) {
            wrong += &format!(
                "=== {}\npromtool: {said:#?}\nours: {findings:#?}\n",
                case.name
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Runs `tidegauge check metrics` with this on its standard input.
fn check(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args(["check", "metrics"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut pipe = child.stdin.take().expect("it is piped");
    // One that does not read it closes it.
    let _broken_pipe = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().expect("it ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn standard_input_and_exit_codes() {
    let clean = check(&[], "# HELP a_bytes x\n# TYPE a_bytes gauge\na_bytes 1\n");
    assert_eq!(
        (clean.status.code(), stdout(&clean).as_str()),
        (Some(0), "<stdin>: ok\n")
    );
    let found = check(&[], "a 1\na x\n");
    assert_eq!(found.status.code(), Some(1));
    assert_eq!(
        stdout(&found),
        "<stdin>:1: a: no help text (say in one sentence what it counts: # HELP name text)\n\
         <stdin>:2: column 3: found \"x\", expected a value: a decimal number, NaN, +Inf or -Inf \
         (a sample is 'name{label=\"value\"} 1', after it a timestamp if any)\n"
    );
}

#[test]
fn the_format_is_guessed_or_forced() {
    let text = "# HELP a x\n# TYPE a counter\na_total 1\n# EOF\n";
    assert_eq!(check(&[], text).status.code(), Some(0));
    assert_eq!(
        check(&["--format", "openmetrics"], text).status.code(),
        Some(0)
    );
    let forced = check(&["--format=text"], text);
    assert_eq!(forced.status.code(), Some(1));
    assert!(
        stdout(&forced).contains("a_total: no help text"),
        "{forced:?}"
    );
    let cut = check(&["--format=openmetrics"], text.trim_end_matches("# EOF\n"));
    assert!(
        stdout(&cut).starts_with("<stdin>:3: column 1: found the end of the text"),
        "{cut:?}"
    );
    assert_eq!(check(&["--format=json"], text).status.code(), Some(2));
}

#[test]
fn several_files_of_which_one_is_not_there() {
    let scratch = Scratch::new("lint");
    let file = |name: &str, text: &str| {
        let path = scratch.file(name, text);
        path.to_str().expect("UTF-8").to_owned()
    };
    let good = file("good.prom", "# HELP a x\n# TYPE a gauge\na 1\n");
    let bad = file("bad.prom", "# HELP a x\n# TYPE a gauge\na 1\na 2\n");
    let both = check(&[&good, &bad], "");
    assert_eq!(both.status.code(), Some(1));
    assert_eq!(
        stdout(&both),
        format!(
            "{good}: ok\n{bad}:4: a: metric not unique \
             (the same name and labels are there already: one of them is lost)\n"
        )
    );
    let missing = check(&[&bad, "no-such-file"], "");
    assert_eq!(
        (missing.status.code(), stdout(&missing).as_str()),
        (Some(2), "")
    );
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        said.contains("cannot read no-such-file: No such file"),
        "{said}"
    );
}
