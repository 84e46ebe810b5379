//! The one reader of a bus' reply stream.
//!
//! It hands every answer to the call that waits for it, removes what it has read, and keeps the stream alive. The stream
//! has a time to live from its first entry on, so that nothing is left of a bus that died. The reader ends with its
//! bus: aborted when that closes, by itself when it was dropped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::caller::Calls;
use crate::clock::Clock;
use crate::envelope::{Envelope, Limits, ToolReply};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Answer, Entry, EntryId, LogOptions, Op, Store};
use crate::topology::{Name, field};
use crate::transport;

/// Answers that are read together.
const PAGE: usize = 1000;

/// The longest wait for an answer: that the bus was dropped is noticed after it.
const WAIT: Duration = Duration::from_secs(5);

/// What was read is removed once it is so much: entries, and bytes.
const ENTRIES: usize = 256;
const BYTES: usize = 1 << 20;

pub(super) struct Reader {
    calls: Weak<Calls>,
    store: Store,
    clock: Arc<dyn Clock>,
    limits: Limits,
    stream: Name,
    ttl: Duration,
    /// The last entry that was read.
    after: EntryId,
    /// When the stream's life is to be prolonged.
    renew_at: Duration,
    /// Entries and bytes that were read and not removed.
    read: (usize, usize),
}

impl Reader {
    /// Makes the reply stream.
    pub(super) async fn open(calls: &Arc<Calls>) -> Result<Self> {
        let mut reader = Self {
            calls: Arc::downgrade(calls),
            store: calls.store.clone(),
            clock: calls.clock.clone(),
            limits: calls.limits,
            stream: calls.replies.clone(),
            ttl: calls.config.reply_ttl,
            after: EntryId::ZERO,
            renew_at: Duration::ZERO,
            read: (0, 0),
        };
        reader.make().await?;
        Ok(reader)
    }

    /// An entry that says nothing, so that the stream is there and has an end before anybody else writes to it.
    async fn make(&mut self) -> Result<()> {
        let options = LogOptions { ttl: Some(self.ttl), ..LogOptions::default() };
        let hello = [(Bytes::from_static(field::TS.as_bytes()), Bytes::from(self.clock.wall_ms().to_string()))];
        self.after = self.store.log_append(&self.stream, hello, options).await?;
        self.read.0 += 1;
        self.renew_at = self.clock.now() + self.ttl / 3;
        Ok(())
    }

    pub(super) async fn run(mut self) {
        let mut pause = Duration::from_millis(20);
        while self.calls.strong_count() > 0 {
            match self.turn().await {
                Ok(()) => pause = Duration::from_millis(20),
                Err(error) if error.kind() == ErrorKind::Closed => return,
                Err(error) => {
                    // That the server cannot be reached is told by the connection.
                    tracing::debug!(stream = &*self.stream, %error, "answers cannot be read; trying again");
                    self.clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
        if let Err(error) = self.store.delete([&*self.stream]).await {
            tracing::debug!(stream = &*self.stream, %error, "the reply stream was not removed");
        }
    }

    /// Reads what is there, or waits for it.
    async fn turn(&mut self) -> Result<()> {
        let now = self.clock.now();
        if now >= self.renew_at {
            self.renew().await?;
        }
        let wait = WAIT.min(self.renew_at.saturating_sub(now)).max(Duration::from_millis(1));
        let entries = self.store.log_tail(&self.stream, self.after, PAGE, wait).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        self.after = last.id;
        self.read.0 += entries.len();
        if let Some(calls) = self.calls.upgrade() {
            for entry in entries {
                self.hand_out(&calls, &entry);
            }
        }
        if self.read.0 >= ENTRIES || self.read.1 >= BYTES {
            self.store.log_trim(&self.stream, self.after).await?;
            self.read = (0, 0);
        }
        Ok(())
    }

    fn hand_out(&mut self, calls: &Calls, entry: &Entry) {
        let Some(data) = transport::field(&entry.fields, field::DATA) else {
            return calls.malformed(&Error::malformed("the entry has no body").with_context("id", entry.id));
        };
        self.read.1 += data.len();
        match ToolReply::decode_with(data, &self.limits) {
            Ok(reply) => calls.answered(reply),
            Err(error) => calls.malformed(&error.with_context("id", entry.id)),
        }
    }

    /// Prolongs the life of the stream; makes it again where the server forgot it.
    async fn renew(&mut self) -> Result<()> {
        let expire = Op::Expire { key: self.stream.clone(), ttl: self.ttl };
        let last = Op::LogLast { stream: self.stream.clone() };
        let answers = self.store.apply(vec![expire, last]).await?;
        let last = answers.into_iter().next_back().map_or(Ok(EntryId::ZERO), Answer::id)?;
        if last == EntryId::ZERO {
            return self.make().await;
        }
        // A server that went back in time gives ids again that it gave before.
        self.after = self.after.min(last);
        self.renew_at = self.clock.now() + self.ttl / 3;
        Ok(())
    }
}
