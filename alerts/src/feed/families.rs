//! The feeds about themselves.

use std::collections::BTreeMap;

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use super::status::{Shared, TargetHealth, Totals};

static TARGETS: FamilySpec = FamilySpec::gauge(
    "tidegauge_feed_targets",
    "Targets of the feeds by what their last scrape said of them.",
    &["job", "health"],
);
static SCRAPES: FamilySpec = FamilySpec::counter(
    "tidegauge_feed_scrapes_total",
    "Scrapes of targets, failed ones included.",
    &["job"],
);
static FAILURES: FamilySpec = FamilySpec::counter(
    "tidegauge_feed_scrape_failures_total",
    "Scrapes that failed; the log and the targets' last errors say why.",
    &["job"],
);
static REFUSED: FamilySpec = FamilySpec::counter(
    "tidegauge_feed_refused_samples_total",
    "Samples of good scrapes that were not taken in: out of order, repeated, too far ahead in time, or no room for them.",
    &["job", "reason"],
);

/// All of them, for the generated documentation.
pub static FAMILIES: &[&FamilySpec] = &[&TARGETS, &SCRAPES, &FAILURES, &REFUSED];

/// What the targets amount to, by job.
pub(super) fn families<'a>(targets: impl Iterator<Item = &'a Shared>) -> Vec<Family> {
    let mut jobs: BTreeMap<&str, (Totals, [u64; 3])> = BTreeMap::new();
    for target in targets {
        let (sum, healths) = jobs.entry(&target.target.pool).or_default();
        let state = target.state();
        let of = state.totals;
        sum.scrapes += of.scrapes;
        sum.failures += of.failures;
        sum.out_of_order += of.out_of_order;
        sum.duplicate += of.duplicate;
        sum.out_of_bounds += of.out_of_bounds;
        sum.over_limit += of.over_limit;
        healths[match state.health {
            TargetHealth::Up => 0,
            TargetHealth::Down => 1,
            TargetHealth::Unknown => 2,
        }] += 1;
    }
    let [mut targets, mut scrapes, mut failures, mut refused] =
        [&TARGETS, &SCRAPES, &FAILURES, &REFUSED].map(Family::new);
    for (job, (sum, healths)) in jobs {
        let labels = Labels::new(&[("job", job)]);
        for (health, number) in ["up", "down", "unknown"].into_iter().zip(healths) {
            targets.push(&labels.with("health", health), number);
        }
        scrapes.push(&labels, sum.scrapes);
        failures.push(&labels, sum.failures);
        for (reason, number) in [
            ("out_of_order", sum.out_of_order),
            ("duplicate", sum.duplicate),
            ("too_far_ahead", sum.out_of_bounds),
            ("no_room", sum.over_limit),
        ] {
            refused.push(&labels.with("reason", reason), number);
        }
    }
    vec![targets, scrapes, failures, refused]
}
