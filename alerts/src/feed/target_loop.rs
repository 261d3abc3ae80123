//! Scrapes one target again and again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidegauge_promql::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use super::schedule::Schedule;
use super::series::{Outcome, Series};
use super::status::Shared;
use crate::clock::Clock;
use crate::store::Append;

/// Brings the samples of a target.
pub(super) trait Collect: Send {
    /// What may change while it goes on.
    type Settings: Send;

    /// Other settings from the next scrape on.
    fn replace(&mut self, settings: Self::Settings);

    /// How often.
    fn interval(&self) -> Duration;

    /// One scrape, which ends in bounded time; `time` is that of its samples.
    fn collect(&mut self, time: Timestamp) -> impl Future<Output = Outcome> + Send;

    /// What it brought.
    fn series(&mut self) -> &mut Series;
}

/// What a target's task is told.
#[derive(Debug)]
pub(super) enum Command<S> {
    /// Other settings for the same target.
    Replace(S),
    /// The target is gone: its series are to be marked.
    Retire,
}

/// Where samples go, and what time it is.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub store: Arc<dyn Append + Send + Sync>,
    pub clock: Arc<dyn Clock>,
}

/// Scrapes until told otherwise. A scrape under way is always finished.
pub(super) async fn run<C: Collect>(
    mut feed: C,
    shared: Arc<Shared>,
    around: Surroundings,
    mut commands: UnboundedReceiver<Command<C::Settings>>,
) {
    let mut schedule = schedule(&feed, &shared);
    loop {
        let wait = schedule.wait(around.clock.now());
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Replace(settings)) => {
                    let before = feed.interval();
                    feed.replace(settings);
                    if feed.interval() != before {
                        schedule = self::schedule(&feed, &shared);
                    }
                }
                Some(Command::Retire) => {
                    return retire(&mut feed, &shared, &around, &mut schedule).await;
                }
                None => return,
            },
            () = sleep(wait) => {
                let time = schedule.begin(around.clock.now());
                scrape(&mut feed, &shared, &around, time).await;
            }
        }
    }
}

fn schedule(feed: &impl Collect, shared: &Shared) -> Schedule {
    let interval = feed.interval();
    Schedule::new(interval, shared.target.offset(interval))
}

async fn scrape(feed: &mut impl Collect, shared: &Shared, around: &Surroundings, time: Timestamp) {
    let started = Instant::now();
    let outcome = feed.collect(time).await;
    let took = started.elapsed();
    let series = feed.series();
    series.report(&outcome, took);
    series.adopt(|labels| around.store.copy_of(labels));
    let appended = around.store.append(series.batch());
    let told = series.told();
    shared.scraped(time, took, outcome, told, appended);
}

/// As in Prometheus: marks of the time of the next scrape, written when two more intervals have passed. If the
/// series are another target's by then, the store refuses the marks, as they come late.
async fn retire(
    feed: &mut impl Collect,
    shared: &Shared,
    around: &Surroundings,
    schedule: &mut Schedule,
) {
    if shared.state().last_scrape.is_none() {
        return;
    }
    sleep(schedule.wait(around.clock.now())).await;
    let time = around.clock.now();
    let interval = feed.interval();
    sleep(interval + interval / 10).await;
    let series = feed.series();
    series.retire(time);
    around.store.append(series.batch());
}

#[cfg(test)]
mod tests;
