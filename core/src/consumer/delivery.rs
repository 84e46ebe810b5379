//! A delivery: an entry in a handler's hands, with the power to settle it.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::cancel::Cancel;
use super::machine::{Ended, Started};
use super::outcome::Outcome;
use super::shared::Shared;
use crate::envelope::{Envelope, ToolRequest, Value, codec, count_lives, first_life};
use crate::error::{Error, Result};
use crate::publish::{Origin, Publisher, Refused};
use crate::topology::{Name, encode, field as name};
use crate::transport::{EntryId, Fence, field, is_shortage};

/// An entry handed to a handler.
///
/// Settle it once; the first outcome counts. Dropped without one, it is released: given back and handed out again
/// by the same consumer, not counted as an attempt.
#[derive(Debug)]
pub struct Delivery<T = Value> {
    pub(super) inner: Arc<Inner>,
    body: PhantomData<fn() -> T>,
}

#[derive(Debug)]
pub(super) struct Inner {
    shared: Arc<Shared>,
    started: Started,
    cancel: Arc<Cancel>,
    settled: AtomicBool,
    origin: OnceLock<Arc<Origin>>,
    /// Whether what was published last in its name found no room.
    refused: Arc<Refused>,
    /// When it was handed out, by the clock of the bus.
    since: Duration,
}

impl<T> Delivery<T> {
    pub(super) fn new(shared: Arc<Shared>, started: Started) -> Self {
        let cancel = shared.cancel_of(started.ticket);
        let (settled, origin, refused) = (AtomicBool::new(false), OnceLock::new(), Arc::default());
        let since = shared.bus.clock().now();
        Self { inner: Arc::new(Inner { shared, started, cancel, settled, origin, refused, since }), body: PhantomData }
    }

    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.inner.started.id
    }

    /// The stream it came from.
    pub fn stream(&self) -> &Name {
        &self.inner.shared.group.stream
    }

    /// Its lane; `None` when it has none.
    pub fn lane(&self) -> Option<&str> {
        self.inner.started.lane.as_ref().and_then(|lane| std::str::from_utf8(lane).ok())
    }

    /// Which start this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.inner.started.attempt
    }

    /// Whether the entry was, or may have been, handed to a handler before, also in an earlier life.
    pub fn redelivered(&self) -> bool {
        self.inner.started.redelivered || self.replays() > 0
    }

    /// How often the entry was put back from the dead letters; attempts are counted anew each time.
    pub fn replays(&self) -> u32 {
        self.field(name::HISTORY).map_or(0, |history| count_lives(history))
    }

    /// The msgpack bytes of the body; empty when the entry has none.
    pub fn raw(&self) -> Bytes {
        self.field(name::DATA).cloned().unwrap_or_default()
    }

    /// A field of the entry as it came.
    pub fn field(&self, name: &str) -> Option<&Bytes> {
        field(&self.inner.started.fields, name)
    }

    /// The trace id, `""` when there is none.
    pub fn trace_id(&self) -> &str {
        self.text(name::TRACE_ID).unwrap_or_default()
    }

    /// W3C `traceparent`, if it was published with one.
    pub fn traceparent(&self) -> Option<&str> {
        self.text(name::TRACEPARENT)
    }

    /// W3C `tracestate`, if it was published with one.
    pub fn tracestate(&self) -> Option<&str> {
        self.text(name::TRACESTATE)
    }

    /// The message id it was published under.
    pub fn message_id(&self) -> Option<&str> {
        self.text(name::MID)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The body as a plain value.
    pub fn value(&self) -> Result<Value> {
        Value::decode_with(&self.raw(), &self.inner.shared.bus.limits())
    }

    /// The body as a type of your own. Where it does not fit, [`Delivery::refuse`] says so.
    pub fn decode<D: DeserializeOwned>(&self) -> Result<D> {
        codec::from_slice(&self.raw(), &self.inner.shared.bus.limits())
    }

    /// The bus as this delivery may use it: what is published through it is refused with `Stale` once the delivery
    /// is no longer ours.
    pub fn bus(&self) -> Publisher {
        let fence = Fence {
            consumers: self.inner.shared.group.keys.consumers.clone(),
            session: self.inner.started.session.clone(),
        };
        let origin = self.inner.origin.get_or_init(|| Arc::new(self.origin()));
        self.inner.shared.bus.of_delivery(Arc::new(fence), origin.clone())
    }

    /// [`Delivery::bus`] for what is done for a request: for whom, until when, and what remembers it, the request says.
    pub(crate) fn bus_for(&self, request: ToolRequest) -> Publisher {
        self.bus().with_origin(Arc::new(self.origin().for_request(request)))
    }

    /// What is published in its name knows of it.
    fn origin(&self) -> Origin {
        let group = &self.inner.shared.group;
        // One that was put back is the entry of its first life, under another id.
        let first = self.field(name::HISTORY).and_then(first_life);
        let id = first.unwrap_or_else(|| self.id().to_string());
        let turn = format!("{}:{}:{id}", group.stream, encode(&group.name));
        let text = |name| self.text(name).map(str::to_owned);
        let mut origin = Origin::new(turn, self.redelivered(), self.raw());
        origin.refused = self.inner.refused.clone();
        origin.trace_id = text(name::TRACE_ID).unwrap_or_default();
        (origin.traceparent, origin.tracestate) = (text(name::TRACEPARENT), text(name::TRACESTATE));
        origin
    }

    /// Says that its handler is about to run; `false`: it must not, and was given back: it was cancelled, or its lease ended,
    /// before it could.
    ///
    /// Whoever took it by [`Consumer::take`](super::Consumer::take) calls this first. Nearly always it answers at once. A
    /// delivery whose process may have died of it runs alone in its process, and its start is written down before
    /// (one round trip), so that a death is held against it only if it was running.
    pub async fn begin(&self) -> bool {
        if !self.is_suspect() {
            return self.begin_now();
        }
        let go = self.is_ours() && self.inner.shared.begin(self.inner.started.ticket, &self.inner.cancel).await;
        self.go_or_give_up(go)
    }

    /// [`Delivery::begin`] of one that is no suspect: nothing has to be waited for.
    pub fn begin_now(&self) -> bool {
        let go = self.is_ours() && !self.is_cancelled();
        self.go_or_give_up(go)
    }

    /// Whoever stood still since it was handed out learns here that the lease is over.
    fn is_ours(&self) -> bool {
        self.inner.shared.look_at_lease(self.inner.started.ticket)
    }

    fn go_or_give_up(&self, go: bool) -> bool {
        if !go {
            // Giving back what has gone already is no news.
            let _ = self.inner.give_up();
        }
        go
    }

    /// Whether [`Delivery::begin`] waits for its start to be written down.
    pub fn is_suspect(&self) -> bool {
        self.inner.started.suspect
    }

    /// Whether the handler should end: the work has, or may have, gone to another consumer, it ran too long, or the
    /// consumer closes.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancel.is_set()
    }

    /// Ends when the handler should.
    pub async fn cancelled(&self) {
        self.inner.cancel.cancelled().await;
    }

    /// Reports an outcome. It is collected and leaves with the next burst; trouble comes up at the consumer's next
    /// `next`, or at `close`. Later outcomes of the same delivery are ignored.
    pub fn settle(&self, outcome: Outcome) -> Result<()> {
        self.inner.settle(outcome)
    }

    /// Says that the body is not what its reader expects, though it could be decoded: it goes to the dead letters as one that
    /// could not, with the error's code as the reason, and is not tried again.
    pub fn refuse(&self, error: &Error) -> Result<()> {
        self.inner.end(Ended::Refuse { code: error.code(), text: error.to_string() })
    }

    /// Reports the outcome of a handler that was ended because the delivery is cancelled: one that ran too long is
    /// retried, any other is given back.
    pub fn give_up(&self) -> Result<()> {
        self.inner.give_up()
    }

    /// The same delivery for those who do not care what kind of body it has.
    pub fn untyped(self) -> Delivery {
        Delivery { inner: self.inner, body: PhantomData }
    }

    /// Done.
    #[allow(clippy::unused_async)] // may wait once outcomes can be confirmed one by one
    pub async fn ack(self) -> Result<()> {
        self.settle(Outcome::Ack)
    }

    /// Again later: after this time, or by the back-off.
    #[allow(clippy::unused_async)]
    pub async fn retry(self, after: Option<Duration>) -> Result<()> {
        self.settle(Outcome::Retry { after, error: None })
    }

    /// To the dead letters.
    #[allow(clippy::unused_async)]
    pub async fn reject(self, reason: impl Into<String>) -> Result<()> {
        self.settle(Outcome::reject(reason))
    }

    /// Given back, not counted.
    #[allow(clippy::unused_async)]
    pub async fn release(self) -> Result<()> {
        self.settle(Outcome::Release)
    }
}

