//! A target that is scraped over HTTP.

use std::sync::Arc;
use std::time::Duration;

use tidegauge_model::exposition::Format;
use tidegauge_promql::Timestamp;

use super::client::{Answer, Client};
use super::endpoint::Endpoint;
use crate::feed::cycle::Options;
use crate::feed::error::ScrapeError;
use crate::feed::series::{Outcome, Series};
use crate::feed::settings::Job;
use crate::feed::target::Target;
use crate::feed::target_loop::Collect;
use crate::feed::text::TextIntake;

/// A target that is scraped.
pub(in crate::feed) struct HttpFeed {
    /// What is wrong with its address otherwise; a configuration that was checked has none such.
    client: Result<Client, ScrapeError>,
    job: Arc<Job>,
    intake: TextIntake,
}

impl HttpFeed {
    pub fn new(target: &Target, job: Arc<Job>, series: Series) -> Self {
        let client = Endpoint::parse(&target.url)
            .map(|endpoint| Client::new(endpoint, Arc::clone(&job)))
            .map_err(|reason| ScrapeError::Request {
                url: target.url.clone(),
                reason,
            });
        let mut feed = Self {
            client,
            job,
            intake: TextIntake::new(series),
        };
        feed.set_limits();
        feed
    }

    fn set_limits(&mut self) {
        let options = Options {
            sample_limit: self.job.sample_limit,
            track_timestamps: self.job.track_timestamps,
        };
        self.intake
            .series
            .set_limits(self.job.label_limits, options);
        self.intake.set_honor_timestamps(self.job.honor_timestamps);
    }

    async fn scrape(&mut self) -> Result<(), ScrapeError> {
        let answer = self
            .client
            .as_mut()
            .map_err(|error| error.clone())?
            .ask()
            .await?;
        let intake = &mut self.intake;
        match format(&answer, self.job.fallback) {
            Ok(format) => answer.read(&mut |text| intake.text(format, text)).await,
            Err(error) => {
                // Nothing at all needs no type.
                let mut empty = true;
                answer.read(&mut |_| empty = false).await?;
                if !empty {
                    intake.refuse(error);
                }
                Ok(())
            }
        }
    }
}

/// The format that an answer says it has.
fn format(answer: &Answer, fallback: Option<Format>) -> Result<Format, ScrapeError> {
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/openmetrics-text" => Ok(Format::OpenMetrics100),
        "text/plain" => Ok(Format::Text004),
        _ => fallback.ok_or_else(|| ScrapeError::ContentType {
            content_type: content_type.to_owned(),
        }),
    }
}

impl Collect for HttpFeed {
    type Settings = Arc<Job>;

    fn replace(&mut self, job: Arc<Job>) {
        if job == self.job {
            return;
        }
        if let Ok(client) = &mut self.client {
            client.replace(Arc::clone(&job));
        }
        self.job = job;
        self.set_limits();
    }

    fn interval(&self) -> Duration {
        self.job.interval
    }

    async fn collect(&mut self, time: Timestamp) -> Outcome {
        self.intake.begin(time);
        let limit = self.job.timeout;
        let scraped = tokio::time::timeout(limit, self.scrape()).await;
        let lost = match scraped {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(ScrapeError::Timeout { limit }),
        };
        // What came of an answer that was not read to its end would be taken for the next one.
        if lost.is_some()
            && let Ok(client) = &mut self.client
        {
            client.close();
        }
        self.intake.end(lost)
    }

    fn series(&mut self) -> &mut Series {
        &mut self.intake.series
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
