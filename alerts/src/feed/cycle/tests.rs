use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn labels(n: u8) -> Labels {
    Labels::new([("__name__", format!("m{n}"))])
}

/// One scrape; series are known by number.
struct Target {
    cycle: Cycle,
    slots: BTreeMap<u8, Slot>,
}

impl Target {
    fn new(options: Options) -> Self {
        Self {
            cycle: Cycle::new(options),
            slots: BTreeMap::new(),
        }
    }

    fn sample(&mut self, n: u8, explicit: Option<Timestamp>) {
        match self.slots.get(&n) {
            Some(slot) => self.cycle.record(*slot, f64::from(n), explicit),
            None => {
                if let Some(slot) = self.cycle.create(labels(n), false, f64::from(n), explicit) {
                    self.slots.insert(n, slot);
                }
            }
        }
    }

    fn end(&mut self, end: End) -> (Counts, Vec<String>) {
        let slots = &mut self.slots;
        let counts = self.cycle.end(end, |gone, labels| {
            let before = slots.len();
            slots.retain(|n, slot| *slot != gone || self::labels(*n) != *labels);
            assert_eq!(slots.len(), before - 1, "what is forgotten was known");
        });
        let batch = self.cycle.batch();
        let shown = batch.iter().map(|(labels, s)| {
            format!(
                "{}@{}={}",
                labels.name(),
                s.time,
                crate::feed::testing::value(s.value)
            )
        });
        (counts, shown.collect())
    }

    fn scrape(
        &mut self,
        time: Timestamp,
        samples: &[(u8, Option<Timestamp>)],
        end: End,
    ) -> (Counts, Vec<String>) {
        self.cycle.begin(time);
        for (n, explicit) in samples {
            self.sample(*n, *explicit);
        }
        self.end(end)
    }
}

fn plain(numbers: &[u8]) -> Vec<(u8, Option<Timestamp>)> {
    numbers.iter().map(|n| (*n, None)).collect()
}

#[test]
fn what_vanishes_is_marked_once() {
    let mut target = Target::new(Options::default());
    let (counts, batch) = target.scrape(10, &plain(&[1, 2]), End::Whole);
    assert_eq!((counts.scraped, counts.added), (2, 2));
    assert_eq!(batch, ["m1@10=1", "m2@10=2"]);
    let (counts, batch) = target.scrape(20, &plain(&[2]), End::Whole);
    assert_eq!((counts.scraped, counts.added), (1, 0));
    assert_eq!(batch, ["m2@20=2", "m1@20=stale"]);
    assert_eq!(target.scrape(30, &plain(&[2]), End::Whole).1, ["m2@30=2"]);
    // It comes back as a new one.
    assert_eq!(target.scrape(40, &plain(&[1, 2]), End::Whole).0.added, 1);
}

#[test]
fn a_scrape_that_does_not_come_marks_all_and_forgets_none() {
    let mut target = Target::new(Options::default());
    target.scrape(10, &plain(&[1, 2]), End::Whole);
    let (counts, batch) = target.scrape(20, &plain(&[1, 3]), End::Lost);
    assert_eq!(counts, Counts::default());
    assert_eq!(batch, ["m1@20=stale", "m2@20=stale"]);
    assert!(target.scrape(30, &[], End::Lost).1.is_empty());
    let (counts, batch) = target.scrape(40, &plain(&[1, 2]), End::Whole);
    assert_eq!(counts.added, 0);
    assert_eq!(batch, ["m1@40=1", "m2@40=2"]);
}

/// Found out from Prometheus 3.5: what stood before the bad line is neither taken in nor marked.
#[test]
fn a_refused_scrape_marks_what_it_did_not_come_to() {
    let mut target = Target::new(Options::default());
    target.scrape(10, &plain(&[1, 2]), End::Whole);
    let (counts, batch) = target.scrape(20, &plain(&[1]), End::Refused);
    assert_eq!((counts.scraped, counts.kept, counts.added), (1, 1, 0));
    assert_eq!(batch, ["m2@20=stale"]);
    assert_eq!(target.scrape(30, &[], End::Lost).1, ["m1@30=stale"]);
}

#[test]
fn samples_with_times_of_their_own_are_not_marked_unless_asked_for() {
    for track_timestamps in [false, true] {
        let mut target = Target::new(Options {
            track_timestamps,
            ..Options::default()
        });
        let (_, batch) = target.scrape(10, &[(1, Some(5)), (1, Some(6)), (2, None)], End::Whole);
        assert_eq!(batch, ["m1@5=1", "m1@6=1", "m2@10=2"]);
        let (_, batch) = target.scrape(20, &[], End::Empty);
        let expected: &[&str] = if track_timestamps {
            &["m1@20=stale", "m2@20=stale"]
        } else {
            &["m2@20=stale"]
        };
        assert_eq!(batch, expected);
    }
    // One that begins to have times has ended as what it was.
    let mut target = Target::new(Options::default());
    target.scrape(10, &plain(&[1]), End::Whole);
    let (_, batch) = target.scrape(20, &[(1, Some(15))], End::Whole);
    assert_eq!(batch, ["m1@15=1", "m1@20=stale"]);
}

#[test]
fn repeated_and_far_ahead_samples_are_dropped_and_counted() {
    let mut target = Target::new(Options::default());
    let ahead = 10 + AHEAD;
    let samples = [(1, None), (1, None), (2, Some(ahead)), (3, Some(ahead + 1))];
    let (counts, batch) = target.scrape(10, &samples, End::Whole);
    assert_eq!((counts.scraped, counts.kept), (4, 4));
    assert_eq!((counts.duplicate, counts.out_of_bounds), (1, 1));
    assert_eq!(batch, ["m1@10=1".to_owned(), format!("m2@{ahead}=2")]);
}

