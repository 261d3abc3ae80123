//! Walks give way to everybody else's I/O.
//!
//! Pressure while a walk runs is partly its own. So all walks pause together now and then, and what
//! the kernel counts in the pause (`/proc/pressure/io`, psi.rst) is the others'. While that is much they
//! stay paused, but never for more than four fifths of the time: a busy host is where the numbers matter.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::device::kernel_file::KernelFile;
use crate::device::pressure;

/// Walks work for so long between two pauses.
const WORK: Duration = Duration::from_secs(2);
/// A pause, at the end of which the pressure is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// Pauses that may follow each other: four times the work.
const MOST_PAUSES: u32 = 80;
/// Others wait for I/O in so much of the time: a tenth.
const MUCH: f64 = 0.1;

/// What all walks of a process keep to.
pub struct Pace {
    began: Instant,
    /// When the next pause is due, in nanoseconds after `began`.
    next: AtomicU64,
    gate: Mutex<Gauge>,
}

/// Reads the total stall time in microseconds.
type Gauge = Box<dyn FnMut() -> Option<u64> + Send>;

impl Pace {
    /// By the pressure that this procfs tells. Where it tells none, walks never pause.
    pub fn new(procfs: &Path) -> Self {
        let mut file = KernelFile::new(procfs.join("pressure/io"));
        Self::by(Box::new(move || {
            let content = file.read().ok()?;
            Some(pressure::parse(content).ok()?.some_us)
        }))
    }

    fn by(gauge: Gauge) -> Self {
        let this = Self {
            began: Instant::now(),
            next: AtomicU64::new(0),
            gate: Mutex::new(gauge),
        };
        this.schedule();
        this
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn schedule(&self) {
        let work = u64::try_from(WORK.as_nanos()).unwrap_or(u64::MAX);
        self.next
            .store(self.now().saturating_add(work), Ordering::Relaxed);
    }

    /// Called by each thread of each walk, often. Returns at once, but in a pause at its end.
    pub fn keep(&self, stopped: &dyn Fn() -> bool) {
        if self.now() < self.next.load(Ordering::Relaxed) {
            return;
        }
        // Who comes meanwhile waits here, and so pauses too.
        let mut gauge = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.now() >= self.next.load(Ordering::Relaxed) {
            pause(&mut **gauge, stopped, &mut std::thread::sleep);
            self.schedule();
        }
    }
}

fn pause(
    gauge: &mut dyn FnMut() -> Option<u64>,
    stopped: &dyn Fn() -> bool,
    sleep: &mut dyn FnMut(Duration),
) {
    for _ in 0..MOST_PAUSES {
        let Some(before) = gauge() else { return };
        sleep(PAUSE);
        let Some(after) = gauge() else { return };
        let stalled = Duration::from_micros(after.saturating_sub(before));
        if stopped() || stalled.as_secs_f64() < MUCH * PAUSE.as_secs_f64() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pauses taken when others stall for these microseconds in each.
    fn pauses(stalls: &[u64]) -> usize {
        let (mut total, mut taken) = (0, 0);
        let mut stalls = stalls.iter().copied();
        let mut asked = 0;
        let mut gauge = || {
            asked += 1;
            if asked % 2 == 0 {
                total += stalls.next().unwrap_or(0);
            }
            Some(total)
        };
        pause(&mut gauge, &|| false, &mut |_| taken += 1);
        taken
    }

    #[test]
    fn it_waits_while_others_do_and_not_for_ever() {
        assert_eq!(pauses(&[0]), 1);
        assert_eq!(pauses(&[9_000]), 1);
        assert_eq!(pauses(&[100_000, 50_000, 11_000, 0]), 4);
        assert_eq!(pauses(&[100_000; 200]), 80);
    }

    #[test]
    fn without_a_gauge_or_when_stopped_it_goes_on() {
        let mut taken = 0;
        pause(&mut || None, &|| false, &mut |_| taken += 1);
        assert_eq!(taken, 0);
        let mut rising = 0;
        let mut gauge = || {
            rising += 100_000;
            Some(rising)
        };
        pause(&mut gauge, &|| true, &mut |_| taken += 1);
        assert_eq!(taken, 1);
    }
}
