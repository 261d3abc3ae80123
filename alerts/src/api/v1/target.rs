//! `targets`, `scrape_pools` and `metadata`: what is scraped.

use std::collections::{BTreeMap, BTreeSet};

use tidegauge_model::units::format_duration;

use super::Api;
use super::error::ApiError;
use super::parameter::Parameters;
use super::reply::Reply;
use super::view::{Health, Metadata, Target};
use super::{json, number};

impl Api {
    /// `targets`. None is ever dropped here, since there is no relabelling.
    pub(super) fn targets(&self, parameters: &Parameters) -> Reply {
        let pool = parameters.get("scrapePool");
        let state = parameters.get("state").to_lowercase();
        let shows = |which: &str| ["", "any", which].contains(&state.as_str());
        let mut targets = if shows("active") {
            self.sources.targets.targets()
        } else {
            Vec::new()
        };
        targets.retain(|target| pool.is_empty() || target.scrape_pool == pool);
        targets.sort_by(|a, b| a.scrape_pool.cmp(&b.scrape_pool));
        let pools: BTreeSet<_> = if shows("dropped") {
            self.pools()
        } else {
            BTreeSet::new()
        };
        Reply::of(|out| {
            json::raw("{\"activeTargets\":", out);
            json::list(&targets, out, write_target);
            json::raw(",\"droppedTargets\":[],\"droppedTargetCounts\":", out);
            if shows("dropped") {
                out.push(b'{');
                for (index, pool) in pools.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    json::text(pool, out);
                    json::raw(":0", out);
                }
                out.push(b'}');
            } else {
                json::raw("null", out);
            }
            out.push(b'}');
        })
    }

    /// `scrape_pools`.
    pub(super) fn scrape_pools(&self) -> Reply {
        let pools = self.pools();
        Reply::of(|out| {
            json::raw("{\"scrapePools\":", out);
            json::list(&pools, out, |pool, out| json::text(pool, out));
            out.push(b'}');
        })
    }

    fn pools(&self) -> BTreeSet<String> {
        let targets = self.sources.targets.targets();
        targets
            .into_iter()
            .map(|target| target.scrape_pool)
            .collect()
    }

    /// `metadata`: of each metric what targets say of it, each once.
    pub(super) fn metadata(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let number = |name: &str| match parameters.get(name) {
            "" => Ok(-1),
            text => text
                .parse::<i64>()
                .map_err(|_| ApiError::bad_data(format!("{name} must be a number"))),
        };
        let most = usize::try_from(number("limit")?).unwrap_or(usize::MAX);
        let of_each = usize::try_from(number("limit_per_metric")?)
            .ok()
            .filter(|most| *most > 0)
            .unwrap_or(usize::MAX);
        let metric = parameters.get("metric");
        let mut metrics: BTreeMap<String, BTreeSet<Metadata>> = BTreeMap::new();
        for one in self.sources.targets.metadata() {
            if !metric.is_empty() && one.metric != metric {
                continue;
            }
            let said = metrics.entry(one.metric.clone()).or_default();
            if said.len() < of_each {
                said.insert(one);
            }
        }
        Ok(Reply::of(|out| {
            out.push(b'{');
            for (index, (metric, said)) in metrics.iter().take(most).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::text(metric, out);
                out.push(b':');
                json::list(said, out, write_metadata);
            }
            out.push(b'}');
        }))
    }
}

fn write_metadata(metadata: &Metadata, out: &mut Vec<u8>) {
    json::raw("{\"type\":", out);
    json::text(&metadata.kind, out);
    json::raw(",\"unit\":", out);
    json::text(&metadata.unit, out);
    json::raw(",\"help\":", out);
    json::text(&metadata.help, out);
    out.push(b'}');
}

fn write_target(target: &Target, out: &mut Vec<u8>) {
    json::raw("{\"discoveredLabels\":", out);
    json::labels(&target.discovered_labels, out);
    json::raw(",\"labels\":", out);
    json::labels(&target.labels, out);
    for (key, text) in [
        ("scrapePool", &target.scrape_pool),
        ("scrapeUrl", &target.scrape_url),
        ("globalUrl", &target.global_url),
        ("lastError", &target.last_error),
    ] {
        json::raw(&format!(",\"{key}\":"), out);
        json::text(text, out);
    }
    json::raw(",\"lastScrape\":", out);
    number::instant(target.last_scrape, out);
    json::raw(",\"lastScrapeDuration\":", out);
    number::number(target.last_scrape_duration.as_secs_f64(), out);
    let health = match target.health {
        Health::Unknown => "unknown",
        Health::Good => "up",
        Health::Bad => "down",
    };
    json::raw(",\"health\":", out);
    json::text(health, out);
    for (key, duration) in [
        ("scrapeInterval", target.scrape_interval),
        ("scrapeTimeout", target.scrape_timeout),
    ] {
        json::raw(&format!(",\"{key}\":"), out);
        json::text(&format_duration(duration), out);
    }
    out.push(b'}');
}
