//! Logs: streams that are read without a group, by as many readers as like to.

use std::time::Duration;

use bytes::Bytes;

use super::{Store, count, pairs};
use crate::error::Result;
use crate::transport::{Entry, EntryId, LogOptions, Op};

impl Store {
    /// Appends an entry; its id.
    pub async fn log_append<K: Into<Bytes>, V: Into<Bytes>>(
        &self,
        stream: &str,
        fields: impl IntoIterator<Item = (K, V)>,
        options: LogOptions,
    ) -> Result<EntryId> {
        self.one(Op::LogAppend { stream: stream.into(), fields: pairs(fields), options }).await?.id()
    }

    /// Entries after an id, oldest first, at most `count` (1 to 1000).
    pub async fn log_read(&self, stream: &str, after: EntryId, count: usize) -> Result<Vec<Entry>> {
        self.one(Op::LogRead { stream: stream.into(), after, count }).await?.entries()
    }

    /// The same, and when there are none yet, as soon as there are any; none when `wait` is over. All tails of a bus share
    /// one connection, which is not the one for other requests. Safe to drop at any time: what was read and not handed
    /// out is read again from the same id.
    pub async fn log_tail(&self, stream: &str, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>> {
        self.transport.tail(&stream.into(), after, count, wait).await
    }

    /// Removes the entries up to an id, that one included; how many there were.
    pub async fn log_trim(&self, stream: &str, up_to: EntryId) -> Result<u64> {
        count(self.one(Op::LogTrim { stream: stream.into(), up_to }).await?)
    }

    /// The last id that a stream gave; zero when there is no such stream. Everything appended from now on comes after it.
    pub async fn log_last(&self, stream: &str) -> Result<EntryId> {
        self.one(Op::LogLast { stream: stream.into() }).await?.id()
    }
}
