//! `status/tsdb`: which metrics and labels make the most series.

use std::collections::HashMap;
use std::sync::Arc;

use tidegauge_promql::{Labels, METRIC_NAME};

use super::error::ApiError;
use super::parameter::{EARLIEST, LATEST, Parameters};
use super::reply::Reply;
use super::{Api, json};

/// Of each ranking, unless asked for otherwise.
const MOST: usize = 10;

/// A name and a number, the greatest first.
type Ranking = Vec<(String, u64)>;

/// What is counted over all series, as Prometheus counts it (`MemPostings.Stats`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Cardinality {
    series: u64,
    label_pairs: u64,
    of_metrics: Ranking,
    values_of_labels: Ranking,
    bytes_of_labels: Ranking,
    of_pairs: Ranking,
}

impl Cardinality {
    fn of(all: &[Labels], most: usize) -> Self {
        let mut pairs: HashMap<(&str, &str), u64> = HashMap::new();
        for labels in all {
            for pair in labels.iter() {
                *pairs.entry(pair).or_default() += 1;
            }
        }
        let (mut values, mut bytes) = (HashMap::new(), HashMap::new());
        for ((name, value), count) in &pairs {
            *values.entry(*name).or_default() += 1;
            *bytes.entry(*name).or_default() += count * value.len() as u64;
        }
        let of_metrics = pairs.iter().filter(|((name, _), _)| *name == METRIC_NAME);
        let of_metrics = of_metrics.map(|((_, metric), count)| ((*metric).to_owned(), *count));
        let named = |counts: HashMap<&str, u64>| -> Ranking {
            let owned = counts.into_iter().map(|(name, n)| (name.to_owned(), n));
            ranked(owned.collect(), most)
        };
        let of_pairs = pairs
            .iter()
            .map(|((n, v), count)| (format!("{n}={v}"), *count));
        Self {
            series: all.len() as u64,
            label_pairs: pairs.len() as u64,
            of_metrics: ranked(of_metrics.collect(), most),
            of_pairs: ranked(of_pairs.collect(), most),
            values_of_labels: named(values),
            bytes_of_labels: named(bytes),
        }
    }
}

fn ranked(mut all: Ranking, most: usize) -> Ranking {
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(most);
    all
}

impl Api {
    /// `status/tsdb`. There is no count of chunks, and no times before there are any.
    pub(super) async fn tsdb(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let most = match parameters.get("limit") {
            "" => MOST,
            limit => match limit.parse() {
                Ok(most) if most > 0 => most,
                _ => return Err(ApiError::bad_data("limit must be a positive number")),
            },
        };
        let index = Arc::clone(&self.sources.index);
        let count = move |_: &_| {
            let series = index.series(&[], EARLIEST, LATEST, usize::MAX)?;
            Ok((Cardinality::of(&series, most), index.span()))
        };
        let (found, span) = self.worker.run(None, count).await?;
        Ok(Reply::of(|out| {
            let (series, pairs) = (found.series, found.label_pairs);
            let head =
                format!("{{\"headStats\":{{\"numSeries\":{series},\"numLabelPairs\":{pairs}");
            json::raw(&head, out);
            if let Some((from, to)) = span {
                json::raw(&format!(",\"minTime\":{from},\"maxTime\":{to}"), out);
            }
            out.push(b'}');
            for (key, ranking) in [
                ("seriesCountByMetricName", found.of_metrics),
                ("labelValueCountByLabelName", found.values_of_labels),
                ("memoryInBytesByLabelName", found.bytes_of_labels),
                ("seriesCountByLabelValuePair", found.of_pairs),
            ] {
                json::raw(&format!(",\"{key}\":"), out);
                json::list(&ranking, out, |(name, value), out| {
                    json::raw("{\"name\":", out);
                    json::text(name, out);
                    json::raw(&format!(",\"value\":{value}}}"), out);
                });
            }
            out.push(b'}');
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_as_prometheus_does() {
        let series = [
            Labels::new([("__name__", "a"), ("tier", "hot")]),
            Labels::new([("__name__", "a"), ("tier", "cold")]),
            Labels::new([("__name__", "b"), ("tier", "hot")]),
        ];
        let found = Cardinality::of(&series, 2);
        let named = |list: &[(&str, u64)]| -> Ranking {
            list.iter()
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect()
        };
        assert_eq!((found.series, found.label_pairs), (3, 4));
        assert_eq!(found.of_metrics, named(&[("a", 2), ("b", 1)]));
        assert_eq!(
            found.values_of_labels,
            named(&[("__name__", 2), ("tier", 2)])
        );
        assert_eq!(
            found.bytes_of_labels,
            named(&[("tier", 10), ("__name__", 3)])
        );
        assert_eq!(found.of_pairs, named(&[("__name__=a", 2), ("tier=hot", 2)]));
    }
}
