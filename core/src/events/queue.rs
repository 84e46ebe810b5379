//! Events that wait to be sent: bounded, in their order, with counts of what became of them.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::transport::EntryId;

/// How many events wait at most; the newest go beyond it.
pub(super) const CAPACITY: usize = 10_000;

/// How many leave together, and how many bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Of a streak of failures the first is told, and then every so many.
const TELL_EVERY: u64 = 100;

/// What became of the events of an [`EventBus`](super::EventBus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EventStats {
    /// Stored.
    pub published: u64,
    /// Never sent: the queue was full or closed, the event too large, or the time at the end too short.
    pub dropped: u64,
    /// Sent in vain, or perhaps not: the server refused or did not answer.
    pub failed: u64,
    /// Publishes that were told nothing because the server was too slow; the events were queued all the same.
    pub late: u64,
    /// Waiting, or being sent.
    pub queued: u64,
}

/// An event that waits.
pub(super) struct Item {
    pub(super) body: Bytes,
    /// Told the id, or that there is none.
    pub(super) tell: Option<oneshot::Sender<Option<EntryId>>>,
    /// Whoever published it waits for one attempt and no more.
    pub(super) once: bool,
}

impl Item {
    pub(super) fn end(self, id: Option<EntryId>) {
        if let Some(tell) = self.tell {
            // Nobody waits any more.
            let _ = tell.send(id);
        }
    }
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Item>,
    under_way: usize,
    pub(super) closed: bool,
    pub(super) stats: EventStats,
    failures: u64,
    overflowing: bool,
}

impl Queue {
    /// Events that wait or are being sent.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.under_way
    }

    /// Takes an event in; whether there was room.
    pub(super) fn push(&mut self, item: Item, stream: &str) -> bool {
        let full = self.len() >= CAPACITY;
        if full || self.closed {
            self.stats.dropped += 1;
            item.end(None);
            if full && !std::mem::replace(&mut self.overflowing, true) {
                tracing::warn!(stream, waiting = CAPACITY, "too many events wait; new ones are dropped for now");
            }
            return false;
        }
        self.waiting.push_back(item);
        true
    }

    /// The events that leave next.
    pub(super) fn batch(&mut self) -> Vec<Item> {
        let mut bytes = 0;
        let fits = self.waiting.iter().take(BATCH).take_while(|item| {
            bytes += item.body.len();
            bytes <= BATCH_BYTES
        });
        let count = fits.count().max(1).min(self.waiting.len());
        self.under_way = count;
        self.waiting.drain(..count).collect()
    }

    /// They were stored.
    pub(super) fn stored(&mut self, batch: Vec<Item>, ids: impl Iterator<Item = Option<EntryId>>, stream: &str) {
        self.under_way = 0;
        self.overflowing = false;
        self.stats.published += batch.len() as u64;
        for (item, id) in batch.into_iter().zip(ids) {
            item.end(id);
        }
        let failures = std::mem::take(&mut self.failures);
        if failures > 0 {
            tracing::info!(stream, failures, "events are stored again");
        }
    }

    /// They were not stored. Those that were surely not, and may be later, wait again in front of the others.
    pub(super) fn failed(&mut self, batch: Vec<Item>, again: bool, error: &Error, stream: &str) {
        self.under_way = 0;
        let (kept, lost): (Vec<_>, Vec<_>) = batch.into_iter().partition(|item| again && !item.once);
        self.stats.failed += lost.len() as u64;
        for item in lost {
            item.end(None);
        }
        for item in kept.into_iter().rev() {
            self.waiting.push_front(item);
        }
        self.failures += 1;
        if self.failures == 1 || self.failures.is_multiple_of(TELL_EVERY) {
            tracing::warn!(stream, failures = self.failures, %error, "events cannot be published; told again after a hundred");
        }
    }

    /// Gives up what is left.
    pub(super) fn give_up(&mut self) {
        self.closed = true;
        self.stats.dropped += self.len() as u64;
        self.under_way = 0;
        for item in self.waiting.drain(..) {
            item.end(None);
        }
    }
}
