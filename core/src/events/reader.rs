//! Reading events as they come, from any place, through outages.

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::publish::check_stream;
use super::route::{EventHandler, Routes, handler};
use super::seen::SeenEvent;
use crate::clock::Clock;
use crate::envelope::Limits;
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::store::Store;
use crate::topology::{Name, event_stream};
use crate::transport::{Entry, EntryId, MAX_ITEMS};

/// The pause after a failed read.
const PAUSE: Duration = Duration::from_secs(1);

/// Of a streak of failures the first is told, and then every so many.
const TELL_EVERY: u64 = 100;

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// With what comes after the reader was made ready (`$`).
    #[default]
    End,
    /// With the oldest event that is kept (`0`).
    Start,
    /// After the event of this id.
    After(EntryId),
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "$" => Ok(Self::End),
            id => id.parse().map(Self::After).map_err(|_| {
                Error::invalid(format!("a place is `$`, `0` or an entry id, not {text:?}"))
                    .with_context("argument", "last_id")
            }),
        }
    }
}

/// What a reader reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The stream; the original's unless another one is named.
    pub stream: Name,
    /// Where it begins.
    pub place: Place,
    /// How long one read waits at the server, 1 ms or more.
    pub block: Duration,
    /// How many events one read brings at most, 1 to 1000.
    pub count: usize,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self { stream: event_stream(), place: Place::End, block: Duration::from_secs(5), count: 50 }
    }
}

/// Reads events. What one reader reads, every other one reads as well.
pub struct EventReader {
    publisher: Publisher,
    store: Store,
    options: ReaderOptions,
    /// The last event handed out, or where it began; unknown until the end was looked up.
    last: Option<EntryId>,
    /// Read and not handed out.
    read: VecDeque<Entry>,
    limits: Limits,
    routes: Routes,
    handlers: Vec<EventHandler>,
    failures: u64,
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventReader")
            .field("stream", &self.options.stream)
            .field("last_id", &self.last_id())
            .finish_non_exhaustive()
    }
}

impl EventReader {
    /// A reader over a bus. `Invalid` when an option is out of bounds.
    pub fn new(publisher: &Publisher, options: ReaderOptions) -> Result<Self> {
        check_stream(&options.stream)?;
        let wrong = |argument, text: String| Err(Error::invalid(text).with_context("argument", argument));
        if options.count == 0 || options.count > MAX_ITEMS {
            return wrong("count", format!("count is 1 to {MAX_ITEMS}, not {}", options.count));
        }
        if options.block < Duration::from_millis(1) {
            return wrong("block", "block is a millisecond or more".to_owned());
        }
        let last = match options.place {
            Place::End => None,
            Place::Start => Some(EntryId::ZERO),
            Place::After(id) => Some(id),
        };
        Ok(Self {
            publisher: publisher.clone(),
            store: publisher.store(),
            last,
            read: VecDeque::new(),
            limits: publisher.limits(),
            routes: Routes::default(),
            handlers: Vec::new(),
            failures: 0,
            options,
        })
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.options.stream
    }

    /// The id of the last event that was handed out, to go on from another time; `$` before the place is known.
    pub fn last_id(&self) -> String {
        self.last.map_or_else(|| "$".to_owned(), |id| id.to_string())
    }

    /// Looks the end up if that is where it begins: what is published afterwards is read. Otherwise the first
    /// [`EventReader::next`] does. Waits through an outage; `Closed` once the bus is.
    pub async fn ready(&mut self) -> Result<()> {
        while self.last.is_none() {
            match self.store.log_last(&self.options.stream).await {
                Ok(id) => self.last = Some(id),
                Err(error) => self.rest(error).await?,
            }
        }
        Ok(())
    }

    /// The next event; waits for it, also through an outage. `Closed` once the bus is, `Invalid` when the key holds something
    /// else than a stream, `Auth` when this user may not read it. Safe to drop.
    pub async fn next(&mut self) -> Result<SeenEvent> {
        self.ready().await?;
        loop {
            if let Some(entry) = self.read.pop_front() {
                self.last = Some(entry.id);
                return Ok(SeenEvent::read(&entry, &self.limits));
            }
            let after = self.last.unwrap_or_default();
            let ReaderOptions { stream, count, block, .. } = &self.options;
            match self.store.log_tail(stream, after, *count, *block).await {
                Ok(entries) => {
                    self.failures = 0;
                    self.read = entries.into();
                }
                Err(error) => self.rest(error).await?,
            }
        }
    }

    /// Has events of a kind handled by [`EventReader::run`]: `phase.start`, `phase.*` or `*`. `Invalid` for anything else.
    pub fn on<F, R, E>(&mut self, kind: &str, handle: F) -> Result<()>
    where
        F: Fn(SeenEvent) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.routes.add(kind)?;
        self.handlers.push(handler(handle));
        Ok(())
    }

    /// Reads until the bus is closed and hands each event to the handlers that want it, one after the other. A handler that
    /// fails is told in the log, and so is, once, a kind that nobody knows and nobody wants.
    pub async fn run(&mut self) -> Result<()> {
        loop {
            let (event, places) = match self.next_routed().await {
                Ok(next) => next,
                Err(error) if error.kind() == crate::ErrorKind::Closed => return Ok(()),
                Err(error) => return Err(error),
            };
            for place in places {
                let Some(handle) = self.handlers.get(place) else { continue };
                if let Err(error) = handle.clone()(event.clone()).await {
                    tracing::warn!(id = %event.id, kind = event.kind(), error, "a handler of events failed");
                }
            }
        }
    }

    /// Adds a pattern without a handler, for bindings; its place.
    pub fn route(&mut self, kind: &str) -> Result<usize> {
        let place = self.routes.add(kind)?;
        self.handlers.push(handler(|_| async { Ok::<(), String>(()) }));
        Ok(place)
    }

    /// The next event and the places of the patterns that it matches.
    pub async fn next_routed(&mut self) -> Result<(SeenEvent, Vec<usize>)> {
        let event = self.next().await?;
        let places = self.routes.matching(event.kind());
        Ok((event, places))
    }

    /// Waits after a failure that may pass; others are the answer.
    async fn rest(&mut self, error: Error) -> Result<()> {
        if !error.retryable() {
            return Err(error);
        }
        self.failures += 1;
        if self.failures == 1 || self.failures.is_multiple_of(TELL_EVERY) {
            tracing::warn!(stream = &*self.options.stream, failures = self.failures, %error, "events cannot be read; trying on");
        }
        let clock: &Arc<dyn Clock> = self.publisher.clock();
        clock.sleep(PAUSE).await;
        self.publisher.ensure_open()
    }
}
