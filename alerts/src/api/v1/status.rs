//! `status/…`: what program this is and how it runs.

use tidegauge_model::units::format_duration;
use tidegauge_promql::Timestamp;

use super::Api;
use super::reply::Reply;
use super::{json, number};

/// The version of Prometheus whose API this is. Grafana and others decide by it what they may ask for.
const SPEAKS: &str = "3.5.0";

impl Api {
    /// `status/buildinfo`. Our own version is the revision, which nothing decides by.
    pub(super) fn build_info(&self) -> Reply {
        let revision = format!("tidegauge {}", self.sources.status.version());
        Reply::of(|out| {
            let fields = [
                ("version", SPEAKS),
                ("revision", &revision),
                ("branch", ""),
                ("buildUser", ""),
                ("buildDate", ""),
                ("goVersion", ""),
            ];
            for (index, (key, value)) in fields.into_iter().enumerate() {
                let before = if index == 0 { '{' } else { ',' };
                json::raw(&format!("{before}\"{key}\":"), out);
                json::text(value, out);
            }
            out.push(b'}');
        })
    }

    /// `status/config`: what is in use, in Prometheus's words.
    pub(super) fn config(&self) -> Reply {
        let shown = self.sources.status.config();
        Reply::of(|out| {
            json::raw("{\"yaml\":", out);
            json::text(&shown, out);
            out.push(b'}');
        })
    }

    /// `status/flags`.
    pub(super) fn flags(&self) -> Reply {
        let flags = self.sources.status.flags();
        Reply::of(|out| {
            out.push(b'{');
            for (index, (flag, value)) in flags.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::text(flag, out);
                out.push(b':');
                json::text(value, out);
            }
            out.push(b'}');
        })
    }

    /// `status/runtimeinfo`. What is Go's own is 0 or empty.
    pub(super) fn runtime_info(&self) -> Reply {
        let runtime = self.sources.status.runtime();
        let now = self.clock.now();
        Reply::of(|out| {
            let time = |key: &str, time: Option<Timestamp>, out: &mut Vec<u8>| {
                json::raw(&format!(",\"{key}\":"), out);
                number::instant(time, out);
            };
            json::raw("{\"startTime\":", out);
            number::instant(runtime.started, out);
            json::raw(",\"CWD\":", out);
            json::text(&runtime.folder, out);
            json::raw(",\"hostname\":", out);
            json::text(&runtime.hostname, out);
            time("serverTime", Some(now), out);
            json::raw(
                &format!(",\"reloadConfigSuccess\":{}", runtime.reload_succeeded),
                out,
            );
            time("lastConfigTime", runtime.configured, out);
            for (key, number) in [
                ("corruptionCount", runtime.corruptions),
                ("goroutineCount", runtime.threads),
                ("GOMAXPROCS", runtime.processors),
                ("GOMEMLIMIT", 0),
            ] {
                json::raw(&format!(",\"{key}\":{number}"), out);
            }
            json::raw(",\"GOGC\":\"\",\"GODEBUG\":\"\",\"storageRetention\":", out);
            json::text(&format_duration(runtime.retention), out);
            out.push(b'}');
        })
    }
}
