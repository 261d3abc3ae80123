//! The thread that looks after a window.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::Window;

/// Looked after at least so often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Wakes the thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
    condition: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    work: bool,
    end: bool,
}

impl Bell {
    /// There is something to write.
    pub(super) fn ring(&self) {
        self.set(|rung| rung.work = true);
    }

    fn end(&self) {
        self.set(|rung| rung.end = true);
    }

    fn set(&self, change: impl FnOnce(&mut Rung)) {
        change(&mut self.rung.lock().unwrap_or_else(PoisonError::into_inner));
        self.condition.notify_one();
    }

    /// Waits for work. Whether this is the end.
    fn wait(&self) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .condition
            .wait_timeout_while(rung, INTERVAL, |rung| !rung.work && !rung.end)
            .unwrap_or_else(PoisonError::into_inner);
        rung.work = false;
        rung.end
    }
}

/// Looks after a window: writes what is appended as soon as it is, drops what is old. Dropped, it makes all durable
/// and ends.
#[derive(Debug)]
pub struct Keeper {
    window: Arc<Window>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system allows no more threads.
    pub fn start(window: Arc<Window>) -> io::Result<Self> {
        let kept = Arc::clone(&window);
        let thread = Builder::new()
            .name("window".into())
            .stack_size(1 << 18)
            .spawn(move || {
                while !kept.bell.wait() {
                    kept.maintain();
                }
            })?;
        Ok(Self {
            window,
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.window.bell.end();
        if let Some(thread) = self.thread.take() {
            // It ends by itself or by a panic, which has been told.
            let _ = thread.join();
        }
        self.window.finish();
    }
}
