//! The prober over mounts that hang, answer late and go, without a kernel.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use tidegauge_model::mount::DeviceNumber;
use tidegauge_model::reading::Reading;

use super::slot::State;
use super::*;

const SPACE: Space = Space {
    size: 100,
    free: 50,
    avail: 40,
    files: 10,
    files_free: 5,
};

fn key(id: u32) -> (MountKey, String) {
    let dev = DeviceNumber {
        major: 8,
        minor: id,
    };
    (
        MountKey {
            id,
            dev,
            path: PathBuf::from(format!("/m{id}")),
        },
        "ext4".into(),
    )
}

/// Mounts that hang while their path is in the list.
#[derive(Default)]
struct World {
    hung: Mutex<Vec<PathBuf>>,
    released: Condvar,
    calls: AtomicUsize,
    held: AtomicUsize,
}

impl World {
    fn hang(&self, ids: impl IntoIterator<Item = u32>) {
        lock(&self.hung).extend(ids.into_iter().map(|id| PathBuf::from(format!("/m{id}"))));
    }

    fn release(&self) {
        lock(&self.hung).clear();
        self.released.notify_all();
    }

    fn prober(self: &Arc<Self>, timing: Timing) -> Prober {
        let world = Arc::clone(self);
        let ask = move |question: &Question<'_>| {
            world.calls.fetch_add(1, Ordering::SeqCst);
            world.held.fetch_add(1, Ordering::SeqCst);
            let mut hung = lock(&world.hung);
            while hung.contains(&question.key.path) {
                hung = world.released.wait(hung).unwrap();
            }
            world.held.fetch_sub(1, Ordering::SeqCst);
            Ok(SPACE)
        };
        Prober::new(timing, Box::new(ask))
    }
}

/// Longer than any machine is busy.
const LONG: Duration = Duration::from_secs(120);

/// As patient as a busy machine needs: only what hangs is late.
fn timing() -> Timing {
    Timing {
        patience: Duration::from_secs(1),
        limit: Duration::from_secs(20),
        late: Duration::from_millis(500),
        ..Timing::default()
    }
}

fn present(shown: &[Shown]) -> Vec<bool> {
    shown
        .iter()
        .map(|s| matches!(s.reading, Reading::Present(_)))
        .collect()
}

#[test]
fn all_healthy_are_read_by_one_thread() {
    let world = Arc::new(World::default());
    let mut prober = world.prober(timing());
    prober.set_targets((0..500).map(key));
    assert!(
        prober
            .read(false)
            .iter()
            .all(|s| s.reading == Reading::Present(SPACE) && !s.device_error)
    );
    assert_eq!(world.calls.load(Ordering::SeqCst), 500);
}

#[test]
fn many_hung_mounts_hold_up_nobody_and_pile_up_nothing() {
    let world = Arc::new(World::default());
    world.hang(0..20);
    let mut prober = world.prober(timing());
    prober.set_targets((0..60).map(key));
    for _ in 0..5 {
        let shown = prober.read(false);
        assert_eq!(
            present(&shown),
            (0..60).map(|i| i >= 20).collect::<Vec<_>>()
        );
        assert!(matches!(shown[0].reading, Reading::Failed(Why::Hung(_))));
        assert_eq!(
            world.held.load(Ordering::SeqCst),
            20,
            "one thread for each hung mount"
        );
    }
    world.release();
    // Late answers arrive on their own threads; a later pass sees them.
    let mut passes = 0;
    while present(&prober.read(false)).contains(&false) {
        passes += 1;
        assert!(passes < 10_000);
    }
}

#[test]
fn a_mount_that_hung_is_asked_again_once_replaced_by_another_at_the_same_path() {
    let world = Arc::new(World::default());
    world.hang([1]);
    let mut prober = world.prober(timing());
    prober.set_targets([key(1)]);
    assert_eq!(present(&prober.read(false)), [false]);
    lock(&world.hung).clear();
    let (mut other, fstype) = key(1);
    other.id = 99;
    prober.set_targets([(other, fstype)]);
    assert_eq!(present(&prober.read(false)), [true]);
    world.release();
}

#[test]
fn a_late_mount_gets_a_thread_of_its_own_until_it_is_prompt_again() {
    let world = Arc::new(World::default());
    // Nothing hangs here, so nothing is given up, however busy the machine is.
    let timing = Timing {
        patience: LONG,
        limit: LONG,
        late: Duration::ZERO,
        reprobe: LONG,
        prompt_answers: 3,
        ..Timing::default()
    };
    let mut prober = world.prober(timing);
    prober.set_targets([key(1), key(2)]);
    for pass in 1..=20 {
        assert_eq!(present(&prober.read(false)), [true, true]);
        assert_eq!(world.calls.load(Ordering::SeqCst), pass * 2);
    }
    assert!(lock(&prober.slots[0].state).owned);
    // On a busy machine more runners than one joined; they find nothing to do, at the latest when they start.
    let idle = || {
        let queue = lock(&prober.shared.queue);
        queue.runners == queue.idle && queue.idle <= 1
    };
    let began = Instant::now();
    while !idle() {
        assert!(began.elapsed() < LONG, "a runner is kept by a mount");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_shown_follows_the_clock() {
    let start = Instant::now();
    let at = |s: u64| start + Duration::from_secs(s);
    let hung = |since, good| State {
        in_flight: Some(at(since)),
        good,
        ..State::default()
    };
    // Never answered: no values at once, an error from 2 s on.
    let shown = hung(0, None).shown(at(1), at(1));
    assert_eq!(
        (shown.reading, shown.device_error),
        (Reading::Failed(Why::Hung(Duration::from_secs(1))), false)
    );
    assert!(hung(0, None).shown(at(2), at(2)).device_error);
    // Answered before: that value for 30 s, with its age.
    let good = Some((SPACE, at(10)));
    let shown = hung(20, good).shown(at(40), at(40));
    assert_eq!(
        shown.reading,
        Reading::Stale {
            value: SPACE,
            age: Duration::from_secs(30)
        }
    );
    assert!(shown.device_error);
    assert_eq!(
        hung(20, good).shown(at(41), at(41)).reading,
        Reading::Failed(Why::Hung(Duration::from_secs(21)))
    );
    // An error is no value, however recent the last good one.
    let failed = |failure| State {
        good,
        answer: Some(Answer {
            failure,
            at: at(12),
            took: Duration::ZERO,
        }),
        ..State::default()
    };
    let shown = failed(Some(Why::Errno(5))).shown(at(11), at(12));
    assert_eq!(
        (shown.reading, shown.device_error),
        (Reading::Failed(Why::Errno(5)), true)
    );
    assert!(!failed(Some(Why::Denied)).shown(at(11), at(12)).device_error);
    // A late answer that came after the last pass is shown with its age.
    assert_eq!(
        failed(None).shown(at(15), at(15)).reading,
        Reading::Stale {
            value: SPACE,
            age: Duration::from_secs(5)
        }
    );
}
