//! Hashes, sets, sorted sets and lists. A key goes with the last thing in it. Where a write takes `ttl`, the whole key
//! lives that long from now; without one it lives as long as before.

use std::time::Duration;

use bytes::Bytes;

use super::{Store, all, count, pairs};
use crate::error::{Error, Result};
use crate::transport::Op;

impl Store {
    /// The value of a field.
    pub async fn hash_get(&self, key: &str, field: impl Into<Bytes>) -> Result<Option<Bytes>> {
        self.one(Op::HashGet { key: key.into(), field: field.into() }).await?.value()
    }

    /// All fields and values, in no order. `Malformed` when the name of a field is no UTF-8.
    pub async fn hash_get_all(&self, key: &str) -> Result<Vec<(String, Bytes)>> {
        let pairs = self.one(Op::HashGetAll { key: key.into() }).await?.pairs()?;
        let named = pairs.into_iter().map(|(field, value)| match std::str::from_utf8(&field) {
            Ok(field) => Ok((field.to_owned(), value)),
            Err(_) => Err(Error::malformed(format!("a field of {key:?} is no UTF-8")).with_context("key", key)),
        });
        named.collect()
    }

    /// Sets fields; how many are new.
    pub async fn hash_set<K: Into<Bytes>, V: Into<Bytes>>(
        &self,
        key: &str,
        fields: impl IntoIterator<Item = (K, V)>,
        ttl: Option<Duration>,
    ) -> Result<u64> {
        count(self.one(Op::HashSet { key: key.into(), fields: pairs(fields), ttl }).await?)
    }

    /// Sets a field that is not there; whether it did.
    pub async fn hash_set_if_absent(
        &self,
        key: &str,
        field: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<bool> {
        self.one(Op::HashSetAbsent { key: key.into(), field: field.into(), value: value.into() }).await?.flag()
    }

    /// Removes fields; how many there were.
    pub async fn hash_delete<I: IntoIterator<Item: Into<Bytes>>>(&self, key: &str, fields: I) -> Result<u64> {
        count(self.one(Op::HashDelete { key: key.into(), fields: all(fields) }).await?)
    }

    /// Whether there is such a field.
    pub async fn hash_exists(&self, key: &str, field: impl Into<Bytes>) -> Result<bool> {
        self.one(Op::HashExists { key: key.into(), field: field.into() }).await?.flag()
    }

    /// How many fields there are.
    pub async fn hash_len(&self, key: &str) -> Result<u64> {
        count(self.one(Op::HashLen { key: key.into() }).await?)
    }

    /// Adds to a counter in a hash, which is 0 at first; what it is afterwards.
    pub async fn hash_increment(&self, key: &str, field: impl Into<Bytes>, by: i64) -> Result<i64> {
        self.one(Op::HashIncrement { key: key.into(), field: field.into(), by }).await?.number()
    }

    /// Adds members to a set; how many are new.
    pub async fn set_add<I: IntoIterator<Item: Into<Bytes>>>(
        &self,
        key: &str,
        members: I,
        ttl: Option<Duration>,
    ) -> Result<u64> {
        count(self.one(Op::SetAdd { key: key.into(), members: all(members), ttl }).await?)
    }

    /// Removes members of a set; how many there were.
    pub async fn set_remove<I: IntoIterator<Item: Into<Bytes>>>(&self, key: &str, members: I) -> Result<u64> {
        count(self.one(Op::SetRemove { key: key.into(), members: all(members) }).await?)
    }

    /// Whether a set has a member.
    pub async fn set_contains(&self, key: &str, member: impl Into<Bytes>) -> Result<bool> {
        self.one(Op::SetContains { key: key.into(), member: member.into() }).await?.flag()
    }

    /// All members of a set, in no order.
    pub async fn set_members(&self, key: &str) -> Result<Vec<Bytes>> {
        self.one(Op::SetMembers { key: key.into() }).await?.members()
    }

    /// Adds members with their scores, or gives them another score; how many are new.
    pub async fn sorted_add<M: Into<Bytes>>(
        &self,
        key: &str,
        members: impl IntoIterator<Item = (M, f64)>,
        ttl: Option<Duration>,
    ) -> Result<u64> {
        let members = members.into_iter().map(|(member, score)| (member.into(), score)).collect();
        count(self.one(Op::SortedAdd { key: key.into(), members, ttl }).await?)
    }

    /// Removes members; how many there were.
    pub async fn sorted_remove<I: IntoIterator<Item: Into<Bytes>>>(&self, key: &str, members: I) -> Result<u64> {
        count(self.one(Op::SortedRemove { key: key.into(), members: all(members) }).await?)
    }

    /// Members whose score lies between two (inclusive; infinite ones are open ends), lowest first, equal ones by their
    /// bytes, at most `count` (1 to 1000).
    pub async fn sorted_range(&self, key: &str, from: f64, to: f64, count: usize) -> Result<Vec<(Bytes, f64)>> {
        self.one(Op::SortedRange { key: key.into(), from, to, count }).await?.scored()
    }

    /// Adds values behind the last of a list; its length afterwards.
    pub async fn list_push<I: IntoIterator<Item: Into<Bytes>>>(
        &self,
        key: &str,
        values: I,
        ttl: Option<Duration>,
    ) -> Result<u64> {
        count(self.one(Op::ListPush { key: key.into(), values: all(values), ttl }).await?)
    }

    /// Values between two places (inclusive); places count from 0, from behind as -1, -2, …
    pub async fn list_range(&self, key: &str, from: i64, to: i64) -> Result<Vec<Bytes>> {
        self.one(Op::ListRange { key: key.into(), from, to }).await?.members()
    }

    /// Takes the first value off a list.
    pub async fn list_pop(&self, key: &str) -> Result<Option<Bytes>> {
        self.one(Op::ListPop { key: key.into() }).await?.value()
    }

    /// Keeps only the values between two places (inclusive).
    pub async fn list_trim(&self, key: &str, from: i64, to: i64) -> Result<()> {
        self.one(Op::ListTrim { key: key.into(), from, to }).await.map(drop)
    }
}
