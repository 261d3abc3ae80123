//! The exporter about itself: its build, its process, its collectors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge_model::metric::{Family, FamilySpec, Labels, Value};

use super::worker::Outcome;
use crate::device::process::{ProcessFiles, boot_time, max_descriptors, open_descriptors};

static BUILD: FamilySpec =
    FamilySpec::info("tidegauge_build_info", "The running program.", &["version"]);
static SUCCESS: FamilySpec = FamilySpec::gauge(
    "tidegauge_collector_success",
    "Whether the collector's last run succeeded.",
    &["collector"],
);
static DURATION: FamilySpec = FamilySpec::gauge(
    "tidegauge_collector_duration_seconds",
    "How long the collector's last run took.",
    &["collector"],
);
static LAST_SUCCESS: FamilySpec = FamilySpec::gauge(
    "tidegauge_collector_last_success_timestamp_seconds",
    "When the collector last succeeded.",
    &["collector"],
);
static INTERVAL: FamilySpec = FamilySpec::gauge(
    "tidegauge_collector_interval_seconds",
    "How long the collector waits between two runs; absent for one that runs at each scrape.",
    &["collector"],
);
static CPU: FamilySpec = FamilySpec::counter(
    "process_cpu_seconds_total",
    "User and system CPU time of the process.",
    &[],
);
static RESIDENT: FamilySpec = FamilySpec::gauge(
    "process_resident_memory_bytes",
    "Resident memory of the process.",
    &[],
);
static VIRTUAL: FamilySpec = FamilySpec::gauge(
    "process_virtual_memory_bytes",
    "Virtual memory of the process.",
    &[],
);
static THREADS: FamilySpec = FamilySpec::gauge("process_threads", "Threads of the process.", &[]);
static START: FamilySpec = FamilySpec::gauge(
    "process_start_time_seconds",
    "When the process started.",
    &[],
);
static OPEN_FDS: FamilySpec = FamilySpec::gauge(
    "process_open_fds",
    "Open file descriptors of the process.",
    &[],
);
static MAX_FDS: FamilySpec = FamilySpec::gauge(
    "process_max_fds",
    "How many file descriptors the process may open.",
    &[],
);

/// What every snapshot carries, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &[
    &BUILD,
    &SUCCESS,
    &DURATION,
    &LAST_SUCCESS,
    &INTERVAL,
    &CPU,
    &RESIDENT,
    &VIRTUAL,
    &THREADS,
    &START,
    &OPEN_FDS,
    &MAX_FDS,
];

/// Reads the exporter itself.
pub struct SelfMetrics {
    build: Family,
    files: ProcessFiles,
    boot: Option<u64>,
}

impl SelfMetrics {
    /// `version` is the program's.
    pub fn new(version: &str) -> Self {
        let mut build = Family::new(&BUILD);
        build.push(&Labels::new(&[("version", version)]), true);
        Self {
            build,
            files: ProcessFiles::default(),
            boot: boot_time(),
        }
    }

    /// All families, with each collector's name, how often it runs if on a timer, and what is known of it.
    pub fn families<'a>(
        &mut self,
        collectors: impl Iterator<Item = (&'static str, Option<Duration>, &'a Outcome)>,
    ) -> Vec<Family> {
        let (mut success, mut duration, mut last, mut intervals) = (
            Family::new(&SUCCESS),
            Family::new(&DURATION),
            Family::new(&LAST_SUCCESS),
            Family::new(&INTERVAL),
        );
        for (name, interval, outcome) in collectors {
            let labels = Labels::new(&[("collector", name)]);
            // One on a timer that has not run yet has neither failed nor succeeded. One that runs at each scrape was
            // waited for.
            if outcome.ended.is_some() || interval.is_none() {
                success.push(&labels, outcome.success);
            }
            if outcome.ended.is_some() {
                duration.push(&labels, outcome.took.as_secs_f64());
            }
            if let Some(time) = outcome.last_success.and_then(unix_seconds) {
                last.push(&labels, time);
            }
            if let Some(interval) = interval {
                intervals.push(&labels, interval.as_secs_f64());
            }
        }
        let mut families = vec![self.build.clone(), success, duration, last, intervals];
        families.extend(self.process());
        families
    }

    fn process(&mut self) -> Vec<Family> {
        let mut families = Vec::new();
        let mut add = |spec, value: Option<Value>| {
            if let Some(value) = value {
                let mut family = Family::new(spec);
                family.push(&Labels::none(), value);
                families.push(family);
            }
        };
        // Without /proc/self there is nothing to say of the process; the rest goes on.
        let used = self.files.read().ok().flatten();
        add(&CPU, used.map(|u| Value::F64(u.cpu.as_secs_f64())));
        add(&RESIDENT, used.map(|u| Value::U64(u.resident)));
        add(&VIRTUAL, used.map(|u| Value::U64(u.virtual_size)));
        add(&THREADS, used.map(|u| Value::U64(u.threads)));
        let ticks = rustix::param::clock_ticks_per_second();
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 need 31 bits"
        )]
        add(
            &START,
            used.zip(self.boot)
                .map(|(u, boot)| Value::F64(boot as f64 + u.start_ticks as f64 / ticks as f64)),
        );
        add(&OPEN_FDS, open_descriptors().map(Value::U64));
        add(&MAX_FDS, max_descriptors().map(Value::U64));
        families
    }
}

fn unix_seconds(time: SystemTime) -> Option<f64> {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .map(|d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_answered_a_scrape_did_not_succeed() {
        let never = Outcome::default();
        let timer = Some(Duration::from_secs(300));
        let collectors = [("at_scrape", None, &never), ("on_timer", timer, &never)];
        let families = SelfMetrics::new("1").families(collectors.into_iter());
        let success = families.iter().find(|f| f.spec.name == SUCCESS.name);
        let samples: Vec<_> = success
            .unwrap()
            .samples
            .iter()
            .map(|s| (s.labels.rendered().to_owned(), s.value.as_f64()))
            .collect();
        assert_eq!(samples, [("collector=\"at_scrape\"".to_owned(), 0.0)]);
    }
}
