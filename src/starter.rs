//! The one thread that keeps all rights of the program: it starts collectors, which keep only their own.
//! The thread that talks to clients, and those that it starts, keep none.

use std::sync::mpsc::{Sender, channel};

use tidegauge_exporter::rights::narrow_thread;
use tokio::sync::oneshot;

use crate::failure::Failure;

type Job = Box<dyn FnOnce() + Send>;

/// Runs what needs rights.
#[derive(Clone)]
pub struct Starter(Sender<Job>);

impl Starter {
    /// Starts the thread with the rights of the calling one, which gives up its own.
    pub fn start() -> Result<Self, Failure> {
        let (jobs, inbox) = channel::<Job>();
        std::thread::Builder::new()
            .name("starter".into())
            .spawn(move || inbox.into_iter().for_each(|job| job()))
            .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        narrow_thread(&[]).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self(jobs))
    }

    /// Runs it there; an error when it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let job = move || {
            let job = std::panic::AssertUnwindSafe(job);
            if let Ok(result) = std::panic::catch_unwind(job) {
                // Who asked may have gone.
                let _ = reply.send(result);
            }
        };
        // Without the thread the reply is dropped, which says the same.
        let _ = self.0.send(Box::new(job));
        answer
            .await
            .unwrap_or_else(|_| Err(Failure::failed("the start stopped; please report it")))
    }
}
