//! A group's place in its stream and its pending list, in all and by consumer.
//!
//! Counts and times behave as in Redis: a first hand-out counts 1, reading the pending list again raises the count
//! and resets the idle time, moving an entry to another consumer resets the time only, a look raises nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use crate::topology::Name;
use crate::transport::EntryId;

/// How long a pending entry rests before a broken fetch takes it.
const IDLE: Duration = Duration::from_secs(1);

/// One entry that was handed out and not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// Who holds it.
    pub(super) consumer: Name,
    /// When it was handed out last.
    pub(super) delivered_at: Duration,
    /// How often it was handed out.
    pub(super) deliveries: u64,
}

/// One group.
#[derive(Debug, Clone)]
pub(super) struct GroupState {
    /// The last id handed out as new.
    pub(super) last_delivered: EntryId,
    /// Entries after it.
    pub(super) unread: u64,
    pending: BTreeMap<EntryId, Pending>,
    consumers: BTreeMap<Name, BTreeSet<EntryId>>,
    /// When each consumer asked for something last.
    asked: BTreeMap<Name, Duration>,
}

impl GroupState {
    /// A group that reads on after `last_delivered`, where `unread` entries stand.
    pub(super) fn new(last_delivered: EntryId, unread: u64) -> Self {
        Self { last_delivered, unread, pending: BTreeMap::new(), consumers: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// Makes sure that the consumer exists, and notes that it asks.
    pub(super) fn touch(&mut self, consumer: &Name, now: Duration) {
        self.held_by(consumer);
        self.asked.insert(consumer.clone(), now);
    }

    /// Whether there is such a consumer.
    pub(super) fn knows(&self, consumer: &Name) -> bool {
        self.consumers.contains_key(consumer)
    }

    /// How long a consumer has asked for nothing.
    pub(super) fn idle(&self, consumer: &str, now: Duration) -> Duration {
        now.saturating_sub(self.asked.get(consumer).copied().unwrap_or_default())
    }

    fn held_by(&mut self, consumer: &Name) -> &mut BTreeSet<EntryId> {
        if !self.consumers.contains_key(consumer) {
            self.consumers.insert(consumer.clone(), BTreeSet::new());
        }
        self.consumers.entry(consumer.clone()).or_default()
    }

    /// Hands a new entry to a consumer.
    pub(super) fn deliver(&mut self, id: EntryId, consumer: &Name, now: Duration) {
        self.last_delivered = id;
        self.unread -= 1;
        self.held_by(consumer).insert(id);
        self.pending.insert(id, Pending { consumer: consumer.clone(), delivered_at: now, deliveries: 1 });
    }

    /// Counts one more hand-out of a pending entry to its holder.
    pub(super) fn deliver_again(&mut self, id: EntryId, now: Duration) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered_at = now;
            pending.deliveries += 1;
        }
    }

    /// Moves a pending entry to another consumer.
    pub(super) fn claim(&mut self, id: EntryId, consumer: &Name, now: Duration) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        pending.delivered_at = now;
        let from = std::mem::replace(&mut pending.consumer, consumer.clone());
        if let Some(ids) = self.consumers.get_mut(&from) {
            ids.remove(&id);
        }
        self.held_by(consumer).insert(id);
    }

    /// Broken on purpose: what nobody has touched for a second is taken for orphaned.
    pub(super) fn claim_idle(&mut self, consumer: &Name, now: Duration) {
        let idle = |pending: &Pending| pending.consumer != *consumer && now > pending.delivered_at + IDLE;
        let ids: Vec<_> = self.pending.iter().filter(|(_, pending)| idle(pending)).map(|(id, _)| *id).collect();
        for id in ids {
            self.claim(id, consumer, now);
        }
    }

    /// Makes an entry pending for a consumer, whether it was so for another one or for nobody.
    pub(super) fn bring_back(&mut self, id: EntryId, consumer: &Name, now: Duration) {
        if self.pending.contains_key(&id) {
            self.claim(id, consumer, now);
            return;
        }
        self.held_by(consumer).insert(id);
        self.pending.insert(id, Pending { consumer: consumer.clone(), delivered_at: now, deliveries: 1 });
    }

    /// Takes an entry off the pending list; whether it was on it.
    pub(super) fn ack(&mut self, id: EntryId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(ids) = self.consumers.get_mut(&pending.consumer) {
            ids.remove(&id);
        }
        true
    }

    /// The pending record of an entry.
    pub(super) fn pending(&self, id: EntryId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// All pending entries, oldest first.
    pub(super) fn all_pending(&self) -> impl DoubleEndedIterator<Item = (EntryId, &Pending)> {
        self.pending.iter().map(|(id, pending)| (*id, pending))
    }

    /// How many are pending.
    pub(super) fn pending_len(&self) -> u64 {
        self.pending.len() as u64
    }

    /// Ids pending for a consumer after `after`, at most `count`.
    pub(super) fn held(&self, consumer: &str, after: EntryId, count: usize) -> Vec<EntryId> {
        let Some(ids) = self.consumers.get(consumer) else { return Vec::new() };
        ids.range((Excluded(after), Unbounded)).take(count).copied().collect()
    }

    /// Whether a consumer holds nothing.
    pub(super) fn is_idle(&self, consumer: &str) -> bool {
        self.consumers.get(consumer).is_none_or(BTreeSet::is_empty)
    }

    /// Removes a consumer; what it held is pending for nobody then.
    pub(super) fn remove_consumer(&mut self, consumer: &str) {
        self.asked.remove(consumer);
        for id in self.consumers.remove(consumer).unwrap_or_default() {
            self.pending.remove(&id);
        }
    }

    /// Consumers and how many entries each holds.
    pub(super) fn consumers(&self) -> impl ExactSizeIterator<Item = (&Name, u64)> {
        self.consumers.iter().map(|(name, ids)| (name, ids.len() as u64))
    }

    /// A point below the oldest entry that is not finished.
    pub(super) fn finished_up_to(&self) -> EntryId {
        self.pending.first_key_value().map_or(self.last_delivered, |(id, _)| id.before())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    #[test]
    fn counts_and_times_follow_redis() {
        let mut group = GroupState::new(EntryId::ZERO, 2);
        let (a, b): (Name, Name) = ("a".into(), "b".into());
        let (first, second) = (EntryId::new(1, 0), EntryId::new(2, 0));
        group.deliver(first, &a, T);
        group.deliver(second, &a, T);
        group.claim(second, &b, T * 2);
        group.deliver_again(first, T * 3);
        let seen: Vec<_> =
            group.all_pending().map(|(id, p)| (id, p.consumer.clone(), p.delivered_at, p.deliveries)).collect();
        assert_eq!(seen, vec![(first, a.clone(), T * 3, 2), (second, b.clone(), T * 2, 1)]);
        assert_eq!(group.held(&a, EntryId::ZERO, 9), vec![first]);
        assert_eq!(group.finished_up_to(), first.before());
        assert!(group.ack(first));
        assert!(!group.ack(first));
        assert!(group.is_idle(&a) && !group.is_idle(&b));
        assert!(group.ack(second));
        assert_eq!(group.finished_up_to(), second);
    }
}
