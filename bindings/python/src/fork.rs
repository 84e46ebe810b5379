//! Things that belong to the process that made them.
//!
//! After a fork the child has copies of everything and of no thread that drives it. So every access compares the
//! process, and what belongs to the parent is never dropped in the child: its locks may be held for ever.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use sg::host::Host;
use stargazer_core as sg;

use crate::error::raise;

/// How often this process descends from another by a fork, as far as the interpreter knows. Asking the system for the
/// process at every access would cost more than most accesses do.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Says that this process is a child now; the package lets the interpreter call it after every fork.
#[pyfunction]
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// A value of one process.
pub(crate) struct Owned<T> {
    /// Always there; an option only so that it can be forgotten.
    value: Option<T>,
    host: &'static Host,
    forks: u32,
}

impl<T> Owned<T> {
    pub(crate) fn new(host: &'static Host, value: T) -> Self {
        Self { value: Some(value), host, forks: forks() }
    }

    /// The value, or `ForkedError` in another process.
    pub(crate) fn get(&self) -> PyResult<&T> {
        if !self.is_ours() {
            self.host.of_this_process().map_err(raise)?;
        }
        self.value.as_ref().ok_or_else(|| raise(sg::Error::internal("a handle lost what it stands for")))
    }

    fn is_ours(&self) -> bool {
        self.forks == forks()
    }

    pub(crate) fn host(&self) -> &'static Host {
        self.host
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            std::mem::forget(self.value.take());
        }
    }
}
