//! Writes that the server refused because it has no memory left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind};

/// What an error of kind `Full` lacks, in its context: `memory`, where it is the server's; nothing, where it is a cap.
const LACKS: &str = "lacks";
const MEMORY: &str = "memory";

/// A write that was refused because the server's memory is full.
pub(crate) fn no_memory(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Full, message).with_context(LACKS, MEMORY)
}

/// Whether the error says that the server's memory is full.
pub(crate) fn is_shortage(error: &Error) -> bool {
    error.kind() == ErrorKind::Full && error.context().iter().any(|(key, value)| *key == LACKS && value == MEMORY)
}

/// How many writes of one bus were refused so: whoever sees the count move while it works has, or may have, met one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shortages(Arc<AtomicU64>);

impl Shortages {
    /// Counts the error, if it is one.
    pub(crate) fn note(&self, error: &Error) {
        if is_shortage(error) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// So many so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
