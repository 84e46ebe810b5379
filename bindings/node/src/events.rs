//! Lifecycle events: a publisher that is never in the way, and a reader.

use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::{Limits, Value, codec};
use stargazer_core::events::{self, Event, EventOptions, ReaderOptions};
use tokio::sync::watch;

use crate::error::Failure;
use crate::port::{Answer, Queue, ask};

/// An event on its way out.
#[napi(object, object_to_js = false)]
pub struct EventRow {
    /// Kind.
    pub kind: String,
    /// Arena.
    pub arena: String,
    /// Run of the arena.
    pub arena_id: String,
    /// Phase.
    pub phase: String,
    /// What belongs together.
    pub correlation_id: String,
    /// The payload as msgpack.
    pub payload: napi::bindgen_prelude::Buffer,
}

impl EventRow {
    fn event(self) -> Event {
        // The package wrote it.
        let payload = codec::decode(&self.payload, &Limits::default());
        Event::new(self.kind)
            .with_arena(self.arena, self.arena_id)
            .with_phase(self.phase)
            .with_correlation_id(self.correlation_id)
            .with_value(payload.unwrap_or_else(|why| Value::from(format!("<not serialisable: {}>", why.message()))))
    }
}

/// What became of events.
#[napi(object, object_from_js = false)]
pub struct EventStats {
    /// Stored.
    pub published: f64,
    /// Never sent.
    pub dropped: f64,
    /// Sent in vain.
    pub failed: f64,
    /// Not told in time.
    pub late: f64,
    /// Waiting.
    pub queued: f64,
}

/// Publishes events.
#[napi]
pub struct EventBus {
    events: events::EventBus,
    queue: Queue,
}

impl EventBus {
    pub(crate) fn open(bus: &sg::Bus, queue: Queue, stream: Option<String>, max_len: u64) -> sg::Result<Self> {
        let mut options = EventOptions::default().with_max_len(max_len);
        if let Some(stream) = stream {
            options = options.with_stream(stream);
        }
        let events = bus.events(options)?;
        let starts = events.clone();
        // Publishes come from other threads than the one on which it sends.
        sg::host::Host::get()?.spawn(async move { starts.start() });
        Ok(Self { events, queue })
    }
}

#[napi]
impl EventBus {
    /// The stream.
    #[napi(getter)]
    pub fn stream(&self) -> &str {
        self.events.stream()
    }

    /// Publishes an event; the answer is its id or `""`. `waits` for what becomes of one attempt.
    #[napi]
    pub fn publish(&self, token: u32, row: EventRow, waits: bool) {
        let (events, event) = (self.events.clone(), row.event());
        ask(&self.queue, token, async move {
            let id = if waits { events.publish_and_wait(event).await } else { events.publish(event).await };
            plain(&id.map(|id| id.to_string()).unwrap_or_default().into())
        });
    }

    /// Publishes an event and answers nothing.
    #[napi]
    pub fn publish_nowait(&self, row: EventRow) {
        self.events.publish_nowait(row.event());
    }

    /// What became of the events so far.
    #[napi]
    #[allow(clippy::cast_precision_loss)] // JavaScript counts so
    pub fn stats(&self) -> EventStats {
        let stats = self.events.stats();
        EventStats {
            published: stats.published as f64,
            dropped: stats.dropped as f64,
            failed: stats.failed as f64,
            late: stats.late as f64,
            queued: stats.queued as f64,
        }
    }

    /// Sends what waits and takes nothing any more.
    #[napi]
    pub fn close(&self, token: u32) {
        let events = self.events.clone();
        ask(&self.queue, token, async move {
            events.close().await;
            Ok(Answer::Nothing)
        });
    }
}

/// Reads events.
#[napi]
pub struct EventReader {
    reading: Arc<Reading>,
    queue: Queue,
}

struct Reading {
    reader: tokio::sync::Mutex<events::EventReader>,
    closed: watch::Sender<bool>,
}

/// Where a reader begins, and how it reads.
#[napi(object, object_to_js = false)]
pub struct ReaderSettings {
    /// The stream.
    pub stream: Option<String>,
    /// `$`, `0` or an id.
    pub last_id: Option<String>,
    /// Milliseconds that a read waits.
    pub block_ms: Option<f64>,
    /// Events of a read.
    pub count: Option<u32>,
}