#[test]
fn more_samples_than_allowed_are_counted_and_not_remembered() {
    let mut target = Target::new(Options {
        sample_limit: Some(2),
        ..Options::default()
    });
    target.scrape(10, &plain(&[1, 2]), End::Whole);
    target.cycle.begin(20);
    for n in [1, 2, 3, 4] {
        target.sample(n, None);
    }
    assert!(target.cycle.is_over_limit());
    let (counts, batch) = target.end(End::Refused);
    assert_eq!((counts.scraped, counts.kept, counts.added), (4, 4, 0));
    assert!(batch.is_empty());
    assert_eq!(target.slots.len(), 2);
    target.cycle.begin(30);
    assert!(!target.cycle.is_over_limit());
}

#[test]
fn one_series_written_in_two_ways_ends_when_neither_is_there() {
    let mut cycle = Cycle::new(Options::default());
    cycle.begin(10);
    let [a, b] = [0, 1].map(|_| cycle.create(labels(1), false, 1.0, None).unwrap());
    cycle.end(End::Whole, |_, _| {});
    cycle.begin(20);
    cycle.record(b, 1.0, None);
    cycle.end(End::Whole, |gone, _| assert_eq!(gone, a));
    assert_eq!(cycle.batch().len(), 1);
    cycle.begin(30);
    cycle.end(End::Lost, |_, _| {});
    assert_eq!(cycle.batch().len(), 1);
    assert!(tidegauge_promql::is_stale(cycle.batch()[0].1.value));
}

#[test]
fn refused_scrapes_with_ever_new_series_do_not_fill_the_memory() {
    let mut cycle = Cycle::new(Options::default());
    for scrape in 0..100_i64 {
        cycle.begin(scrape);
        for n in 0..100 {
            let labels = Labels::new([("__name__", format!("m{scrape}_{n}"))]);
            cycle.create(labels, false, 1.0, None);
        }
        cycle.end(End::Refused, |_, _| {});
    }
    assert!(cycle.series.len() <= 1200, "{}", cycle.series.len());
}

#[test]
fn watched_series_are_shown_with_their_values() {
    let mut cycle = Cycle::new(Options::default());
    cycle.begin(10);
    cycle.create(labels(1), false, 1.0, None);
    cycle.create(labels(2), true, 7.0, None);
    cycle.end(End::Whole, |_, _| {});
    cycle.report(&labels(3), 1.0);
    let watched: Vec<_> = cycle.watched().map(|(l, v)| (l.name(), v)).collect();
    assert_eq!(watched, [("m2", 7.0)]);
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Whole),
        1 => Just(End::Refused),
        1 => Just(End::Lost),
    ]
}

proptest! {
    /// Against the two sets that Prometheus keeps: those tracked in this scrape and in the one before.
    #[test]
    fn marks_as_prometheus_sets_them(
        scrapes in proptest::collection::vec(
            (proptest::collection::vec((0u8..6, proptest::option::of(0i64..50)), 0..8), end()),
            0..20,
        ),
        track_timestamps: bool,
    ) {
        let mut target = Target::new(Options { track_timestamps, ..Options::default() });
        let mut before: BTreeSet<u8> = BTreeSet::new();
        for (round, (samples, end)) in scrapes.iter().enumerate() {
            let time = 100 + i64::try_from(round).unwrap();
            let (_, batch) = target.scrape(time, samples, *end);
            let (mut seen, mut current) = (BTreeSet::new(), BTreeSet::new());
            for (n, explicit) in samples {
                // One without a time after another of its series is a duplicate, and counts for nothing.
                let counts = seen.insert(*n) || explicit.is_some();
                if counts && (explicit.is_none() || track_timestamps) {
                    current.insert(*n);
                }
            }
            if *end == End::Lost {
                current.clear();
            }
            let marks: BTreeSet<String> = before
                .difference(&current)
                .map(|n| format!("m{n}@{time}=stale"))
                .collect();
            let (stale, fresh): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|line| line.ends_with("stale"));
            prop_assert_eq!(stale.len(), marks.len());
            prop_assert_eq!(stale.into_iter().collect::<BTreeSet<_>>(), marks);
            let mut once = BTreeSet::new();
            let expected: Vec<String> = samples
                .iter()
                .filter(|(n, explicit)| {
                    // The first sample of a series, and all with times of their own.
                    let first = once.insert(*n);
                    explicit.is_some() || first
                })
                .map(|(n, explicit)| format!("m{n}@{}={n}", explicit.unwrap_or(time)))
                .collect();
            prop_assert_eq!(fresh, if *end == End::Whole { expected } else { Vec::new() });
            before = current;
        }
    }
}

#[test]
fn copies_of_labels_are_adopted_where_there_are_some() {
    let mut target = Target::new(Options::default());
    let kept = [labels(1), labels(2)];
    let copy_of = |wanted: &Labels| kept.iter().find(|labels| *labels == wanted).cloned();
    for time in [1000, 2000] {
        target.scrape(time, &[(1, None), (2, None), (3, None)], End::Whole);
        target.cycle.adopt(copy_of);
        let batch = target.cycle.batch();
        assert!(batch[0].0.ptr_eq(&kept[0]) && batch[1].0.ptr_eq(&kept[1]));
        assert_eq!(batch[2].0, labels(3));
    }
}
