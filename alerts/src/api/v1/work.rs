//! Work that may take long: off the thread that serves, not too much of it at once, and not for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::error::{ApiError, Kind};

/// Runs queries.
#[derive(Debug)]
pub struct Worker {
    slots: Arc<Semaphore>,
    deadline: Duration,
}

/// Tells work whether to stop.
#[derive(Clone, Debug)]
pub struct Interrupt {
    given_up: Arc<AtomicBool>,
    until: Option<Instant>,
}

impl Interrupt {
    /// Whether time is up, or nobody waits any more.
    pub fn is_due(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Gives up when the request does.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    /// So much at once, and each for so long.
    pub fn new(at_once: usize, deadline: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))),
            deadline,
        }
    }

    /// Does some work, at most for as long as is asked for. When the future is dropped the work is told to
    /// stop; until it does it counts.
    ///
    /// # Errors
    /// What the work ends with; a time-out when there was no room for it in time.
    pub async fn run<T: Send + 'static>(
        &self,
        asked: Option<Duration>,
        work: impl FnOnce(&Interrupt) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let allowed = asked.unwrap_or(self.deadline).min(self.deadline);
        let interrupt = Interrupt {
            given_up: Arc::default(),
            until: Instant::now().checked_add(allowed),
        };
        let _waiting = GiveUp(Arc::clone(&interrupt.given_up));
        let slot = Arc::clone(&self.slots).acquire_owned();
        let Ok(Ok(slot)) = tokio::time::timeout(allowed, slot).await else {
            return Err(ApiError {
                kind: Kind::Timeout,
                message: "query timed out in query queue".to_owned(),
            });
        };
        let working = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work(&interrupt)
        });
        working
            .await
            .unwrap_or_else(|error| Err(ApiError::internal(format!("the query broke: {error}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    /// Works until it is told to stop.
    fn endless(interrupt: &Interrupt) -> Result<(), ApiError> {
        while !interrupt.is_due() {
            std::thread::yield_now();
        }
        Err(ApiError::internal("stopped"))
    }

    #[test]
    fn time_is_up_and_who_waits_too_long_is_told() {
        runtime().block_on(async {
            let worker = Worker::new(1, Duration::from_millis(50));
            let stopped = Err(ApiError::internal("stopped"));
            assert_eq!(worker.run(Some(Duration::MAX), endless).await, stopped);
            // Less than the server allows may be asked for.
            let worker = Worker::new(1, Duration::from_secs(3600));
            assert_eq!(worker.run(Some(Duration::ZERO), endless).await, stopped);
            let _slot = worker.slots.acquire().await.unwrap();
            let queued = worker.run(Some(Duration::from_millis(1)), endless).await;
            assert_eq!(queued.unwrap_err().kind, Kind::Timeout);
        });
    }

    #[test]
    fn work_stops_when_nobody_waits_and_makes_room() {
        runtime().block_on(async {
            let worker = Worker::new(1, Duration::from_secs(3600));
            let gone = tokio::time::timeout(Duration::from_millis(10), worker.run(None, endless));
            assert!(gone.await.is_err());
            assert_eq!(worker.run(None, |_| Ok(7)).await, Ok(7));
        });
    }

    #[test]
    fn a_panic_is_an_error() {
        let worker = Worker::new(1, Duration::from_secs(3600));
        let broken = runtime()
            .block_on(worker.run(None, |_| -> Result<(), ApiError> { panic!("on purpose") }));
        assert_eq!(broken.unwrap_err().kind, Kind::Internal);
    }
}