impl<T: Envelope> Delivery<T> {
    /// The body.
    pub fn data(&self) -> Result<T> {
        // The body was checked when it arrived: only then is an entry handed out.
        T::decode_checked(&self.raw(), &self.inner.shared.bus.limits())
    }
}

impl Inner {
    pub(super) fn settle(&self, outcome: Outcome) -> Result<()> {
        self.end(match outcome {
            Outcome::Ack => Ended::Ack,
            Outcome::Retry { after, error } => Ended::Retry { after, error },
            Outcome::Reject { reason } => Ended::Reject { reason },
            Outcome::Release => Ended::Release,
        })
    }

    fn end(&self, how: Ended) -> Result<()> {
        if self.settled.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let how = match how {
            Ended::Retry { after, error } => match self.refused() {
                Some(cause) => self.no_room(after, error, &cause),
                None => Ended::Retry { after, error },
            },
            Ended::Release => match self.refused() {
                Some(cause) => self.no_room(None, None, &cause),
                None => Ended::Release,
            },
            how => how,
        };
        self.shared.hand_back(self.started.ticket, how)
    }

    /// Why its handler found no room, or may have found none: its own last publish was refused, or, since nobody knows what it does with
    /// a bus of its own, a write of the bus was refused for want of memory shortly before.
    fn refused(&self) -> Option<Error> {
        let bus = &self.shared.bus;
        let met = || bus.shortages().met(self.since, bus.config().publish_timeout);
        self.refused.why().or_else(|| if self.shared.writes { met() } else { None })
    }

    fn no_room(&self, after: Option<Duration>, error: Option<String>, cause: &Error) -> Ended {
        let memory = self.shared.writes && is_shortage(cause);
        let error = error.unwrap_or_else(|| cause.to_string());
        let (stream, group) = (&*self.shared.group.stream, &*self.shared.group.name);
        let id = self.started.id;
        tracing::info!(stream, group, %id, error, memory, "a handler found no room; its message comes again, uncounted");
        Ended::NoRoom { after, memory, error }
    }

    pub(super) fn give_up(&self) -> Result<()> {
        self.settle(Outcome::Release)
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Releasing cannot fail: a consumer that has ended released everything itself.
        let _ = self.settle(Outcome::Release);
    }
}
