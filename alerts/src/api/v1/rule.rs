//! `rules` and `alerts`.

use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tidegauge_promql::{Labels, Matcher};

use super::Api;
use super::error::{ApiError, quoted};
use super::parameter::{Parameters, parse_int};
use super::reply::Reply;
use super::view::{Alert, AlertState, Health, Rule, RuleGroup, RuleKind};
use super::{json, number, selector};

/// Which rules are wanted. Empty lists are for all.
#[derive(Default)]
struct Wanted {
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    sets: Vec<Vec<Matcher>>,
    alerting: bool,
    recording: bool,
    without_alerts: bool,
    page: Option<Page>,
}

/// A part of the groups.
struct Page {
    most: usize,
    /// Of the group that it begins with; empty for the first one.
    token: String,
}

impl Wanted {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let all = |name: &str| parameters.all(name).map(str::to_owned).collect();
        let sets = selector::parse_all(parameters.all("match[]")).map_err(ApiError::bad_data)?;
        let kind = parameters.get("type").to_lowercase();
        if !["", "alert", "record"].contains(&kind.as_str()) {
            let why = format!("not supported value {}", quoted(&kind));
            return Err(ApiError::parameter("type", why));
        }
        Ok(Self {
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            sets,
            alerting: kind != "record",
            recording: kind != "alert",
            without_alerts: without_alerts(parameters)?,
            page: Page::read(parameters)?,
        })
    }

    fn is_group(&self, group: &RuleGroup) -> bool {
        among(&self.groups, &group.name) && among(&self.files, &group.file)
    }

    fn is_rule(&self, rule: &Rule) -> bool {
        let of_kind = match rule.kind {
            RuleKind::Alerting { .. } => self.alerting,
            RuleKind::Recording => self.recording,
        };
        let matches = |set: &Vec<Matcher>| rule.labels.matches(set);
        of_kind
            && among(&self.names, &rule.name)
            && (self.sets.is_empty() || self.sets.iter().any(matches))
    }
}

fn among(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == name)
}

fn without_alerts(parameters: &Parameters) -> Result<bool, ApiError> {
    match parameters.get("exclude_alerts").to_lowercase().as_str() {
        "" | "0" | "f" | "false" => Ok(false),
        "1" | "t" | "true" => Ok(true),
        other => Err(ApiError::parameter(
            "exclude_alerts",
            format!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {}: invalid syntax",
                quoted(other)
            ),
        )),
    }
}

impl Page {
    fn read(parameters: &Parameters) -> Result<Option<Self>, ApiError> {
        let token = parameters.get("group_next_token");
        let most = parameters.get("group_limit");
        if most.is_empty() {
            if token.is_empty() {
                return Ok(None);
            }
            let why = "group_limit needs to be present in order to paginate over the groups";
            return Err(ApiError::parameter("group_next_token", why));
        }
        let number = parse_int(most, "ParseInt")
            .and_then(|number| {
                i32::try_from(number).map_err(|_| {
                    let text = quoted(most);
                    format!("strconv.ParseInt: parsing {text}: value out of range")
                })
            })
            .map_err(|why| {
                let why = format!("group_limit needs to be a valid number: {why}");
                ApiError::parameter("group_limit", why)
            })?;
        match usize::try_from(number) {
            Ok(most) if most > 0 => Ok(Some(Self {
                most,
                token: token.to_owned(),
            })),
            _ => Err(ApiError::parameter(
                "group_limit",
                "group_limit needs to be greater than 0",
            )),
        }
    }
}

