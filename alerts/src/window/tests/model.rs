//! Against a list of samples.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Some series get a value, at now or off it by so much.
    Append(Vec<(usize, f64, i64)>),
    Advance(i64),
    Maintain,
    /// Killed, with or without what waits being written before.
    Restart {
        written: bool,
    },
    Demand(usize, i64),
    Read(Index, i64, i64),
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (0i32..3).prop_map(f64::from),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => (0u32..1_000_000).prop_map(|v| f64::from(v) / 1_000.0),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let off = prop_oneof![5 => Just(0i64), 1 => -20 * SECOND..20 * SECOND];
    let append = proptest::collection::vec((0usize..6, value(), off), 1..8);
    prop_oneof![
        8 => append.prop_map(Step::Append),
        8 => prop_oneof![Just(15 * SECOND), 1..5 * MINUTE].prop_map(Step::Advance),
        2 => Just(Step::Maintain),
        1 => any::<bool>().prop_map(|written| Step::Restart { written }),
        1 => (0usize..6, 0i64..3 * HOUR).prop_map(|(series, keep)| Step::Demand(series, keep)),
        3 => (any::<Index>(), -HOUR..0, 0..HOUR).prop_map(|(i, from, long)| Step::Read(i, from, from + long)),
    ]
}

struct Pair<'a> {
    folder: &'a Path,
    clock: Arc<TestClock>,
    window: Window,
    /// All that was ever taken in.
    model: Content,
    /// As of the last time that it was written.
    written: Content,
    demands: BTreeMap<usize, i64>,
    /// The least that each series was ever kept.
    least: i64,
}

const RETENTION: i64 = 10 * MINUTE;

impl Pair<'_> {
    fn demands(&self) -> Vec<Demand> {
        self.demands
            .iter()
            .map(|(series, keep)| Demand {
                matchers: vec![Matcher::new(MatchOp::Equal, "number", &series.to_string())],
                keep: Duration::from_millis(*keep as u64),
            })
            .collect()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append(samples) => {
                let now = self.clock.now();
                let batch: Vec<(Labels, Sample)> = samples
                    .into_iter()
                    .map(|(series, value, off)| {
                        let time = now + off;
                        (labels("m", series), Sample { time, value })
                    })
                    .collect();
                let appended = self.window.append(&batch);
                let mut expected = Appended::default();
                for (labels, sample) in batch {
                    let list = self.model.entry(labels).or_default();
                    let bits = sample.value.to_bits();
                    match list.last() {
                        Some(last) if last.0 > sample.time => expected.out_of_order += 1,
                        Some(last) if last.0 == sample.time && last.1 != bits => {
                            expected.duplicate += 1;
                        }
                        Some(last) if last.0 == sample.time => expected.added += 1,
                        _ => {
                            list.push((sample.time, bits));
                            expected.added += 1;
                        }
                    }
                }
                assert_eq!(appended, expected);
            }
            Step::Advance(by) => _ = self.clock.advance(by),
            Step::Maintain => {
                self.window.maintain();
                self.written = self.model.clone();
            }
            Step::Restart { written } => {
                if written {
                    self.window.maintain();
                    self.written = self.model.clone();
                }
                let elsewhere = Window::in_memory(roomy(0), vec![], self.clock.clone());
                drop(std::mem::replace(&mut self.window, elsewhere));
                let (window, restored) = Window::open(
                    self.folder,
                    roomy(RETENTION),
                    self.demands(),
                    self.clock.clone(),
                );
                assert_eq!(restored.problems, Vec::<String>::new());
                self.window = window;
                self.model = self.written.clone();
            }
            Step::Demand(series, keep) => {
                self.demands.insert(series, keep);
                self.window.set_demands(self.demands());
            }
            Step::Read(index, from, to) => {
                let now = self.clock.now();
                let (from, to) = (now + from, now + to);
                let found = self.window.select(&named("m"), from, to).unwrap();
                if found.is_empty() {
                    return;
                }
                let series = index.get(&found);
                let mut read = Samples::default();
                series.read(from, to, &mut read);
                let read: Vec<_> = read.iter().map(|s| (s.time, s.value.to_bits())).collect();
                let held = &content(&self.window)[series.labels()];
                let wanted = held.iter().filter(|s| (from..=to).contains(&s.0));
                let wanted: Vec<_> = wanted.copied().collect();
                assert_eq!(read, wanted);
                let last = series.last(from, to);
                assert_eq!(
                    last.map(|s| (s.time, s.value.to_bits())),
                    wanted.last().copied()
                );
            }
        }
    }

    /// What is held is the newest of what was taken in, and all that is young enough.
    fn check(&mut self) {
        let now = self.clock.now();
        let held = content(&self.window);
        for (labels, all) in &self.model {
            let held = held.get(labels).map_or(&[][..], Vec::as_slice);
            assert!(
                all.ends_with(held),
                "{labels}: {held:?} is no end of {all:?}"
            );
            let young = all.iter().filter(|s| s.0 > now - self.least).count();
            assert!(held.len() >= young, "{labels} lost samples");
        }
        check_weight(&self.window);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_was_appended_is_there(steps in proptest::collection::vec(step(), 1..150)) {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let (window, _) = Window::open(folder.path(), roomy(RETENTION), vec![], clock.clone());
        let mut pair = Pair {
            folder: folder.path(),
            clock,
            window,
            model: Content::new(),
            written: Content::new(),
            demands: BTreeMap::new(),
            least: RETENTION,
        };
        for step in steps {
            pair.run(step);
            pair.check();
        }
    }
}

/// A demand keeps what nobody else wants.
#[test]
fn kept_as_long_as_demanded() {
    let clock = TestClock::new();
    let demand = Demand {
        matchers: named("wanted"),
        keep: Duration::from_secs(6 * 3_600),
    };
    let window = Window::in_memory(roomy(0), vec![demand], clock.clone());
    for index in 0..8 * 60 * 4 {
        let now = clock.advance(15 * SECOND);
        let sample = Sample {
            time: now,
            value: f64::from(index),
        };
        let batch = [(labels("wanted", 0), sample), (labels("other", 0), sample)];
        assert_eq!(window.append(&batch).added, 2);
        window.maintain();
    }
    let held = content(&window);
    let wanted = held[&labels("wanted", 0)].len();
    assert!((6 * 240..6 * 240 + 130).contains(&wanted), "{wanted}");
    let other = held[&labels("other", 0)].len();
    assert!((24..60).contains(&other), "{other}");

    // The series ends, and is forgotten when its last sample is.
    clock.advance(5 * MINUTE);
    window.maintain();
    assert_eq!(content(&window).len(), 2);
    clock.advance(2 * MINUTE);
    window.maintain();
    assert_eq!(content(&window).len(), 1);
    check_weight(&window);
}
