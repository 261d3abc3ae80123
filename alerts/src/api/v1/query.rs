//! `query`, `query_range` and what else takes an expression.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegauge_promql::{Answer, Options, Query, Sample, Timestamp, Value, ValueKind};

use super::Api;
use super::error::ApiError;
use super::parameter::{EARLIEST, LATEST, Parameters};
use super::reply::{Notes, Reply};
use super::work::Interrupt;
use super::{json, number};

/// Most points of a series in one answer, as in Prometheus: a week by the minute, a year by the hour.
const MOST_POINTS: i64 = 11_000;

/// What both kinds of query have in common.
struct Asked {
    query: Query,
    limit: Option<usize>,
    lookback: Option<Duration>,
    timeout: Option<Duration>,
    stats: bool,
}

impl Asked {
    fn read(parameters: &Parameters, limit: Option<usize>) -> Result<Self, ApiError> {
        let timeout = match parameters.get("timeout") {
            "" => None,
            // One that lies in the past is over at once.
            _ => Some(positive(parameters.duration("timeout")?).unwrap_or_default()),
        };
        let lookback = match parameters.get("lookback_delta") {
            "" => None,
            text => positive(super::parameter::parse_duration(text).map_err(|why| {
                ApiError::bad_data(format!("error parsing lookback delta duration: {why}"))
            })?),
        };
        Ok(Self {
            query: Query::parse(parameters.get("query"))?,
            limit,
            lookback,
            timeout,
            stats: !parameters.get("stats").is_empty(),
        })
    }
}

/// `None` for zero and less.
fn positive(nanoseconds: i64) -> Option<Duration> {
    let nanoseconds = u64::try_from(nanoseconds).ok().filter(|n| *n > 0)?;
    Some(Duration::from_nanos(nanoseconds))
}

impl Api {
    /// `query`.
    pub(super) async fn query(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let limit = parameters.limit()?;
        let at = parameters.time_or("time", self.clock.now())?;
        let asked = Asked::read(parameters, limit)?;
        self.evaluate(asked, at, move |query, store, options| {
            query.instant(store, at, options)
        })
        .await
    }

    /// `query_range`.
    pub(super) async fn query_range(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let limit = parameters.limit()?;
        let from = parameters.time("start")?;
        let to = parameters.time("end")?;
        if to < from {
            let why = "end timestamp must not be before start time";
            return Err(ApiError::parameter("end", why));
        }
        // The engine counts in milliseconds: less than one is none.
        let step = parameters.duration("step")? / 1_000_000;
        if step <= 0 {
            let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(ApiError::parameter("step", why));
        }
        if to.saturating_sub(from) / step > MOST_POINTS {
            return Err(ApiError::bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            ));
        }
        let asked = Asked::read(parameters, limit)?;
        let wrong = match asked.query.kind() {
            ValueKind::Matrix => Some("range vector"),
            ValueKind::String => Some("string"),
            ValueKind::Scalar | ValueKind::Vector => None,
        };
        if let Some(kind) = wrong {
            let why = format!(
                "invalid expression type {kind:?} for range query, must be Scalar or instant Vector"
            );
            return Err(ApiError::parameter("query", why));
        }
        let step = Duration::from_millis(step.unsigned_abs());
        self.evaluate(asked, from, move |query, store, options| {
            query.range(store, from, to, step, options)
        })
        .await
    }

    async fn evaluate(
        &self,
        asked: Asked,
        at: Timestamp,
        evaluation: impl FnOnce(
            &Query,
            &dyn tidegauge_promql::Storage,
            &Options<'_>,
        ) -> Result<Answer, tidegauge_promql::Error>
        + Send
        + 'static,
    ) -> Result<Reply, ApiError> {
        let store = Arc::clone(&self.sources.index);
        let settings = self.settings.clone();
        let (limit, stats, query) = (asked.limit, asked.stats, asked.query);
        let began = Instant::now();
        let work = move |interrupt: &Interrupt| {
            let stop = || interrupt.is_due();
            let options = Options {
                lookback: asked.lookback.unwrap_or(settings.lookback),
                max_samples: settings.max_samples,
                default_step: settings.default_step,
                interrupt: &stop,
                ..Options::default()
            };
            let queued = began.elapsed();
            let answer = evaluation(&query, &*store, &options)?;
            Ok((answer, queued))
        };
        let (answer, queued) = self.worker.run(asked.timeout, work).await?;
        let statistics = if stats {
            statistics(began.elapsed(), queued, answer.samples_read)
        } else {
            String::new()
        };
        Ok(reply(answer, at, limit, &statistics))
    }

    /// `query_exemplars`: there are none.
    pub(super) fn query_exemplars(parameters: &Parameters) -> Result<Reply, ApiError> {
        let from = parameters.time_or("start", EARLIEST)?;
        let to = parameters.time_or("end", LATEST)?;
        if to < from {
            return Err(ApiError::bad_data(
                "end timestamp must not be before start timestamp",
            ));
        }
        Query::parse(parameters.get("query")).map_err(|e| ApiError::bad_data(e.to_string()))?;
        Ok(Reply::of(|out| json::raw("[]", out)))
    }

    /// `format_query`.
    pub(super) fn format_query(parameters: &Parameters) -> Result<Reply, ApiError> {
        let query = Query::parse(parameters.get("query"))?;
        let text = query.expression().prettify();
        Ok(Reply::of(|out| json::text(&text, out)))
    }
}

