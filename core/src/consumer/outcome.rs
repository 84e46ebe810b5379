//! How a handler says what is to become of its delivery.

use std::fmt::Display;
use std::time::Duration;

/// The outcome of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Done.
    #[default]
    Ack,
    /// Again later, by the same consumer; the lane waits. Counts as an attempt; after the last one the entry goes to
    /// the dead letters.
    Retry {
        /// When; by the back-off if not given.
        after: Option<Duration>,
        /// Why, for the dead letter.
        error: Option<String>,
    },
    /// To the dead letters, with this reason.
    Reject {
        /// Text for people.
        reason: String,
    },
    /// Given back, not counted as an attempt.
    Release,
}

impl Outcome {
    /// Again by the back-off.
    pub fn retry() -> Self {
        Self::Retry { after: None, error: None }
    }

    /// Again after this time.
    pub fn retry_after(after: Duration) -> Self {
        Self::Retry { after: Some(after), error: None }
    }

    /// To the dead letters.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject { reason: reason.into() }
    }
}

impl From<()> for Outcome {
    /// Nothing said is done.
    fn from((): ()) -> Self {
        Self::Ack
    }
}

/// Why a handler failed: the text of any error, so that `?` works on all of them. Failing means retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError(String);

impl<E: Display> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a handler returns: an outcome or nothing (ack), or an error (retry).
pub type HandlerResult<O = Outcome> = std::result::Result<O, HandlerError>;

pub(super) fn outcome_of<O: Into<Outcome>>(result: HandlerResult<O>) -> Outcome {
    match result {
        Ok(outcome) => outcome.into(),
        Err(HandlerError(error)) => Outcome::Retry { after: None, error: Some(error) },
    }
}
