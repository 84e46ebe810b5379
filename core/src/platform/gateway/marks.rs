//! What was sent, told by a mark per message on the server: `started` before the send, `done` after it.
//!
//! A mark is named after the message key, or after the entry where there is none. Whoever finds `started` knows that a send
//! began and that nobody knows how it ended: its gateway died in between, or the adapter gave no answer. Such a mark is
//! taken over by whoever tries again; `done` stays. A request that fails is repeated until the delivery is no longer ours; a
//! mark whose answer was lost is recognised by its token.
//!
//! A server whose memory is full takes no marks, and what is sent is what makes room: then the work goes on without, and
//! what was handed out before counts as unknown.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tracing::warn;
use uuid::Uuid;

use super::seen::Seen;
use crate::clock::Clock;
use crate::consumer::Delivery;
use crate::envelope::Outbound;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;
use crate::store::Store;
use crate::topology::{self, Name};

const STARTED: &str = "started ";
const DONE: &[u8] = b"done";
/// Longest message key, in bytes.
const MAX_KEY: usize = 1024;
/// Pauses between tries to reach the server.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The marks of one stream.
#[derive(Debug)]
pub(super) struct Marks {
    store: Store,
    clock: Arc<dyn Clock>,
    remember: Duration,
    seen: Seen,
}

/// What a mark said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing was sent.
    Nothing,
    /// It may have been sent.
    Unknown,
    /// It was sent.
    Done,
}

/// A mark that we set, unless it said `done`.
#[derive(Debug)]
pub(super) struct Mark {
    key: Name,
    started: Bytes,
    /// What it said before.
    pub(super) before: Before,
}

impl Marks {
    pub(super) fn new(bus: &Publisher, remember: Duration) -> Self {
        Self { store: bus.store(), clock: bus.clock().clone(), remember, seen: Seen::default() }
    }

    /// Sets `started`, and tells what was there. `Invalid` for a message key that is too long.
    pub(super) async fn begin(&self, delivery: &Delivery<Outbound>, message_key: Option<&str>) -> Result<Mark> {
        let key = match message_key {
            Some(key) if key.len() > MAX_KEY => {
                let text = format!("a message key has at most {MAX_KEY} bytes, this one has {}", key.len());
                return Err(Error::invalid(text).with_context("field", "message_key"));
            }
            Some(key) => topology::sent_key(delivery.stream(), key),
            None => topology::sent_entry_key(delivery.stream(), &delivery.id().to_string()),
        };
        let started = Bytes::from(format!("{STARTED}{}", Uuid::new_v4().simple()));
        let before = if self.seen.contains(&key) {
            Before::Done
        } else {
            match self.take(&key, &started).await {
                Err(error) if error.kind() == ErrorKind::Full => {
                    warn!(%error, "sending without a mark");
                    if delivery.redelivered() { Before::Unknown } else { Before::Nothing }
                }
                taken => taken?,
            }
        };
        Ok(Mark { key, started, before })
    }

    async fn take(&self, key: &Name, started: &Bytes) -> Result<Before> {
        let mut unknown = false;
        loop {
            let set = self.patiently(|| self.store.set_if_absent(key, started.clone(), Some(self.remember))).await?;
            let found = if set { None } else { self.patiently(|| self.store.get(key)).await? };
            match found {
                Some(found) if found.starts_with(DONE) => return Ok(Before::Done),
                Some(found) if found != *started => {
                    // Also when the answer to this is lost: the next look finds our own.
                    unknown = true;
                    self.patiently(|| {
                        self.store.compare_and_set(key, found.clone(), started.clone(), Some(self.remember))
                    })
                    .await?;
                }
                // It went in between.
                None if !set => {}
                // Ours.
                _ => return Ok(if unknown { Before::Unknown } else { Before::Nothing }),
            }
        }
    }

    /// Says that it was sent.
    pub(super) async fn done(&self, mark: &Mark) {
        // First here: whatever becomes of the mark, this process sends it no more.
        self.seen.insert(&mark.key);
        let done = Bytes::from_static(DONE);
        if let Err(error) = self.patiently(|| self.store.set(&mark.key, done.clone(), Some(self.remember))).await {
            warn!(%error, "it was sent, and could not be marked so");
        }
    }

    /// Says that it was not sent, if that is known.
    pub(super) async fn undo(&self, mark: &Mark) {
        if mark.before != Before::Nothing {
            return;
        }
        let undone = self.patiently(|| self.store.compare_and_delete(&mark.key, mark.started.clone())).await;
        if let Err(error) = undone {
            warn!(%error, "it was not sent, and could not be marked so: the next try counts as a repeat");
        }
    }

    /// Calls the server until it answers.
    async fn patiently<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        let mut pause = PAUSE;
        loop {
            match call().await {
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                    self.clock.sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}
