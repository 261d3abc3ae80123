//! `series`, `labels` and `label/…/values`: what there is.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegauge_promql::{Labels, Matcher, StorageError, Timestamp};

use super::Api;
use super::error::{ApiError, quoted};
use super::parameter::{EARLIEST, LATEST, Parameters};
use super::reply::{Notes, Reply};
use super::view::Index;
use super::{json, name, selector};

/// Where to look.
struct Asked {
    limit: Option<usize>,
    from: Timestamp,
    to: Timestamp,
    /// Of each `match[]`.
    sets: Vec<Vec<Matcher>>,
}

impl Asked {
    /// `refuse` words what is wrong with a selector.
    fn read(
        parameters: &Parameters,
        refuse: impl Fn(String) -> ApiError,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.limit()?,
            from: parameters.time_or("start", EARLIEST)?,
            to: parameters.time_or("end", LATEST)?,
            sets: selector::parse_all(parameters.all("match[]")).map_err(refuse)?,
        })
    }

    /// One more than wanted, to know whether there is more.
    fn most(&self) -> usize {
        self.limit
            .map_or(usize::MAX, |limit| limit.saturating_add(1))
    }

    /// What is found for all sets of matchers together, sorted, none twice.
    fn gather<T: Ord>(
        &self,
        find: impl Fn(&[Matcher], usize) -> Result<Vec<T>, StorageError>,
    ) -> Result<Vec<T>, ApiError> {
        match self.sets.as_slice() {
            [] => Ok(find(&[], self.most())?),
            [one] => Ok(find(one, self.most())?),
            more => {
                let mut all = BTreeSet::new();
                for set in more {
                    all.extend(find(set, self.most())?);
                }
                Ok(all.into_iter().collect())
            }
        }
    }
}

impl Api {
    /// `labels`.
    pub(super) async fn labels(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        let asked = Asked::read(parameters, ApiError::bad_data)?;
        let find = |index: &dyn Index, asked: &Asked| {
            asked.gather(|set, most| index.label_names(set, asked.from, asked.to, most))
        };
        self.look_up(asked, find, |name, out| json::text(&name, out))
            .await
    }

    /// `label/…/values`; `escaped` is the name as in the address.
    pub(super) async fn label_values(
        &self,
        escaped: &str,
        parameters: &Parameters,
    ) -> Result<Reply, ApiError> {
        let name = name::unescape(escaped);
        if name.is_empty() {
            return Err(ApiError::bad_data(format!(
                "invalid label name: {}",
                quoted(&name)
            )));
        }
        let asked = Asked::read(parameters, ApiError::bad_data)?;
        let find = move |index: &dyn Index, asked: &Asked| {
            asked.gather(|set, most| index.label_values(&name, set, asked.from, asked.to, most))
        };
        self.look_up(asked, find, |value, out| json::text(&value, out))
            .await
    }

    /// `series`.
    pub(super) async fn series(&self, parameters: &Parameters) -> Result<Reply, ApiError> {
        if parameters.all("match[]").next().is_none() {
            return Err(ApiError::bad_data("no match[] parameter provided"));
        }
        let asked = Asked::read(parameters, |why| ApiError::parameter("match[]", why))?;
        let find = |index: &dyn Index, asked: &Asked| {
            asked.gather(|set, most| index.series(set, asked.from, asked.to, most))
        };
        self.look_up(asked, find, |labels: Labels, out| {
            json::labels(&labels, out)
        })
        .await
    }

    async fn look_up<T: Send + Sync + 'static>(
        &self,
        asked: Asked,
        find: impl FnOnce(&dyn Index, &Asked) -> Result<Vec<T>, ApiError> + Send + 'static,
        write: fn(T, &mut Vec<u8>),
    ) -> Result<Reply, ApiError> {
        let index = Arc::clone(&self.sources.index);
        let limit = asked.limit;
        let mut found = self
            .worker
            .run(None, move |_| find(&*index, &asked))
            .await?;
        let mut notes = Notes::default();
        if let Some(limit) = limit.filter(|limit| found.len() > *limit) {
            found.truncate(limit);
            notes.truncated();
        }
        Ok(Reply::list("", found, write, "", notes))
    }
}
