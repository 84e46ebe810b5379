//! Texts, and what goes for keys of any kind.

use std::time::Duration;

use bytes::Bytes;

use super::{Store, count};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Op, When};

impl Store {
    /// The text under a key.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.one(Op::Get { key: key.into() }).await?.value()
    }

    /// Sets a text for as long as `ttl`, or for ever.
    pub async fn set(&self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Result<()> {
        self.put(key, value.into(), ttl, When::Always).await.map(drop)
    }

    /// Sets a text when there is no such key; whether it did.
    pub async fn set_if_absent(&self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Result<bool> {
        self.put(key, value.into(), ttl, When::Absent).await
    }

    /// Sets a text when the key holds `expected`; whether it did. Without `ttl` it lives for ever then.
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: impl Into<Bytes>,
        value: impl Into<Bytes>,
        ttl: Option<Duration>,
    ) -> Result<bool> {
        self.put(key, value.into(), ttl, When::Equal(expected.into())).await
    }

    /// Removes a text that is `expected`; whether it did.
    pub async fn compare_and_delete(&self, key: &str, expected: impl Into<Bytes>) -> Result<bool> {
        self.one(Op::DeleteEqual { key: key.into(), expected: expected.into() }).await?.flag()
    }

    /// Adds to a counter, which is 0 at first; what it is afterwards. With `ttl` it lives that long from now, else as
    /// long as before. Counters reach to ±999,999,999,999,999,999.
    pub async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64> {
        self.one(Op::Increment { key: key.into(), by, ttl }).await?.number()
    }

    /// Removes keys of any kind; how many there were. At most 1000.
    pub async fn delete<I: IntoIterator<Item: Into<Name>>>(&self, keys: I) -> Result<u64> {
        let keys: Vec<Name> = keys.into_iter().map(Into::into).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        count(self.one(Op::Delete { keys }).await?)
    }

    /// Whether there is a key of any kind.
    pub async fn exists(&self, key: &str) -> Result<bool> {
        self.one(Op::Exists { key: key.into() }).await?.flag()
    }

    /// Lets a key of any kind live that long from now; whether there is one.
    pub async fn expire(&self, key: &str, ttl: Duration) -> Result<bool> {
        self.one(Op::Expire { key: key.into(), ttl }).await?.flag()
    }

    /// How long a key still lives; `None` without a limit, and without a key.
    pub async fn time_to_live(&self, key: &str) -> Result<Option<Duration>> {
        self.one(Op::TimeToLive { key: key.into() }).await?.left()
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Option<Duration>, when: When) -> Result<bool> {
        self.one(Op::Set { key: key.into(), value, ttl, when }).await?.flag()
    }
}
