//! Evaluates one group again and again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tidegauge_promql::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::group::{Evaluated, Group};
use super::manager::{Running, Shared};
use super::slots::{Slot, Slots};
use super::view::{self, GroupView};

/// What a group did since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub evaluations: AtomicU64,
    pub failures: AtomicU64,
    pub missed: AtomicU64,
    pub last_samples: AtomicU64,
    pub failed_templates: AtomicU64,
}

/// The task of a group.
pub struct Runner {
    pub shared: Arc<Shared>,
    pub counts: Arc<Counts>,
    pub view: Arc<RwLock<Arc<GroupView>>>,
    pub stopped: watch::Receiver<bool>,
}

impl Runner {
    /// Evaluates until told to stop. What is known of a former version it takes over when that has ended.
    pub async fn run(mut self, mut group: Group, former: Option<Running>) -> Option<Group> {
        if let Some(former) = former {
            former.stop.send_replace(true);
            if let Ok(Some(former)) = former.task.await {
                group.take_over(former);
            }
        }
        self.show(&group);
        let slots = Slots::of(&group.file, &group.spec.name, group.interval);
        let mut last = group.evaluated_at;
        let mut behind = false;
        while !*self.stopped.borrow() {
            let now = self.shared.clock.now();
            let wait = u64::try_from(slots.after(now) - now).unwrap_or(1);
            tokio::select! {
                () = sleep(Duration::from_millis(wait)) => {}
                _ = self.stopped.changed() => break,
            }
            match slots.due(last, self.shared.clock.now()) {
                Slot::Wait => {}
                Slot::Due { at, missed } => {
                    self.counts.missed.fetch_add(missed, Relaxed);
                    tell_pace(
                        &group,
                        &mut behind,
                        last.map_or(0, |last| last - at),
                        missed,
                    );
                    last = Some(at);
                    group = self.evaluate(group, at).await?;
                }
            }
        }
        Some(group)
    }

    /// Evaluates on a thread of its own; the group comes back even if that panics.
    async fn evaluate(&self, group: Group, at: Timestamp) -> Option<Group> {
        let shared = Arc::clone(&self.shared);
        let shelf = Arc::new(Mutex::new(Some(group)));
        let work = Arc::clone(&shelf);
        let done = spawn_blocking(move || {
            let mut shelf = work.lock().unwrap_or_else(PoisonError::into_inner);
            match shelf.as_mut() {
                Some(group) => shared.evaluate(group, at),
                None => Evaluated::default(),
            }
        });
        let sum = match done.await {
            Ok(sum) => sum,
            // A mistake of ours: the group goes on with what it knows.
            Err(error) => {
                tracing::error!(%error, "an evaluation broke off");
                Evaluated {
                    rules: 1,
                    failed: 1,
                    ..Evaluated::default()
                }
            }
        };
        self.counts.evaluations.fetch_add(sum.rules, Relaxed);
        self.counts.failures.fetch_add(sum.failed, Relaxed);
        self.counts.last_samples.store(sum.samples, Relaxed);
        let failed_templates = &self.counts.failed_templates;
        failed_templates.fetch_add(sum.failed_templates, Relaxed);
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let group = shelf.take()?;
        self.show(&group);
        Some(group)
    }

    fn show(&self, group: &Group) {
        let shown = Arc::new(view::of(group));
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

/// Logs once that evaluations are left out or that the clock was put back, and once that all is well again.
fn tell_pace(group: &Group, behind: &mut bool, put_back: i64, missed: u64) {
    let (file, name) = (&*group.file, &group.spec.name);
    if put_back > 0 {
        tracing::warn!(
            file,
            group = name,
            seconds = put_back / 1_000,
            "the clock was put back since the last evaluation; see to its synchronisation"
        );
    } else if missed > 0 && !*behind {
        tracing::warn!(
            file,
            group = name,
            missed,
            took = ?group.took,
            "evaluations were left out: the one before took longer than the interval, or the clock leapt ahead"
        );
    } else if missed == 0 && *behind {
        tracing::info!(file, group = name, "the group is evaluated in time again");
    }
    *behind = missed > 0;
}
