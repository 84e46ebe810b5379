//! Listening on channels: what is told there reaches those who listen at that moment, and nobody else.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::topology::Name;

/// How many notifications wait for a reader; those after them are counted as missed.
const WAITING: usize = 1024;

/// What a subscription hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something was told on a channel.
    Notification {
        /// The channel.
        channel: Name,
        /// What was told.
        payload: Bytes,
    },
    /// The connection was lost and is there again. What was told meanwhile is gone: look again at what it was about.
    Resubscribed,
    /// So many were not kept because they were not read in time: look again at what they were about.
    Missed(u64),
}

/// An open ear on some channels. Dropping it ends it.
pub struct Subscription {
    queue: mpsc::Receiver<Heard>,
    missed: Arc<AtomicU64>,
    _end: Box<dyn std::any::Any + Send + Sync>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

impl Subscription {
    /// A subscription and the end that is told; `end` is dropped with it.
    pub(crate) fn new(end: impl std::any::Any + Send + Sync) -> (Self, Ear) {
        let (tell, queue) = mpsc::channel(WAITING);
        let missed = Arc::new(AtomicU64::new(0));
        (Self { queue, missed: missed.clone(), _end: Box::new(end) }, Ear { tell, missed })
    }

    /// What is heard next; waits for it, also through an outage. `Closed` once the bus is. Safe to drop.
    pub async fn next(&mut self) -> Result<Heard> {
        match self.missed.swap(0, Ordering::AcqRel) {
            0 => self.queue.recv().await.ok_or_else(|| Error::closed("subscription")),
            missed => Ok(Heard::Missed(missed)),
        }
    }
}

/// The end of a subscription that is told.
#[derive(Debug, Clone)]
pub(crate) struct Ear {
    tell: mpsc::Sender<Heard>,
    missed: Arc<AtomicU64>,
}

impl Ear {
    /// Tells it; counts what does not fit any more.
    pub(crate) fn tell(&self, heard: Heard) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.tell.try_send(heard) {
            self.missed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_counted() {
        let (mut subscription, ear) = Subscription::new(());
        for _ in 0..WAITING + 3 {
            ear.tell(Heard::Resubscribed);
        }
        assert_eq!(subscription.next().await.unwrap(), Heard::Missed(3));
        assert_eq!(subscription.next().await.unwrap(), Heard::Resubscribed);
        drop(ear);
        for _ in 1..WAITING {
            subscription.next().await.unwrap();
        }
        assert_eq!(subscription.next().await.unwrap_err().code(), "closed");
    }
}
