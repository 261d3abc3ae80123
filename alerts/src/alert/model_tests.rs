//! The alerts of a rule against a model that is as plain as can be, through hits, misses, outages of what feeds them,
//! restarts with the database, power cuts in the midst, and clocks that jump.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegauge_promql::{Labels, Timestamp};

use super::active::{Active, Hit, Terms};
use super::database::{Database, RuleKey, Saved};
use super::state::State;

#[derive(Clone, Debug)]
enum Event {
    /// After so many seconds an answer with these alerts, while these are cut off from what feeds them.
    Answer(i64, BTreeSet<usize>, BTreeSet<usize>),
    /// After so many seconds, an error instead of an answer.
    Error(i64),
    /// The program is killed and is back after so many seconds.
    Restart(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let some = || proptest::collection::btree_set(0..3usize, 0..4);
    let seconds = prop_oneof![8 => 15..16i64, 2 => 1..2_000i64, 1 => 0..1i64];
    let event = prop_oneof![
        12 => (seconds.clone(), some(), Just(BTreeSet::new())).prop_map(|(s, a, b)| Event::Answer(s, a, b)),
        4 => (seconds.clone(), some(), some()).prop_map(|(s, a, b)| Event::Answer(s, a, b)),
        1 => seconds.clone().prop_map(Event::Error),
        1 => (0..5_000i64).prop_map(Event::Restart),
    ];
    proptest::collection::vec(event, 1..60)
}

fn terms() -> impl Strategy<Value = Terms> {
    let seconds = || prop_oneof![Just(0i64), Just(30), Just(300)];
    (
        seconds(),
        seconds(),
        prop_oneof![4 => Just(0usize), 1 => Just(2)],
    )
        .prop_map(|(hold, keep_firing, limit)| Terms {
            hold: hold * 1_000,
            keep_firing: keep_firing * 1_000,
            limit,
            grace: 30_000,
        })
}

#[derive(Clone, Debug, PartialEq)]
struct Model {
    state: State,
    since: Timestamp,
    fired: Option<Timestamp>,
    keep: Option<Timestamp>,
    resolved: Option<Timestamp>,
    held: Option<Timestamp>,
}

fn after(old: Option<Model>, at: Timestamp, hit: bool, down: bool, terms: Terms) -> Option<Model> {
    if hit {
        let mut model = old.filter(|m| m.state != State::Inactive).unwrap_or(Model {
            state: State::Pending,
            since: at,
            fired: None,
            keep: None,
            resolved: None,
            held: None,
        });
        model.keep = None;
        model.held = None;
        if model.state == State::Pending && at - model.since >= terms.hold {
            model.state = State::Firing;
            model.fired = Some(at);
        }
        return Some(model);
    }
    let mut model = old?;
    if let Some(resolved) = model.resolved {
        return (at - resolved <= 900_000).then_some(model);
    }
    if down {
        model.held = Some(at + terms.grace);
        return Some(model);
    }
    if model.held.is_some_and(|until| at < until) {
        return Some(model);
    }
    if model.state == State::Pending {
        return None;
    }
    model.held = None;
    let since = model.keep.unwrap_or(at);
    if at - since < terms.keep_firing {
        model.keep = Some(since);
    } else {
        model.state = State::Inactive;
        model.resolved = Some(at);
    }
    Some(model)
}

fn label(index: usize) -> Labels {
    Labels::new([("alertname", "A".to_owned()), ("n", index.to_string())])
}

fn seen(active: &Active, index: usize) -> Option<Model> {
    active.get(&label(index)).map(|alert| Model {
        state: alert.state,
        since: alert.active_at,
        fired: alert.fired_at,
        keep: alert.keep_firing_since,
        resolved: alert.resolved_at,
        held: alert.held_until,
    })
}

fn rule() -> RuleKey {
    RuleKey {
        file: "a.yml".into(),
        group: "g".into(),
        name: "A".into(),
        labels: Labels::empty(),
        number: 0,
    }
}

fn save(database: &Database, active: &mut Active, now: Timestamp) {
    let rule = rule();
    let changes: Vec<Saved<'_>> = active
        .unsaved()
        .map(|(labels, alert)| Saved {
            rule: &rule,
            labels,
            alert,
        })
        .collect();
    database.save(&changes, active.is_urgent(), now).unwrap();
    active.saved();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn as_the_model(events in events(), terms in terms()) {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(folder.path(), 0);
        let mut active = Active::default();
        let mut models: BTreeMap<usize, Model> = BTreeMap::new();
        let mut now = 1_000_000;
        for event in events {
            match event {
                Event::Answer(seconds, hits, down) => {
                    now += seconds * 1_000;
                    let next: BTreeMap<usize, Model> = (0..3)
                        .filter_map(|index| {
                            let old = models.get(&index).cloned();
                            let model = after(old, now, hits.contains(&index), down.contains(&index), terms);
                            Some((index, model?))
                        })
                        .collect();
                    let count = next.values().filter(|m| m.state != State::Inactive).count();
                    // An alert of `keep_firing_for` 0 that ends does not count.
                    let over = terms.limit > 0 && count > terms.limit;
                    let answer: Vec<Hit> = hits
                        .iter()
                        .map(|&index| Hit {
                            labels: label(index),
                            annotations: BTreeMap::from([("at".to_owned(), now.to_string())]),
                            value: 1.0,
                        })
                        .collect();
                    let is_down = |labels: &Labels| {
                        labels.get("n").parse().is_ok_and(|n: usize| down.contains(&n))
                    };
                    let stepped = active.step(now, answer, terms, &is_down);
                    prop_assert_eq!(stepped.is_err(), over);
                    if !over {
                        models = next;
                    }
                    save(&database, &mut active, now);
                }
                Event::Error(seconds) => now += seconds * 1_000,
                Event::Restart(seconds) => {
                    now += seconds * 1_000;
                    drop(database);
                    database = Database::open(folder.path(), now);
                    active = Active::default();
                    for (key, alert) in database.load() {
                        prop_assert_eq!(&key, &rule());
                        active.insert(alert);
                    }
                    active.hold_all(now + terms.grace);
                    for model in models.values_mut() {
                        model.held = (model.state != State::Inactive).then_some(now + terms.grace);
                    }
                }
            }
            for index in 0..3 {
                prop_assert_eq!(seen(&active, index), models.get(&index).cloned());
            }
        }
    }

    /// Whatever the clock does, what holds all the time fires and goes on firing, and what ended ends within the
    /// longest of the terms of evaluations with a clock that goes on.
    #[test]
    fn clocks_that_jump(jumps in proptest::collection::vec(-10_000_000i64..10_000_000, 1..20), terms in terms()) {
        let terms = Terms { limit: 0, ..terms };
        let mut active = Active::default();
        let mut now = 1_000_000_000;
        let hit = || vec![Hit { labels: label(0), annotations: BTreeMap::new(), value: 1.0 }];
        for step in 0..40 {
            now += 15_000;
            active.step(now, hit(), terms, &|_| false).unwrap();
            prop_assert!(active.state() == State::Firing || step * 15_000 < terms.hold);
        }
        for jump in jumps {
            now += jump;
            active.step(now, hit(), terms, &|_| false).unwrap();
            prop_assert_eq!(active.state(), State::Firing);
            let alert = active.get(&label(0)).unwrap();
            prop_assert!(alert.active_at <= now && alert.fired_at.unwrap() <= now);
        }
        for _ in 0..100 {
            now += 15_000;
            active.step(now, vec![], terms, &|_| false).unwrap();
        }
        prop_assert_eq!(active.state(), State::Inactive);
    }
}
