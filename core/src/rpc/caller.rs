//! The calling side of a bus: what is under way, and what becomes of it.
//!
//! A call is one publish and one reply. All calls of a bus share one reply stream and one reader ([`super::reader`]).
//! A call that ends without its answer (out of time, cancelled, dropped) tells whoever runs it, in the background.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::presence::Presence;
use super::reader::Reader;
use super::{notices, wire};
use crate::clock::Clock;
use crate::config::CallConfig;
use crate::envelope::{Limits, ToolReply};
use crate::error::{Error, Result};
use crate::publish::{Companion, Publisher};
use crate::store::Store;
use crate::topology::Name;

/// What the calls of a bus have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CallFigures {
    /// Calls that wait for their answer.
    pub in_flight: u64,
    /// Answers to calls that had ended already: dropped.
    pub late: u64,
    /// Entries of the reply stream that are no answers: dropped.
    pub malformed: u64,
}

/// The calls of one bus.
pub(super) struct Calls {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) config: CallConfig,
    pub(super) presence: Presence,
    /// Where the answers come.
    pub(super) replies: Name,
    waiting: Mutex<Waiting>,
    opened: OnceCell<()>,
    notices: mpsc::UnboundedSender<notices::Ended>,
    /// Until the calls are opened.
    unsent: Mutex<Option<mpsc::UnboundedReceiver<notices::Ended>>>,
    late: AtomicU64,
    malformed: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<String, Waiter>,
    tasks: Vec<JoinHandle<()>>,
    closed: bool,
}

/// Who waits for an answer.
struct Waiter {
    tell: oneshot::Sender<ToolReply>,
    /// Stream of the request, and until when somebody waits.
    stream: Name,
    deadline_ms: u64,
}

impl Publisher {
    /// What the calls of this bus have come to.
    pub fn call_figures(&self) -> CallFigures {
        self.calls().figures()
    }

    pub(super) fn calls(&self) -> Arc<Calls> {
        self.companion(|| Calls::new(self))
    }
}

impl Calls {
    fn new(bus: &Publisher) -> Arc<Self> {
        let config = bus.config().calls.clone();
        let random = Uuid::new_v4().simple().to_string();
        let worker = format!("{}-{}", config.name, &random[..12]);
        let (notices, unsent) = mpsc::unbounded_channel();
        Arc::new(Self {
            store: bus.store(),
            clock: bus.clock().clone(),
            limits: bus.limits(),
            presence: Presence::new(bus.store(), bus.transport().clone(), bus.clock().clone()),
            replies: bus.topology().tools_reply_stream(&worker),
            config,
            waiting: Mutex::default(),
            opened: OnceCell::new(),
            notices,
            unsent: Mutex::new(Some(unsent)),
            late: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the reply stream and starts to read it, once. Must be called inside a tokio runtime.
    pub(super) async fn open(self: &Arc<Self>) -> Result<()> {
        let open = || async {
            let reader = Reader::open(self).await?;
            let unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut waiting = self.waiting();
            if waiting.closed {
                return Err(Error::closed("bus"));
            }
            waiting.tasks.push(tokio::spawn(reader.run()));
            if let Some(unsent) = unsent {
                waiting.tasks.push(tokio::spawn(notices::send(self.store.clone(), unsent)));
            }
            Ok(())
        };
        self.opened.get_or_try_init(open).await?;
        Ok(())
    }

    /// Awaits an answer under this id from now on.
    pub(super) fn register(
        self: &Arc<Self>,
        id: &str,
        stream: Name,
        deadline_ms: u64,
    ) -> Result<(Ticket, oneshot::Receiver<ToolReply>)> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(Error::closed("bus"));
        }
        waiting.calls.insert(id.to_owned(), Waiter { tell, stream: stream.clone(), deadline_ms });
        drop(waiting);
        let ticket = Ticket { calls: Arc::downgrade(self), id: id.to_owned(), stream, sent: false, deadline_ms };
        Ok((ticket, told))
    }

    /// An answer has come; whether somebody still waited for it.
    pub(super) fn answered(&self, reply: ToolReply) {
        let waits = self.waiting().calls.remove(&reply.correlation_id);
        let Some(Waiter { tell, .. }) = waits else {
            return self.too_late(&reply);
        };
        if let Err(reply) = tell.send(reply) {
            self.too_late(&reply);
        }
    }

    fn too_late(&self, reply: &ToolReply) {
        let kind = reply.result.as_ref().err().and_then(|error| error.rest.text(wire::KIND));
        // That it was cancelled or out of time was known already.
        if !matches!(kind, Some(wire::CANCELLED | wire::EXPIRED | wire::OUT_OF_TIME)) {
            self.late.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(correlation_id = reply.correlation_id, "an answer came too late");
        }
    }

    /// Something on the reply stream is no answer.
    pub(super) fn malformed(&self, error: &Error) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(stream = &*self.replies, %error, "an entry of the reply stream is no answer");
    }

    fn left(&self, deadline_ms: u64) -> Duration {
        Duration::from_millis(deadline_ms.saturating_sub(self.clock.wall_ms()))
    }

    fn figures(&self) -> CallFigures {
        CallFigures {
            in_flight: self.waiting().calls.len() as u64,
            late: self.late.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
        }
    }
}

#[async_trait]
impl Companion for Calls {
    async fn close(&self) {
        let (calls, tasks) = {
            let mut waiting = self.waiting();
            waiting.closed = true;
            (std::mem::take(&mut waiting.calls), std::mem::take(&mut waiting.tasks))
        };
        for task in &tasks {
            task.abort();
        }
        let ended = |(id, waiter): (String, Waiter)| {
            // Whoever waits hears that there will be no answer.
            drop(waiter.tell);
            notices::Ended { stream: waiter.stream, id, left: self.left(waiter.deadline_ms) }
        };
        notices::tell(&self.store, calls.into_iter().map(ended).collect()).await;
        if self.opened.initialized()
            && let Err(error) = self.store.delete([&*self.replies]).await
        {
            let stream = &*self.replies;
            tracing::debug!(stream, %error, "the reply stream was not removed; it goes when its time is over");
        }
    }
}

/// A call under way. Dropped before [`Ticket::done`], it tells whoever runs the call that nobody waits any more.
pub(super) struct Ticket {
    calls: Weak<Calls>,
    id: String,
    stream: Name,
    sent: bool,
    deadline_ms: u64,
}

impl Ticket {
    /// From here on a server may know of it.
    pub(super) fn sending(&mut self) {
        self.sent = true;
    }

    /// The answer has come, or there will be none.
    pub(super) fn done(&mut self) {
        self.sent = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(calls) = self.calls.upgrade() else { return };
        calls.waiting().calls.remove(&self.id);
        if self.sent {
            let left = calls.left(self.deadline_ms);
            let (stream, id) = (self.stream.clone(), std::mem::take(&mut self.id));
            // Nobody hears it once the bus has closed, which has told it already.
            let _ = calls.notices.send(notices::Ended { stream, id, left });
        }
    }
}
