//! Writes that the server refused because it has no memory left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
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

/// The writes of one bus that were refused so. What its programs write by themselves says for nobody; who saw one refused while he
/// worked, and not long ago, may have met it.
#[derive(Debug, Clone)]
pub(crate) struct Shortages {
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<(Duration, Error)>>>,
}

impl Shortages {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: Arc::default() }
    }

    /// Takes note of the error, if it is one.
    pub(crate) fn note(&self, error: &Error) {
        if is_shortage(error) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.clock.now(), error.clone()));
        }
    }

    /// The last one, if it came at or after this time and no longer ago than that.
    pub(crate) fn met(&self, since: Duration, within: Duration) -> Option<Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = last.as_ref()?;
        (*at >= since && self.clock.now().saturating_sub(*at) <= within).then(|| error.clone())
    }
}
