//! Consumers: readers of a group, by pull or with a handler.
//!
//! All policy stands in [`machine`], which is pure; [`driver`] carries out what it decides. A consumer's driver is
//! one task, spawned when the consumer is opened; it ends when the consumer has closed, after the last outcome was
//! reported, or with the process, in which case others take over what was in hand once the lease is over.

mod builder;
mod cancel;
mod company;
mod content;
mod delivery;
mod driver;
mod handler;
mod limit;
mod locking;
mod log;
#[cfg(not(feature = "proving"))]
pub(crate) mod machine;
#[cfg(feature = "proving")]
#[doc(hidden)]
pub mod machine;
mod notices;
mod outcome;
mod paged;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod traces;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::time::Duration;

use tokio::sync::broadcast;

pub use builder::ConsumerBuilder;
pub use delivery::Delivery;
pub use limit::TimeLimit;
pub use machine::Notice;
pub use notices::Notices;
pub use outcome::{HandlerError, HandlerResult, Outcome};

use crate::envelope::{Envelope, Value};
use crate::error::Result;
use crate::transport::Group;
use shared::Shared;

/// A running reader of a group. Pull from it ([`Consumer::next`]) or give it a handler ([`Consumer::run`]).
///
/// Close it: what is in hand is then released at once. Dropped without closing, it drains in the background, says so
/// in the log, and what it cannot give back runs elsewhere after a lease.
#[derive(Debug)]
pub struct Consumer<T = Value> {
    shared: Arc<Shared>,
    closed: AtomicBool,
    body: PhantomData<fn() -> T>,
}

impl<T: Envelope> Consumer<T> {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, closed: AtomicBool::new(false), body: PhantomData }
    }

    /// The next delivery; `None` once the consumer is closed.
    ///
    /// Also the place where trouble of earlier outcomes comes up: `Stale` when one was refused because the work had
    /// gone to another consumer. Safe to drop while waiting: nothing is lost.
    pub async fn next(&self) -> Result<Option<Delivery<T>>> {
        loop {
            let Some(delivery) = self.take().await? else { return Ok(None) };
            if delivery.begin().await {
                return Ok(Some(delivery));
            }
        }
    }

    /// [`Consumer::next`] for those who build a handler form of their own: they call [`Delivery::begin`] when the handler is
    /// about to run.
    pub async fn take(&self) -> Result<Option<Delivery<T>>> {
        loop {
            let notified = self.shared.arrival();
            if let Some(started) = self.shared.take_one()? {
                return Ok(Some(Delivery::new(self.shared.clone(), started)));
            }
            if self.shared.has_ended()? {
                return Ok(None);
            }
            notified.await;
        }
    }

    /// [`Consumer::next`] with a time limit; `Timeout` when nothing came.
    pub async fn next_timeout(&self, limit: Duration) -> Result<Option<Delivery<T>>> {
        self.within(&TimeLimit::new(limit), self.next()).await
    }

    /// [`Consumer::take`] with a time limit, over several calls with the same one; `Timeout` when nothing came.
    pub async fn take_within(&self, limit: &TimeLimit) -> Result<Option<Delivery<T>>> {
        self.within(limit, self.take()).await
    }

    async fn within(
        &self,
        limit: &TimeLimit,
        next: impl Future<Output = Result<Option<Delivery<T>>>>,
    ) -> Result<Option<Delivery<T>>> {
        limit.over(&*self.shared.clock, &self.shared.group.stream, next).await
    }

    /// Waits for at least one delivery and gives what is there, at most `max`; empty once the consumer is closed.
    pub async fn next_batch(&self, max: usize) -> Result<Vec<Delivery<T>>> {
        loop {
            let taken = self.take_batch(max).await?;
            let (ended, mut batch) = (taken.is_empty(), Vec::with_capacity(taken.len()));
            for delivery in taken {
                if delivery.begin().await {
                    batch.push(delivery);
                }
            }
            if ended || !batch.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// [`Consumer::next_batch`] for those who build a handler form of their own, see [`Consumer::take`].
    pub async fn take_batch(&self, max: usize) -> Result<Vec<Delivery<T>>> {
        let Some(first) = self.take().await? else { return Ok(Vec::new()) };
        let mut batch = vec![first];
        let rest = self.shared.take_many(max.saturating_sub(1));
        batch.extend(rest.into_iter().map(|started| Delivery::new(self.shared.clone(), started)));
        Ok(batch)
    }

    /// What is there already, at most `max`, without waiting and without a runtime; each is to be begun, see
    /// [`Consumer::take`].
    pub fn try_next_batch(&self, max: usize) -> Result<Vec<Delivery<T>>> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let first = self.shared.take_one()?;
        let rest = if first.is_some() { self.shared.take_many(max - 1) } else { Vec::new() };
        Ok(first.into_iter().chain(rest).map(|started| Delivery::new(self.shared.clone(), started)).collect())
    }

    /// Waits until everything that can be seen has been finished and reported, retries included. What was published
    /// before the call can be seen.
    pub async fn idle(&self) -> Result<()> {
        let mut fresh = true;
        loop {
            let notified = self.shared.change();
            if self.shared.probe_idle(std::mem::take(&mut fresh)) || self.shared.has_ended()? {
                return Ok(());
            }
            notified.await;
        }
    }

    /// What happens besides deliveries: dead letters, adoptions, a group made again. Those who read too slowly miss
    /// the oldest.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.shared.notices.subscribe()
    }

    /// [`Consumer::notices`] to be read one by one until the consumer has ended.
    pub fn listen(&self) -> Notices {
        // In this order: what ends in between is told.
        let receiver = self.shared.notices.subscribe();
        Notices::new(receiver, self.shared.ending().is_some())
    }

    /// The group it reads.
    pub fn group(&self) -> &Group {
        &self.shared.group
    }

    /// For those who build a handler form of their own: as long as it is on, whoever takes a delivery settles it, and
    /// ends its handler when it is cancelled ([`Notice::HandlersCancelled`] says when to look). Outcomes that were
    /// refused are then logged instead of coming up at `next`, where a loop over handlers could do nothing about them.
    pub fn serve_handlers(&self, on: bool) {
        self.shared.serve_handlers(on);
    }

    /// Ends it: no new work, handlers and deliveries in hand get `drain_timeout`, the rest is released for immediate
    /// pick-up by others. May be called twice.
    pub async fn close(&self) -> Result<()> {
        self.close_within(self.shared.drain_timeout).await
    }

    /// [`Consumer::close`] with another time for what is in hand; zero releases it at once.
    pub async fn close_within(&self, drain_timeout: Duration) -> Result<()> {
        self.closed.store(true, Atomic::Release);
        self.shared.drain(drain_timeout);
        loop {
            let notified = self.shared.change();
            if let Some(result) = self.shared.ending() {
                return result;
            }
            notified.await;
        }
    }

    /// Begins to close without waiting: nothing new is handed out.
    pub fn stop(&self) {
        self.closed.store(true, Atomic::Release);
        self.shared.drain(self.shared.drain_timeout);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        if !self.closed.load(Atomic::Acquire) && self.shared.ending().is_none() {
            tracing::warn!(
                stream = &*self.shared.group.stream,
                group = &*self.shared.group.name,
                "a consumer was dropped without `close`; what it held is released in the background"
            );
            self.shared.drain(Duration::ZERO);
        }
    }
}
