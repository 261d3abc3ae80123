//! A clock that jumps.

use super::*;

struct Run {
    clock: Arc<TestClock>,
    window: Window,
    value: f64,
}

impl Run {
    fn new() -> Self {
        let clock = TestClock::new();
        let window = Window::in_memory(roomy(2 * HOUR), vec![], clock.clone());
        Self {
            clock,
            window,
            value: 0.0,
        }
    }

    /// A sample a minute; says how many were taken in.
    fn minutes(&mut self, count: i64) -> u64 {
        let mut added = 0;
        for _ in 0..count {
            let time = self.clock.advance(MINUTE);
            self.value += 1.0;
            let value = self.value;
            added += self
                .window
                .append(&[(labels("m", 0), Sample { time, value })])
                .added;
            self.window.maintain();
        }
        added
    }

    fn times(&self) -> Vec<Timestamp> {
        let content = content(&self.window);
        content.values().flatten().map(|s| s.0).collect()
    }
}

#[test]
fn ahead_by_hours_and_back() {
    let mut run = Run::new();
    run.minutes(60);
    let before = run.times();
    run.clock.advance(9 * HOUR);
    assert_eq!(run.minutes(30), 30);
    assert!(run.times().starts_with(&before), "history is gone");
    run.clock.advance(-9 * HOUR);
    assert_eq!(run.minutes(10), 10);
    let times = run.times();
    assert!(times.starts_with(&before), "history is gone");
    assert_eq!(times.len(), 70);
    assert_eq!(run.window.stats().discarded, 30);
    check_weight(&run.window);
}

#[test]
fn ahead_for_good() {
    let mut run = Run::new();
    run.minutes(60);
    run.clock.advance(9 * HOUR);
    assert_eq!(run.minutes(62), 62);
    assert_eq!(run.times().len(), 62, "what is too old by now is gone");
}

#[test]
fn back_a_little_is_waited_for() {
    let mut run = Run::new();
    run.minutes(60);
    run.clock.advance(-5 * MINUTE);
    assert_eq!(run.minutes(10), 5);
    let stats = run.window.stats();
    assert_eq!((stats.out_of_order, stats.duplicate), (4, 1));
    assert_eq!(run.times().len(), 65);
}

#[test]
fn back_by_hours_is_believed_after_ten_minutes() {
    let mut run = Run::new();
    run.minutes(60);
    run.clock.advance(-HOUR / 2);
    assert_eq!(run.minutes(10), 0);
    assert_eq!(run.times().len(), 60);
    assert_eq!(run.minutes(5), 5);
    assert_eq!(run.times().len(), 40 + 5);
    assert_eq!(run.window.stats().discarded, 20);
    check_weight(&run.window);
}

#[test]
fn far_ahead_of_the_clock_is_refused() {
    let run = Run::new();
    let at = |time| [(labels("m", 0), Sample { time, value: 1.0 })];
    assert_eq!(run.window.append(&at(START + 11 * MINUTE)).out_of_order, 1);
    assert_eq!(run.window.stats().ahead, 1);
    assert_eq!(run.window.append(&at(START + 9 * MINUTE)).added, 1);
}

#[test]
fn too_old_to_be_kept_is_refused() {
    let run = Run::new();
    let at = |time| [(labels("m", 0), Sample { time, value: 1.0 })];
    assert_eq!(run.window.append(&at(START - 3 * HOUR)).out_of_order, 1);
    assert_eq!(run.window.append(&at(0)).out_of_order, 1);
    assert_eq!(run.window.append(&at(Timestamp::MIN)).out_of_order, 1);
    assert_eq!(run.window.append(&at(START - HOUR)).added, 1);
}

/// What the clock did is done again after a restart.
#[test]
fn a_jump_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new();
    let open = |clock| Window::open(folder.path(), roomy(2 * HOUR), vec![], clock);
    run.window = open(run.clock.clone()).0;
    run.minutes(20);
    run.clock.advance(9 * HOUR);
    run.minutes(20);
    run.clock.advance(-9 * HOUR);
    assert_eq!(run.minutes(20), 20);
    let before = run.times();
    assert_eq!(before.len(), 40);
    run.window = Window::in_memory(roomy(0), vec![], run.clock.clone());
    let (window, restored) = open(run.clock.clone());
    assert_eq!(restored.problems, Vec::<String>::new());
    run.window = window;
    assert_eq!(run.times(), before);
    assert_eq!(run.minutes(3), 3);
}
