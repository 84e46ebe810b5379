//! Things that belong to the process that made them.
//!
//! After a fork the child has copies of everything and of no thread that drives it. So every access compares the
//! process, and what belongs to the parent is never dropped in the child: its locks may be held for ever.

use pyo3::prelude::*;
use sg::host::Host;
use stargazer_core as sg;

use crate::error::raise;

/// A value of one process.
pub(crate) struct Owned<T> {
    /// Always there; an option only so that it can be forgotten.
    value: Option<T>,
    host: &'static Host,
}

impl<T> Owned<T> {
    pub(crate) fn new(host: &'static Host, value: T) -> Self {
        Self { value: Some(value), host }
    }

    /// The value, or `ForkedError` in another process.
    pub(crate) fn get(&self) -> PyResult<&T> {
        self.host.of_this_process().map_err(raise)?;
        self.value.as_ref().ok_or_else(|| raise(sg::Error::internal("a handle lost what it stands for")))
    }

    pub(crate) fn host(&self) -> &'static Host {
        self.host
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.host.of_this_process().is_err() {
            std::mem::forget(self.value.take());
        }
    }
}
