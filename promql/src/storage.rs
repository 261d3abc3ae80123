//! What a query is asked of: any store of series.

use std::fmt;
use std::sync::Arc;

use promql_parser::label::Matcher;
use thiserror::Error;

use crate::labels::Labels;
use crate::sample::{Sample, Samples, Timestamp, is_stale};

/// A store could not answer: what, why, and what to do about it.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StorageError(pub String);

/// A store of series. What it gives for one query must be of one state: a writer that works
/// meanwhile may add newer samples, never take away older ones or change them.
pub trait Storage {
    /// The series that all matchers match and that may have a sample in `[from, to]`, in any order, none
    /// twice. (A label that a series lacks has the empty value: [`Labels::matches`].)
    ///
    /// # Errors
    /// What the store says; the query fails with it.
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError>;
}

/// One series of a [`Storage`].
pub trait Series: fmt::Debug + Send + Sync {
    /// Its labels, the metric's name among them.
    fn labels(&self) -> &Labels;

    /// Appends the samples of `[from, to]` in order of time, marks of staleness included.
    fn read(&self, from: Timestamp, to: Timestamp, into: &mut Samples);

    /// The last sample of `[from, to]`, be it a mark of staleness. Stores that know it more cheaply than by
    /// reading all say so here.
    fn last(&self, from: Timestamp, to: Timestamp) -> Option<Sample> {
        let mut samples = Samples::default();
        self.read(from, to, &mut samples);
        samples.last()
    }

    /// The last sample of `[from, to]` unless the series had ended by then.
    fn current(&self, from: Timestamp, to: Timestamp) -> Option<Sample> {
        self.last(from, to).filter(|sample| !is_stale(sample.value))
    }
}

impl<S: Storage + ?Sized> Storage for &S {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        (**self).select(matchers, from, to)
    }
}

impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        (**self).select(matchers, from, to)
    }
}
