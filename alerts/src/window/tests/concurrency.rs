//! Many at once.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

/// A batch is seen whole or not at all, and what was chosen does not change, while appending, sweeping, making room
/// and snapshots go on.
#[test]
fn no_query_sees_a_half() {
    const SERIES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let settings = Settings {
        max_bytes: 200_000,
        ..roomy(HOUR)
    };
    let (window, _) = Window::open(folder.path(), settings, vec![], clock.clone());
    let window = Arc::new(window);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut looks = 0;
                while !done.load(Ordering::Relaxed) || looks == 0 {
                    looks += 1;
                    let found = window
                        .select(&named("m"), Timestamp::MIN, Timestamp::MAX)
                        .unwrap();
                    let read = |series: &Arc<dyn Series>| {
                        let mut samples = Samples::default();
                        series.read(Timestamp::MIN, Timestamp::MAX, &mut samples);
                        samples
                    };
                    let first: Vec<Samples> = found.iter().map(read).collect();
                    assert!(found.len() == SERIES || found.is_empty());
                    for samples in &first {
                        assert_eq!(samples.last(), first[0].last());
                        assert!(samples.times.is_sorted_by(|a, b| a < b));
                    }
                    let again: Vec<Samples> = found.iter().map(read).collect();
                    assert_eq!(first, again);
                    thread::yield_now();
                }
            });
        }
        let keeper = Keeper::start(Arc::clone(&window)).unwrap();
        for round in 0..2_000 {
            let time = clock.advance(15 * SECOND);
            let value = f64::from(round).sqrt();
            let sample = Sample { time, value };
            let batch: Vec<_> = (0..SERIES).map(|n| (labels("m", n), sample)).collect();
            assert_eq!(window.append(&batch).added, SERIES as u64);
        }
        done.store(true, Ordering::Relaxed);
        drop(keeper);
    });
    check_weight(&window);
    let before = content(&window);
    drop(window);
    let (window, restored) = Window::open(folder.path(), settings, vec![], clock);
    assert_eq!(restored.problems, Vec::<String>::new());
    for (labels, samples) in content(&window) {
        assert_eq!(samples.last(), before[&labels].last());
    }
}