impl EventReader {
    pub(crate) fn open(bus: &sg::Bus, queue: Queue, settings: ReaderSettings) -> sg::Result<Self> {
        let mut options = ReaderOptions::default();
        if let Some(stream) = settings.stream {
            options.stream = stream.into();
        }
        if let Some(last_id) = settings.last_id {
            options.place = last_id.parse()?;
        }
        if let Some(count) = settings.count {
            options.count = usize::try_from(count).unwrap_or(usize::MAX);
        }
        if let Some(millis) = settings.block_ms {
            options.block = Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default();
        }
        let reader = tokio::sync::Mutex::new(bus.event_reader(options)?);
        Ok(Self { reading: Arc::new(Reading { reader, closed: watch::Sender::new(false) }), queue })
    }
}

#[napi]
impl EventReader {
    /// Finds the end; the answer is the id after which it reads.
    #[napi]
    pub fn ready(&self, token: u32) {
        let reading = self.reading.clone();
        ask(&self.queue, token, async move {
            let mut reader = reading.reader.lock().await;
            reader.ready().await?;
            plain(&reader.last_id().into())
        });
    }

    /// Adds a pattern; the answer is its place.
    #[napi]
    pub fn route(&self, token: u32, kind: String) {
        let reading = self.reading.clone();
        ask(&self.queue, token, async move {
            let place = reading.reader.lock().await.route(&kind)?;
            plain(&u64::try_from(place).unwrap_or(u64::MAX).into())
        });
    }

    /// The next event: what it says, and with `routed` the places of the patterns that it matches; nothing once the reader
    /// or its bus is closed.
    #[napi]
    pub fn next(&self, token: u32, routed: bool) {
        let reading = self.reading.clone();
        ask(&self.queue, token, async move {
            let mut closed = reading.closed.subscribe();
            let next = async {
                let mut reader = reading.reader.lock().await;
                if routed { reader.next_routed().await } else { reader.next().await.map(|event| (event, Vec::new())) }
            };
            let next = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => return plain(&Value::Nil),
                next = next => next,
            };
            let (event, places) = match next {
                Err(error) if error.kind() == sg::ErrorKind::Closed => return plain(&Value::Nil),
                next => next?,
            };
            let places: Value = places.into_iter().map(|place| u64::try_from(place).unwrap_or(u64::MAX)).collect();
            plain(&Value::List(vec![Value::Map(event.to_map()), places]))
        });
    }

    /// Ends it.
    #[napi]
    pub fn close(&self) {
        self.reading.closed.send_replace(true);
    }
}

/// A plain answer.
pub(crate) fn plain(value: &Value) -> sg::Result<Answer> {
    packed(value).map(Answer::Plain)
}

/// A plain value as msgpack.
pub(crate) fn packed(value: &Value) -> sg::Result<bytes::Bytes> {
    codec::encode(value, &Limits::new(Limits::DEFAULT_BYTES * 2, Limits::DEEPEST)?)
}

/// A handle, or why there is none: JavaScript makes the error.
#[napi]
pub struct Opened {
    pub(crate) bus: Option<EventBus>,
    pub(crate) reader: Option<EventReader>,
    pub(crate) failure: Option<Failure>,
}

#[napi]
impl Opened {
    /// Why it was not opened; once.
    #[napi]
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The publisher; once.
    #[napi]
    pub fn events(&mut self) -> Option<EventBus> {
        self.bus.take()
    }

    /// The reader; once.
    #[napi]
    pub fn reader(&mut self) -> Option<EventReader> {
        self.reader.take()
    }
}

impl Opened {
    pub(crate) fn bus(opened: sg::Result<EventBus>) -> Self {
        match opened {
            Ok(bus) => Self { bus: Some(bus), reader: None, failure: None },
            Err(error) => Self { bus: None, reader: None, failure: Some(error.into()) },
        }
    }

    pub(crate) fn of_reader(opened: sg::Result<EventReader>) -> Self {
        match opened {
            Ok(reader) => Self { bus: None, reader: Some(reader), failure: None },
            Err(error) => Self { bus: None, reader: None, failure: Some(error.into()) },
        }
    }
}

/// The kinds of the original.
#[napi]
pub fn event_kinds() -> Vec<&'static str> {
    events::EVENT_KINDS.to_vec()
}
