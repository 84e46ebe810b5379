//! Writes that are carried out together.

use std::time::Duration;

use bytes::Bytes;

use super::{Store, all, pairs};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Answer, LogOptions, Op, When};

/// Writes that are collected and carried out by [`Batch::commit`], in their order, all or none.
///
/// A condition of a write that does not hold (`set_if_absent`) leaves out that write only; one of the batch (`require_absent`)
/// leaves out everything. A key is of one kind throughout, also when
/// the batch removes it; a counter is written once.
#[derive(Debug)]
#[must_use = "a batch is carried out by `commit`"]
pub struct Batch {
    store: Store,
    ops: Vec<Op>,
}

impl Batch {
    pub(super) fn new(store: Store) -> Self {
        Self { store, ops: Vec::new() }
    }

    /// How many operations were collected.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Adds any operation.
    pub fn op(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// Has the batch carried out only if there is no such key; `Conflict` otherwise, see [`super::unmet`].
    pub fn require_absent(self, key: &str) -> Self {
        self.op(Op::Exists { key: key.into() }.required(false))
    }

    /// Has the batch carried out only if a set has a member; `Conflict` otherwise, see [`super::unmet`].
    pub fn require_member(self, key: &str, member: impl Into<Bytes>) -> Self {
        self.op(Op::SetContains { key: key.into(), member: member.into() }.required(true))
    }

    /// Carries them out; one answer for each. Nothing collected is nothing to do.
    pub async fn commit(self) -> Result<Vec<Answer>> {
        if self.ops.is_empty() { Ok(Vec::new()) } else { self.store.apply(self.ops).await }
    }

    /// See [`Store::set`].
    pub fn set(self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Self {
        self.op(Op::Set { key: key.into(), value: value.into(), ttl, when: When::Always })
    }

    /// See [`Store::set_if_absent`].
    pub fn set_if_absent(self, key: &str, value: impl Into<Bytes>, ttl: Option<Duration>) -> Self {
        self.op(Op::Set { key: key.into(), value: value.into(), ttl, when: When::Absent })
    }

    /// See [`Store::compare_and_set`].
    pub fn compare_and_set(
        self,
        key: &str,
        expected: impl Into<Bytes>,
        value: impl Into<Bytes>,
        ttl: Option<Duration>,
    ) -> Self {
        let when = When::Equal(expected.into());
        self.op(Op::Set { key: key.into(), value: value.into(), ttl, when })
    }

    /// See [`Store::compare_and_delete`].
    pub fn compare_and_delete(self, key: &str, expected: impl Into<Bytes>) -> Self {
        self.op(Op::DeleteEqual { key: key.into(), expected: expected.into() })
    }

    /// See [`Store::increment`].
    pub fn increment(self, key: &str, by: i64, ttl: Option<Duration>) -> Self {
        self.op(Op::Increment { key: key.into(), by, ttl })
    }

    /// See [`Store::delete`].
    pub fn delete<I: IntoIterator<Item: Into<Name>>>(self, keys: I) -> Self {
        let keys: Vec<Name> = keys.into_iter().map(Into::into).collect();
        if keys.is_empty() { self } else { self.op(Op::Delete { keys }) }
    }

    /// See [`Store::expire`].
    pub fn expire(self, key: &str, ttl: Duration) -> Self {
        self.op(Op::Expire { key: key.into(), ttl })
    }

    /// See [`Store::hash_set`].
    pub fn hash_set<K: Into<Bytes>, V: Into<Bytes>>(
        self,
        key: &str,
        fields: impl IntoIterator<Item = (K, V)>,
        ttl: Option<Duration>,
    ) -> Self {
        self.op(Op::HashSet { key: key.into(), fields: pairs(fields), ttl })
    }

    /// See [`Store::hash_set_if_absent`].
    pub fn hash_set_if_absent(self, key: &str, field: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.op(Op::HashSetAbsent { key: key.into(), field: field.into(), value: value.into() })
    }

    /// See [`Store::hash_delete`].
    pub fn hash_delete<I: IntoIterator<Item: Into<Bytes>>>(self, key: &str, fields: I) -> Self {
        self.op(Op::HashDelete { key: key.into(), fields: all(fields) })
    }

    /// See [`Store::hash_increment`].
    pub fn hash_increment(self, key: &str, field: impl Into<Bytes>, by: i64) -> Self {
        self.op(Op::HashIncrement { key: key.into(), field: field.into(), by })
    }

    /// See [`Store::set_add`].
    pub fn set_add<I: IntoIterator<Item: Into<Bytes>>>(self, key: &str, members: I, ttl: Option<Duration>) -> Self {
        self.op(Op::SetAdd { key: key.into(), members: all(members), ttl })
    }

    /// See [`Store::set_remove`].
    pub fn set_remove<I: IntoIterator<Item: Into<Bytes>>>(self, key: &str, members: I) -> Self {
        self.op(Op::SetRemove { key: key.into(), members: all(members) })
    }

    /// See [`Store::sorted_add`].
    pub fn sorted_add<M: Into<Bytes>>(
        self,
        key: &str,
        members: impl IntoIterator<Item = (M, f64)>,
        ttl: Option<Duration>,
    ) -> Self {
        let members = members.into_iter().map(|(member, score)| (member.into(), score)).collect();
        self.op(Op::SortedAdd { key: key.into(), members, ttl })
    }

    /// See [`Store::sorted_remove`].
    pub fn sorted_remove<I: IntoIterator<Item: Into<Bytes>>>(self, key: &str, members: I) -> Self {
        self.op(Op::SortedRemove { key: key.into(), members: all(members) })
    }

    /// See [`Store::list_push`].
    pub fn list_push<I: IntoIterator<Item: Into<Bytes>>>(self, key: &str, values: I, ttl: Option<Duration>) -> Self {
        self.op(Op::ListPush { key: key.into(), values: all(values), ttl })
    }

    /// See [`Store::list_trim`].
    pub fn list_trim(self, key: &str, from: i64, to: i64) -> Self {
        self.op(Op::ListTrim { key: key.into(), from, to })
    }

    /// See [`Store::notify`].
    pub fn notify(self, channel: &str, payload: impl Into<Bytes>) -> Self {
        self.op(Op::Notify { channel: channel.into(), payload: payload.into() })
    }

    /// See [`Store::log_append`].
    pub fn log_append<K: Into<Bytes>, V: Into<Bytes>>(
        self,
        stream: &str,
        fields: impl IntoIterator<Item = (K, V)>,
        options: LogOptions,
    ) -> Self {
        self.op(Op::LogAppend { stream: stream.into(), fields: pairs(fields), options })
    }
}
