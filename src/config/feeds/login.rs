//! Checks how a feed proves who asks.

use serde_saphyr::Spanned;
use tidegauge_alerts::feed::{Login, Secret};

use super::Findings;
use super::raw::{RawAuthorization, RawBasicAuth, RawFeed, RawSecret};
use crate::config::problem::Problem;
use crate::config::raw::Text;
use crate::config::tiers::absolute;

/// What is sent. What is wrong is added to the findings.
pub fn check(raw: &RawFeed, findings: &mut Findings<'_>) -> Login {
    match (&raw.basic_auth, &raw.authorization) {
        (None, None) => Login::None,
        (Some(basic), None) => basic_auth(basic, findings),
        (None, Some(token)) => authorization(token, findings),
        (Some(_), Some(token)) => {
            findings.problems.push(Problem::at(
                token,
                "basic_auth and authorization exclude each other",
                "one header can be sent",
            ));
            Login::None
        }
    }
}

fn basic_auth(place: &Spanned<RawBasicAuth>, findings: &mut Findings<'_>) -> Login {
    let raw = &place.value;
    let name = raw.username.as_ref().map_or("", |text| &text.value.0);
    if name.contains(':') {
        findings.problems.push(Problem::at(
            place,
            "no user name has a colon",
            "it ends the name in what is sent",
        ));
    }
    let password = secret(
        place,
        ["password", "password_file"],
        (&raw.password, &raw.password_file),
        findings,
    );
    Login::Basic {
        name: name.to_owned(),
        // As in Prometheus.
        password: password.unwrap_or(Secret::Inline(String::new())),
    }
}

fn authorization(place: &Spanned<RawAuthorization>, findings: &mut Findings<'_>) -> Login {
    let raw = &place.value;
    let kind = raw.kind.as_ref().map_or("Bearer", |text| &text.value.0);
    if kind.eq_ignore_ascii_case("basic") {
        findings.problems.push(Problem::at(
            place,
            "`authorization` is not for basic authentication",
            "write basic_auth",
        ));
    }
    let token = secret(
        place,
        ["credentials", "credentials_file"],
        (&raw.credentials, &raw.credentials_file),
        findings,
    );
    let Some(token) = token else {
        findings.problems.push(Problem::at(
            place,
            "there is nothing to send",
            "name a file as credentials_file",
        ));
        return Login::None;
    };
    Login::Token {
        kind: kind.to_owned(),
        token,
    }
}

fn secret<T>(
    place: &Spanned<T>,
    keys: [&str; 2],
    given: (&Option<Spanned<RawSecret>>, &Option<Text>),
    findings: &mut Findings<'_>,
) -> Option<Secret> {
    let [inline, in_file] = keys;
    match given {
        (Some(_), Some(_)) => {
            findings.problems.push(Problem::at(
                place,
                format!("{inline} and {in_file} exclude each other"),
                format!("keep {in_file}"),
            ));
            None
        }
        (Some(secret), None) => {
            findings.warnings.push(Problem::at(
                secret,
                format!("{inline} is in the configuration itself, for all who may read it"),
                format!("put it into a file of its own and name that as {in_file}"),
            ));
            Some(Secret::Inline(secret.value.0.clone()))
        }
        (None, Some(path)) => findings.take(absolute(path)).map(Secret::File),
        (None, None) => None,
    }
}
