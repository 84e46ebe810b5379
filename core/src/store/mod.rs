//! Keys beside the streams: texts, hashes, sets, sorted sets, lists, notifications, and streams read without a group.
//!
//! A [`Store`] is the one way in which anything around the bus keeps something on the server. Every call is one round trip
//! and one step; nothing is retried. An error of kind `Unavailable` or `Timeout` may have been carried out.
//! Names of keys come from [`crate::topology`]. A key that holds another kind of value is `Invalid`, with what it holds.

mod batch;
mod collections;
mod logs;
mod texts;

use std::sync::Arc;

use bytes::Bytes;

pub use batch::Batch;

pub use crate::transport::{Answer, Entry, EntryId, Heard, LogOptions, Op, Subscription, When, unmet};

use crate::error::{Error, Result};
use crate::topology::Name;
use crate::transport::{Shortages, Transport};

/// What a server keeps under keys. Cheap to clone; every clone shares the connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// let bus = stargazer_core::Bus::connect("memory://").await?;
/// let store = bus.store();
/// store.set("my:greeting", "hello", None).await?;
/// assert_eq!(store.get("my:greeting").await?.as_deref(), Some(&b"hello"[..]));
/// store.batch().hash_set("my:user", [("name", "Ada")], None).set_add("my:users", ["ada"], None).commit().await?;
/// assert_eq!(store.hash_len("my:user").await?, 1);
/// # bus.close().await }
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    transport: Arc<dyn Transport>,
    shortages: Shortages,
}

impl Store {
    pub(crate) fn new(transport: Arc<dyn Transport>, shortages: Shortages) -> Self {
        Self { transport, shortages }
    }

    /// Writes that are carried out together, in one step.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone())
    }

    /// Carries operations out in their order, all or none; one answer for each. At most 1000, of 64 MiB together.
    pub async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Answer>> {
        self.transport.apply(ops).await.inspect_err(|error| self.shortages.note(error))
    }

    async fn one(&self, op: Op) -> Result<Answer> {
        let mut answers = self.apply(vec![op]).await?;
        answers.pop().ok_or_else(|| Error::internal("an operation gave no answer"))
    }

    /// Tells those who listen on a channel at this moment; how many connections that is.
    pub async fn notify(&self, channel: &str, payload: impl Into<Bytes>) -> Result<u64> {
        count(self.one(Op::Notify { channel: channel.into(), payload: payload.into() }).await?)
    }

    /// Listens on channels; everything told once this has returned is heard. Waits for nobody: an unreachable server is
    /// an error here, and an outage later is told as [`Heard::Resubscribed`] when it is over.
    pub async fn subscribe<I: IntoIterator<Item: Into<Name>>>(&self, channels: I) -> Result<Subscription> {
        let channels: Vec<Name> = channels.into_iter().map(Into::into).collect();
        if channels.is_empty() {
            return Err(Error::invalid("name at least one channel").with_context("argument", "channels"));
        }
        self.transport.subscribe(&channels).await
    }
}

/// A count.
fn count(answer: Answer) -> Result<u64> {
    let number = answer.number()?;
    u64::try_from(number).map_err(|_| Error::internal(format!("a count of {number}")))
}

/// Many items as bytes.
fn all<I: IntoIterator<Item: Into<Bytes>>>(items: I) -> Vec<Bytes> {
    items.into_iter().map(Into::into).collect()
}

/// Many pairs as bytes.
fn pairs<K: Into<Bytes>, V: Into<Bytes>>(items: impl IntoIterator<Item = (K, V)>) -> Vec<(Bytes, Bytes)> {
    items.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}
