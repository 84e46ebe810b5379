//! A sign to end: given once, seen by everybody who holds it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// Why something was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// The caller does not want the answer any more.
    Caller,
    /// The request's deadline has passed: nobody waits any more.
    Deadline,
    /// It ran longer than it may.
    Timeout,
    /// The process that runs it closes, or the work has gone to another one.
    Abandoned,
}

impl CancelReason {
    /// The word for it, the same in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Deadline => "deadline",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Tells what runs to end. Cheap to clone; all clones are one sign. The first reason stays.
#[derive(Clone)]
pub struct Cancel(Arc<watch::Sender<Option<CancelReason>>>);

impl Cancel {
    /// A sign that is not given yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Gives the sign, as the caller.
    pub fn cancel(&self) {
        self.cancel_for(CancelReason::Caller);
    }

    /// Gives the sign for a reason.
    pub fn cancel_for(&self, reason: CancelReason) {
        self.0.send_if_modified(|given| {
            let first = given.is_none();
            given.get_or_insert(reason);
            first
        });
    }

    /// Whether it was given.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Why it was given; `None` as long as it was not.
    pub fn reason(&self) -> Option<CancelReason> {
        *self.0.borrow()
    }

    /// Ends when the sign is given. Safe to drop while waiting.
    pub async fn cancelled(&self) -> CancelReason {
        let mut given = self.0.subscribe();
        loop {
            if let Some(reason) = *given.borrow_and_update() {
                return reason;
            }
            if given.changed().await.is_err() {
                // We hold the sender ourselves.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.reason()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_everybody_sees_it() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        assert_eq!((other.is_cancelled(), other.reason()), (false, None));
        let waiting = tokio::spawn(async move { other.cancelled().await });
        tokio::task::yield_now().await;
        cancel.cancel_for(CancelReason::Deadline);
        cancel.cancel();
        assert_eq!(waiting.await.unwrap(), CancelReason::Deadline);
        assert_eq!(cancel.cancelled().await, CancelReason::Deadline, "also for those who look later");
    }
}
