//! A stream: entries in id order, the last id it ever gave, and its groups.
//!
//! Ids come from the wall clock and never go back. Every operation costs a logarithm of the length; counts that
//! would need a walk (what a group has not read yet) are kept along.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::group::GroupState;
use crate::topology::{Name, field as names};
use crate::transport::{EntryId, Fields, field};

/// One stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    /// Entries by id.
    pub(super) entries: BTreeMap<EntryId, Fields>,
    /// The largest id it ever gave.
    pub(super) last_id: EntryId,
    /// Groups by name, in the order an inspection shows them.
    pub(super) groups: BTreeMap<Name, GroupState>,
    /// Rung at every append.
    pub(super) appended: Arc<Notify>,
}

impl Stream {
    /// Entries in it.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Adds an entry under the next id.
    pub(super) fn append(&mut self, fields: Fields, wall_ms: u64) -> EntryId {
        let last = self.last_id;
        let id =
            if wall_ms > last.ms { EntryId::new(wall_ms, 0) } else { EntryId::new(last.ms, last.seq.wrapping_add(1)) };
        self.last_id = id;
        self.entries.insert(id, fields);
        for group in self.groups.values_mut() {
            group.unread += 1;
        }
        self.appended.notify_waiters();
        id
    }

    /// Removes one entry; its big body's key, if it has one.
    pub(super) fn remove(&mut self, id: EntryId) -> Removed {
        let Some(fields) = self.entries.remove(&id) else { return Removed::default() };
        for group in self.groups.values_mut() {
            group.unread -= u64::from(id > group.last_delivered);
        }
        Removed { existed: true, body: field(&fields, names::REF).cloned() }
    }

    /// Removes the oldest entries down to `max_len`; the keys of their big bodies.
    pub(super) fn trim_to(&mut self, max_len: u64) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        while self.len() > max_len
            && let Some((&oldest, _)) = self.entries.first_key_value()
        {
            bodies.extend(self.remove(oldest).body);
        }
        bodies
    }

    /// Removes the entries below `floor`, at most `limit`; the keys of their big bodies.
    pub(super) fn trim_below(&mut self, floor: EntryId, limit: usize) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        for _ in 0..limit {
            match self.entries.first_key_value() {
                Some((&oldest, _)) if oldest < floor => bodies.extend(self.remove(oldest).body),
                _ => break,
            }
        }
        bodies
    }

    /// How many entries stand after `id`. Walks; only for the making of a group.
    pub(super) fn count_after(&self, id: EntryId) -> u64 {
        if id == EntryId::ZERO { self.len() } else { self.entries.range((Excluded(id), Unbounded)).count() as u64 }
    }
}

/// What the removal of an entry found.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// It was there.
    pub(super) existed: bool,
    /// The key of its big body.
    pub(super) body: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_go_back() {
        let mut stream = Stream::default();
        assert_eq!(stream.append(Fields::new(), 5), EntryId::new(5, 0));
        assert_eq!(stream.append(Fields::new(), 5), EntryId::new(5, 1));
        assert_eq!(stream.append(Fields::new(), 3), EntryId::new(5, 2));
        assert!(stream.remove(EntryId::new(5, 2)).existed);
        assert_eq!(stream.append(Fields::new(), 3), EntryId::new(5, 3));
        assert_eq!(stream.append(Fields::new(), 6), EntryId::new(6, 0));
    }

    #[test]
    fn what_a_group_has_not_read_is_counted_through_trims() {
        let mut stream = Stream::default();
        let first = stream.append(Fields::new(), 1);
        stream.append(Fields::new(), 2);
        let group = GroupState::new(first, stream.count_after(first));
        stream.groups.insert("g".into(), group);
        stream.append(Fields::new(), 3);
        assert_eq!(stream.groups["g"].unread, 2);
        stream.trim_to(1);
        assert_eq!(stream.groups["g"].unread, 1);
        stream.trim_below(EntryId::new(9, 0), 10);
        assert_eq!((stream.groups["g"].unread, stream.len()), (0, 0));
    }
}