fn reply(answer: Answer, at: Timestamp, limit: Option<usize>, statistics: &str) -> Reply {
    let mut notes = Notes {
        warnings: answer.warnings,
        infos: answer.infos,
    };
    let mut shorten = |length: usize| {
        let limit = limit.unwrap_or(usize::MAX);
        if length > limit {
            notes.truncated();
        }
        limit
    };
    let after = format!("{statistics}}}");
    match answer.value {
        Value::Vector(mut vector) => {
            vector.truncate(shorten(vector.len()));
            let before = "{\"resultType\":\"vector\",\"result\":";
            let member = |member: tidegauge_promql::VectorSample, out: &mut Vec<u8>| {
                json::raw("{\"metric\":", out);
                json::labels(&member.labels, out);
                json::raw(",\"value\":", out);
                point(member.sample, out);
                out.push(b'}');
            };
            Reply::list(before, vector, member, &after, notes)
        }
        Value::Matrix(mut matrix) => {
            matrix.truncate(shorten(matrix.len()));
            let before = "{\"resultType\":\"matrix\",\"result\":";
            let member = |member: tidegauge_promql::MatrixSeries, out: &mut Vec<u8>| {
                json::raw("{\"metric\":", out);
                json::labels(&member.labels, out);
                json::raw(",\"values\":", out);
                json::list(member.samples.iter(), out, point);
                out.push(b'}');
            };
            Reply::list(before, matrix, member, &after, notes)
        }
        Value::Scalar(sample) => single("scalar", &after, notes, |out| {
            pair(
                sample.time,
                |out| {
                    out.push(b'"');
                    // Not as the values of series: never with an exponent.
                    number::decimal(sample.value, out);
                    out.push(b'"');
                },
                out,
            );
        }),
        Value::String(text) => single("string", &after, notes, |out| {
            pair(at, |out| json::text(&text, out), out);
        }),
    }
}

fn single(kind: &str, after: &str, notes: Notes, result: impl FnOnce(&mut Vec<u8>)) -> Reply {
    Reply::noted(
        |out| {
            json::raw(&format!("{{\"resultType\":\"{kind}\",\"result\":"), out);
            result(out);
            json::raw(after, out);
        },
        notes,
    )
}

fn point(sample: Sample, out: &mut Vec<u8>) {
    pair(sample.time, |out| number::value(sample.value, out), out);
}

fn pair(time: Timestamp, second: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    number::seconds(time, out);
    out.push(b',');
    second(out);
    out.push(b']');
}

/// Of these Prometheus tells more, which the engine here does not count: samples of each step, and the most
/// held at one time.
fn statistics(total: Duration, queued: Duration, samples: u64) -> String {
    let mut out = Vec::new();
    json::raw(",\"stats\":{\"timings\":{", &mut out);
    let evaluation = total.saturating_sub(queued);
    for (index, (name, time)) in [
        ("evalTotalTime", evaluation),
        ("resultSortTime", Duration::ZERO),
        ("queryPreparationTime", Duration::ZERO),
        ("innerEvalTime", evaluation),
        ("execQueueTime", queued),
        ("execTotalTime", total),
    ]
    .into_iter()
    .enumerate()
    {
        let comma = if index > 0 { "," } else { "" };
        json::raw(&format!("{comma}\"{name}\":"), &mut out);
        number::number(time.as_secs_f64(), &mut out);
    }
    json::raw(
        &format!("}},\"samples\":{{\"totalQueryableSamples\":{samples}}}}}"),
        &mut out,
    );
    String::from_utf8(out).unwrap_or_default()
}
