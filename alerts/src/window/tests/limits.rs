//! When there is no room.

use super::*;

fn fill(window: &Window, clock: &TestClock, names: &[&str], samples: usize) {
    for index in 0..samples {
        let time = clock.advance(15 * SECOND);
        // Much noise, so that chunks are soon full.
        let value = (index as f64 * 0.7).sin();
        let batch: Vec<_> = names
            .iter()
            .map(|name| (labels(name, 0), Sample { time, value }))
            .collect();
        assert_eq!(window.append(&batch).added, names.len() as u64);
    }
}

#[test]
fn what_nobody_demands_goes_first_then_the_oldest() {
    let clock = TestClock::new();
    let demand = Demand {
        matchers: named("wanted"),
        keep: Duration::from_secs(6 * 3_600),
    };
    let window = Window::in_memory(roomy(12 * HOUR), vec![demand], clock.clone());
    fill(&window, &clock, &["wanted", "other"], 5 * 240);
    let before = content(&window);
    assert_eq!(before[&labels("other", 0)].len(), 5 * 240);
    let stats = window.stats();
    let bytes = (stats.series_bytes + stats.index_bytes) as usize;

    // Room for three quarters: of the others alone.
    let tighter = Settings {
        max_bytes: bytes * 3 / 4,
        ..roomy(12 * HOUR)
    };
    window.set_settings(tighter);
    fill(&window, &clock, &["wanted", "other"], 1);
    let after = content(&window);
    assert_eq!(after[&labels("wanted", 0)].len(), 5 * 240 + 1);
    let others = after[&labels("other", 0)].len();
    assert!((240..4 * 240).contains(&others), "{others}");
    check_weight(&window);

    // Room for hardly anything: the open chunks stay, and new series are refused.
    window.set_settings(Settings {
        max_bytes: 1,
        ..tighter
    });
    fill(&window, &clock, &["wanted", "other"], 1);
    let after = content(&window);
    for (labels, samples) in &after {
        assert!((1..=121).contains(&samples.len()), "{labels}");
        assert_eq!(samples.last().map(|s| s.0), Some(clock.now()));
    }
    let sample = Sample {
        time: clock.now(),
        value: 1.0,
    };
    assert_eq!(window.append(&[(labels("new", 0), sample)]).over_limit, 1);
    check_weight(&window);
    let stats = window.stats();
    assert_eq!(
        stats.evicted + stats.samples,
        2 * (5 * 240 + 2),
        "all that is gone is counted"
    );
}

#[test]
fn series_beyond_the_limit_are_refused() {
    let clock = TestClock::new();
    let settings = Settings {
        max_series: 3,
        ..roomy(HOUR)
    };
    let window = Window::in_memory(settings, vec![], clock.clone());
    let batch = |time| -> Vec<_> {
        let sample = Sample { time, value: 1.0 };
        (0..5).map(|number| (labels("m", number), sample)).collect()
    };
    let appended = window.append(&batch(clock.now()));
    assert_eq!((appended.added, appended.over_limit), (3, 2));
    // Those that are there go on.
    let appended = window.append(&batch(clock.advance(SECOND)));
    assert_eq!((appended.added, appended.over_limit), (3, 2));
    assert_eq!(window.stats().over_limit, 4);
    // When one is forgotten there is room for another.
    clock.advance(2 * HOUR);
    let window_of_now = batch(clock.now());
    window.append(&window_of_now[..2]);
    clock.advance(HOUR + MINUTE);
    window.append(&batch(clock.now())[..2]);
    window.maintain();
    assert_eq!(window.append(&batch(clock.now())).added, 3);
    check_weight(&window);
}
