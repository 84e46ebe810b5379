//! The publisher of events: takes them in at once, sends them in the background, in their order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::event::Event;
use super::queue::{EventStats, Item, Queue};
use crate::clock::Clock;
use crate::envelope::EVENT_KINDS;
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::publish::Publisher;
use crate::store::Store;
use crate::topology::{Name, event_stream};
use crate::transport::{Answer, EntryId, LogOptions, MAX_KEY, Op};

/// How long a publish waits for its id.
const WAIT: Duration = Duration::from_millis(50);

/// How long a close lets what waits be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// The pause after a failure: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventOptions {
    /// The stream; the original's unless another one is named.
    pub stream: Name,
    /// About how many events the stream keeps; 0 keeps all.
    pub max_len: u64,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self { stream: event_stream(), max_len: 100_000 }
    }
}

impl EventOptions {
    /// Sets the stream.
    pub fn with_stream(mut self, stream: impl Into<Name>) -> Self {
        self.stream = stream.into();
        self
    }

    /// Sets about how many events the stream keeps; 0 keeps all.
    pub fn with_max_len(mut self, max_len: u64) -> Self {
        self.max_len = max_len;
        self
    }
}

/// Publishes lifecycle events, best effort. Cheap to clone; every clone shares the queue. See [`super`] for the promise.
#[derive(Clone)]
pub struct EventBus(Option<Arc<Shared>>);

struct Shared {
    publisher: Publisher,
    options: EventOptions,
    queue: Mutex<Queue>,
    /// Something was taken in.
    filled: Notify,
    /// Nothing is left.
    emptied: Notify,
    closing: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    started: AtomicBool,
}

impl std::fmt::Debug for EventBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventBus").field("stream", &self.stream()).finish_non_exhaustive()
    }
}

impl EventBus {
    /// Publishes over a bus. `Invalid` when the name of the stream cannot be one. It ends with the bus.
    pub fn new(publisher: &Publisher, options: EventOptions) -> Result<Self> {
        check_stream(&options.stream)?;
        Ok(Self(Some(Arc::new(Shared {
            publisher: publisher.clone(),
            options,
            queue: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            closing: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            started: AtomicBool::new(false),
        }))))
    }

    /// Publishes nothing and says so to nobody: for tests, and where there is no server.
    pub fn null() -> Self {
        Self(None)
    }

    /// Whether it publishes nothing.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The stream; empty when it publishes nothing.
    pub fn stream(&self) -> &str {
        self.0.as_ref().map_or("", |shared| &shared.options.stream)
    }

    /// About how many events the stream keeps; 0 keeps all.
    pub fn max_len(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.options.max_len)
    }

    /// Publishes an event and waits at most 50 ms for its id. `None`: it was dropped, or is still queued (counted as late).
    pub async fn publish(&self, event: Event) -> Option<EntryId> {
        let shared = self.0.as_ref()?;
        let told = shared.take_in(&event, true, false)?;
        tokio::select! {
            biased;
            id = told => id.ok().flatten(),
            () = shared.clock().sleep(WAIT) => {
                shared.queue().stats.late += 1;
                None
            }
        }
    }

    /// Publishes an event and waits for what becomes of one attempt, however long that takes: as the original does.
    /// `None` when it failed; it is not tried again then.
    pub async fn publish_and_wait(&self, event: Event) -> Option<EntryId> {
        self.0.as_ref()?.take_in(&event, true, true)?.await.ok().flatten()
    }

    /// Publishes an event and waits for nothing. May be called from any thread; outside of a runtime events wait until one is
    /// published inside of one.
    #[allow(clippy::needless_pass_by_value)] // An event is published once.
    pub fn publish_nowait(&self, event: Event) {
        if let Some(shared) = &self.0 {
            shared.take_in(&event, false, false);
        }
    }

    /// What became of the events so far.
    pub fn stats(&self) -> EventStats {
        self.0.as_ref().map_or_else(EventStats::default, |shared| {
            let queue = shared.queue();
            EventStats { queued: queue.len() as u64, ..queue.stats }
        })
    }

    /// Sends what waits, for at most 2 s, drops the rest and takes nothing any more. May be called twice.
    pub async fn close(&self) {
        let Some(shared) = &self.0 else { return };
        shared.closing.send_replace(true);
        if !shared.started.swap(true, Ordering::AcqRel) {
            shared.queue().give_up();
            shared.ended.send_replace(true);
        }
        // The sender lives as long as `shared`, so this cannot fail.
        let _ = shared.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Starts what sends, in this runtime. Otherwise the first publish does; bindings call it on their I/O thread, since
    /// they publish from others.
    pub fn start(&self) {
        if let Some(shared) = &self.0 {
            shared.start();
        }
    }
}