/// By what a client names the group with which its next page begins.
fn token_of(group: &RuleGroup) -> String {
    let text = format!("{};{}", group.file, group.name);
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Api {
    /// `rules`.
    pub(super) fn rules(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let wanted = Wanted::read(parameters)?;
        let mut groups = self.groups();
        if let Some(Page { token, .. }) = wanted.page.as_ref().filter(|page| !page.token.is_empty())
        {
            let first = groups.iter().position(|group| token_of(group) == *token);
            let first = first.ok_or_else(|| {
                let why = format!("invalid group_next_token '{token}'. were rule groups changed?");
                ApiError::parameter("group_next_token", why)
            })?;
            groups.drain(..first);
        }
        groups.retain_mut(|group| {
            let wants = wanted.is_group(group);
            group.rules.retain(|rule| wants && wanted.is_rule(rule));
            !group.rules.is_empty()
        });
        let most = wanted.page.as_ref().map_or(usize::MAX, |page| page.most);
        let next = groups.get(most).map(token_of);
        groups.truncate(most);
        Ok(Reply::of(|out| {
            json::raw("{\"groups\":", out);
            json::list(&groups, out, |group, out| {
                write_group(group, wanted.without_alerts, out);
            });
            if let Some(next) = next {
                json::raw(",\"groupNextToken\":", out);
                json::text(&next, out);
            }
            out.push(b'}');
        }))
    }

    /// `alerts`.
    pub(super) fn alerts(&self) -> Reply {
        let groups = self.groups();
        let alerts = groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter_map(|rule| match &rule.kind {
                RuleKind::Alerting { alerts, .. } => Some(alerts),
                RuleKind::Recording => None,
            })
            .flatten();
        Reply::of(|out| {
            json::raw("{\"alerts\":", out);
            json::list(alerts, out, write_alert);
            out.push(b'}');
        })
    }

    /// In Prometheus's order: by file, then by name.
    fn groups(&self) -> Vec<RuleGroup> {
        let mut groups = self.sources.rules.groups();
        groups.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
        groups
    }
}

fn write_group(group: &RuleGroup, without_alerts: bool, out: &mut Vec<u8>) {
    json::raw("{\"name\":", out);
    json::text(&group.name, out);
    json::raw(",\"file\":", out);
    json::text(&group.file, out);
    json::raw(",\"rules\":", out);
    json::list(&group.rules, out, |rule, out| {
        write_rule(rule, without_alerts, out);
    });
    json::raw(",\"interval\":", out);
    duration(group.interval, out);
    json::raw(&format!(",\"limit\":{}", group.limit), out);
    json::raw(",\"evaluationTime\":", out);
    duration(group.evaluation_time, out);
    json::raw(",\"lastEvaluation\":", out);
    number::instant(group.last_evaluation, out);
    out.push(b'}');
}

fn write_rule(rule: &Rule, without_alerts: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let kind = match &rule.kind {
        RuleKind::Recording => {
            name_and_query(rule, out);
            if !rule.labels.is_empty() {
                labels("labels", &rule.labels, out);
            }
            "recording"
        }
        RuleKind::Alerting {
            hold,
            keep_firing,
            annotations,
            alerts,
        } => {
            let state = alerts.iter().map(|alert| alert.state).max();
            json::raw("\"state\":", out);
            json::text(state_name(state.unwrap_or(AlertState::Inactive)), out);
            out.push(b',');
            name_and_query(rule, out);
            json::raw(",\"duration\":", out);
            duration(*hold, out);
            json::raw(",\"keepFiringFor\":", out);
            duration(*keep_firing, out);
            labels("labels", &rule.labels, out);
            labels("annotations", annotations, out);
            json::raw(",\"alerts\":", out);
            if without_alerts {
                json::raw("null", out);
            } else {
                json::list(alerts, out, write_alert);
            }
            "alerting"
        }
    };
    json::raw(",\"health\":", out);
    let health = match rule.health {
        Health::Unknown => "unknown",
        Health::Good => "ok",
        Health::Bad => "err",
    };
    json::text(health, out);
    if !rule.last_error.is_empty() {
        json::raw(",\"lastError\":", out);
        json::text(&rule.last_error, out);
    }
    json::raw(",\"evaluationTime\":", out);
    duration(rule.evaluation_time, out);
    json::raw(",\"lastEvaluation\":", out);
    number::instant(rule.last_evaluation, out);
    json::raw(",\"type\":", out);
    json::text(kind, out);
    out.push(b'}');
}

fn name_and_query(rule: &Rule, out: &mut Vec<u8>) {
    json::raw("\"name\":", out);
    json::text(&rule.name, out);
    json::raw(",\"query\":", out);
    json::text(&rule.query, out);
}

fn labels(key: &str, set: &Labels, out: &mut Vec<u8>) {
    json::raw(&format!(",\"{key}\":"), out);
    json::labels(set, out);
}

fn write_alert(alert: &Alert, out: &mut Vec<u8>) {
    json::raw("{\"labels\":", out);
    json::labels(&alert.labels, out);
    labels("annotations", &alert.annotations, out);
    json::raw(",\"state\":", out);
    json::text(state_name(alert.state), out);
    json::raw(",\"activeAt\":", out);
    number::instant(Some(alert.active_at), out);
    if alert.keep_firing_since.is_some() {
        json::raw(",\"keepFiringSince\":", out);
        number::instant(alert.keep_firing_since, out);
    }
    json::raw(",\"value\":\"", out);
    number::exponential(alert.value, out);
    json::raw("\"}", out);
}

fn state_name(state: AlertState) -> &'static str {
    match state {
        AlertState::Inactive => "inactive",
        AlertState::Pending => "pending",
        AlertState::Firing => "firing",
    }
}

/// In seconds.
fn duration(duration: Duration, out: &mut Vec<u8>) {
    number::number(duration.as_secs_f64(), out);
}