/// A stream that a key may be called.
pub(super) fn check_stream(stream: &str) -> Result<()> {
    if stream.is_empty() || stream.len() > MAX_KEY {
        let text = format!("the name of a stream is text of 1 to {MAX_KEY} bytes, not of {}", stream.len());
        return Err(Error::invalid(text).with_context("argument", "stream"));
    }
    Ok(())
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.publisher.clock()
    }

    /// Takes an event in and gives what will be told of it, if it was.
    fn take_in(self: &Arc<Self>, event: &Event, tells: bool, once: bool) -> Option<oneshot::Receiver<Option<EntryId>>> {
        if !EVENT_KINDS.contains(&event.kind()) {
            tracing::debug!(kind = event.kind(), "an event of an unknown kind, forwarded");
        }
        let body = event.body(self.clock().wall_us());
        let (tell, told) = oneshot::channel();
        let item = Item { body: body.into(), tell: tells.then_some(tell), once };
        let most = self.publisher.limits().max_bytes();
        if item.body.len() > most {
            let bytes = item.body.len();
            tracing::warn!(kind = event.kind(), bytes, most, "an event is too large and dropped");
            self.queue().stats.dropped += 1;
            return None;
        }
        self.start();
        let taken = self.queue().push(item, &self.options.stream);
        self.filled.notify_one();
        taken.then_some(told)
    }

    /// Starts what sends, once, where there is a runtime.
    fn start(self: &Arc<Self>) {
        if self.started.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.started.swap(true, Ordering::AcqRel) {
            let shared = self.clone();
            // The bus waits for it when it closes.
            self.publisher.track(runtime.spawn(async move {
                tokio::select! {
                    () = shared.send() => {}
                    () = shared.over() => {}
                }
                shared.queue().give_up();
                shared.ended.send_replace(true);
            }));
        }
    }

    /// Ends when it is closed and nothing is left, or its time is over.
    async fn over(&self) {
        let (mut own, mut bus) = (self.closing.subscribe(), self.publisher.closing());
        tokio::select! {
            // The end of a sender is a close as well.
            _ = own.wait_for(|closing| *closing) => {}
            _ = bus.wait_for(|closing| *closing) => {}
        }
        self.queue().closed = true;
        let empty = async {
            while self.queue().len() > 0 {
                self.emptied.notified().await;
            }
        };
        tokio::select! {
            () = empty => {}
            () = self.clock().sleep(FLUSH) => {}
        }
    }

    /// Sends what is taken in, for ever.
    async fn send(&self) {
        let store = self.publisher.store();
        let mut pause = FIRST_PAUSE;
        loop {
            let batch = self.queue().batch();
            if batch.is_empty() {
                self.emptied.notify_one();
                self.filled.notified().await;
                continue;
            }
            match self.append(&store, &batch).await {
                Ok(answers) => {
                    let ids = answers.into_iter().map(|answer| answer.id().ok());
                    self.queue().stored(batch, ids, &self.options.stream);
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    let again = is_worth_another_attempt(&error);
                    self.queue().failed(batch, again, &error, &self.options.stream);
                    if again {
                        self.clock().sleep(pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                    }
                }
            }
        }
    }

    async fn append(&self, store: &Store, batch: &[Item]) -> Result<Vec<Answer>> {
        let max_len = (self.options.max_len > 0).then_some(self.options.max_len);
        let options = LogOptions { max_len, approximate: true, ttl: None };
        let op = |item: &Item| Op::LogAppend {
            stream: self.options.stream.clone(),
            fields: vec![(crate::topology::field::DATA.into(), item.body.clone())],
            options,
        };
        store.apply(batch.iter().map(op).collect()).await
    }
}

/// Nothing was stored, and later something may be. What may have been stored is not sent again: an event is told once.
fn is_worth_another_attempt(error: &Error) -> bool {
    let passing = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Full);
    let unstored = error.context().iter().any(|(key, value)| *key == "stored" && value == Stored::No.as_str());
    passing && (unstored || error.kind() == ErrorKind::Full)
}
