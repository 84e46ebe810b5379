//! What routing knows of a group: registrations, beats, lanes, records of starts, who rests.
//!
//! Kept apart from the group itself, as the keys beside a stream are: it outlives the group until `recreate`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::torn::Torn;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{EntryId, FenceToken, Lane, Record, Refusal, Session};

/// At most this many consumers watch the stream; the others rest.
const WATCHERS: usize = 8;

/// A watcher that was not seen for this long has given its place up (it comes back at least once a second).
const WATCHER_GONE: Duration = Duration::from_secs(3);

/// A lane in use.
#[derive(Debug, Clone)]
pub(super) struct LaneState {
    /// Whose turn it is.
    pub(super) owner: Name,
    /// Entries handed out or waiting, unsettled.
    pub(super) unsettled: u64,
}

/// A registration.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    /// Fence in force.
    pub(super) fence: FenceToken,
    /// Signs of life so far.
    pub(super) beat: u64,
}

/// A record of starts as it is kept: due by the server's wall clock.
#[derive(Debug, Clone, Copy)]
struct Tries {
    record: Record,
    due_ms: u64,
}

#[derive(Debug, Clone)]
struct Idle {
    since: Duration,
    watches: bool,
}

/// The routing state of one group.
#[derive(Debug, Clone, Default)]
pub(super) struct Routing {
    /// Mode text, while anybody is registered.
    pub(super) mode: Option<String>,
    /// Registered identities.
    pub(super) consumers: HashMap<Name, Registration>,
    /// Beats of identities whose registrations were lost.
    lost: HashMap<Name, u64>,
    /// The identity that alone reads what is new (mode `exclusive`).
    holder: Option<Name>,
    /// Everything before this id is finished.
    pub(super) mark: Option<EntryId>,
    /// Up to this id somebody else may have finished entries without deleting them.
    pub(super) clean: Option<EntryId>,
    /// Whose consumers somebody deleted.
    pub(super) torn: Option<Torn>,
    /// The lowest id that was brought back for an identity, from which it reads again.
    pub(super) back: HashMap<Name, EntryId>,
    lanes: HashMap<Lane, LaneState>,
    /// How many lanes each identity owns, so that a sweep need not look at lanes to find nothing.
    owned: HashMap<Name, u64>,
    tries: HashMap<EntryId, Tries>,
    idle: HashMap<Name, Idle>,
    bells: HashMap<Name, Arc<Notify>>,
}

impl Routing {
    /// The registered identity that alone reads what is new.
    pub(super) fn holder(&self) -> Option<&Name> {
        self.holder.as_ref().filter(|holder| self.consumers.contains_key(*holder))
    }

    /// Asks to be the one that reads what is new; whether it is.
    pub(super) fn hold(&mut self, identity: &Name) -> bool {
        if self.holder().is_none() {
            self.holder = Some(identity.clone());
        }
        self.holder.as_ref() == Some(identity)
    }

    /// Whether a session is in force.
    pub(super) fn check(&self, session: &Session) -> Result<(), Refusal> {
        match self.consumers.get(&session.identity) {
            None => Err(Refusal::Forgotten),
            Some(registration) if registration.fence == session.fence => Ok(()),
            Some(_) => Err(Refusal::Stale),
        }
    }

    /// Assigns one more entry to a lane that `reader` has met; who is to run it, if somebody else.
    pub(super) fn route(&mut self, lane: &Lane, reader: &Name) -> Option<Name> {
        if let Some(state) = self.lanes.get_mut(lane) {
            if state.owner == *reader {
                state.unsettled += 1;
                return None;
            }
            if self.consumers.contains_key(&state.owner) {
                state.unsettled += 1;
                return Some(state.owner.clone());
            }
            let before = std::mem::replace(state, LaneState { owner: reader.clone(), unsettled: 1 }).owner;
            self.disown(&before);
        } else {
            self.lanes.insert(lane.clone(), LaneState { owner: reader.clone(), unsettled: 1 });
        }
        *self.owned.entry(reader.clone()).or_default() += 1;
        None
    }

    /// The registered identity whose turn a lane is.
    pub(super) fn owner(&self, lane: &Lane) -> Option<&Name> {
        self.lanes.get(lane).map(|state| &state.owner).filter(|owner| self.consumers.contains_key(*owner))
    }

    /// The unsettled entries of a lane, if this identity owns it.
    pub(super) fn unsettled(&self, lane: &Lane, identity: &Name) -> Option<u64> {
        self.lanes.get(lane).filter(|state| state.owner == *identity).map(|state| state.unsettled)
    }

    /// One entry of a lane is finished; at 0 the lane is free.
    pub(super) fn finish(&mut self, lane: &Lane) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        state.unsettled = if Mutant::LaneFreedAtOnce.is_on() { 0 } else { state.unsettled.saturating_sub(1) };
        if state.unsettled == 0
            && let Some(state) = self.lanes.remove(lane)
        {
            self.disown(&state.owner);
        }
    }

    fn disown(&mut self, owner: &Name) {
        if let Some(n) = self.owned.get_mut(owner) {
            *n -= 1;
            if *n == 0 {
                self.owned.remove(owner);
            }
        }
    }

    /// Removes the lanes whose owner is not registered; none while nobody is.
    pub(super) fn sweep_lanes(&mut self) {
        if self.mode.is_none() || self.owned.keys().all(|owner| self.consumers.contains_key(owner)) {
            return;
        }
        self.lanes.retain(|_, state| self.consumers.contains_key(&state.owner));
        self.owned.retain(|owner, _| self.consumers.contains_key(owner));
    }

    /// Keeps a record of starts.
    pub(super) fn set_record(&mut self, id: EntryId, record: Record, wall_ms: u64) {
        let mut record = record;
        if let Some(before) = self.tries.get(&id).filter(|_| Mutant::StartsAdded.is_on()) {
            record.starts += before.record.starts;
        }
        let wait = u64::try_from(record.due_in.as_millis()).unwrap_or(u64::MAX);
        self.tries.insert(id, Tries { record, due_ms: wall_ms.saturating_add(wait) });
    }

    /// The record of an entry, with what is left of its waiting time.
    pub(super) fn record(&self, id: EntryId, wall_ms: u64) -> Option<Record> {
        let Tries { record, due_ms } = self.tries.get(&id)?;
        Some(Record { due_in: Duration::from_millis(due_ms.saturating_sub(wall_ms)), ..*record })
    }

    /// Drops all records.
    pub(super) fn drop_records(&mut self) {
        self.tries.clear();
    }

    /// Drops the records of all other entries.
    pub(super) fn keep_records(&mut self, keeps: impl Fn(EntryId) -> bool) {
        self.tries.retain(|id, _| keeps(*id));
    }

    /// Drops a record.
    pub(super) fn drop_record(&mut self, id: EntryId) {
        self.tries.remove(&id);
    }

    /// How many lanes and records there are.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.lanes.len(), self.tries.len())
    }

    /// Notes that a consumer has nothing to do; whether it should watch the stream.
    pub(super) fn rest(&mut self, identity: &Name, now: Duration) -> bool {
        let watching = self
            .idle
            .iter()
            .filter(|(other, idle)| *other != identity && idle.watches && now < idle.since + WATCHER_GONE)
            .count();
        let watches = watching < WATCHERS;
        self.idle.insert(identity.clone(), Idle { since: now, watches });
        self.bell(identity);
        watches
    }

    /// Notes that a consumer has nothing to do and is not to watch the stream.
    pub(super) fn stand_by(&mut self, identity: &Name, now: Duration) {
        self.idle.insert(identity.clone(), Idle { since: now, watches: false });
        self.bell(identity);
    }

    /// Notes that a consumer is busy.
    pub(super) fn work(&mut self, identity: &Name) {
        self.idle.remove(identity);
    }

    /// The bell of a consumer; for somebody unknown one that nobody rings.
    pub(super) fn bell(&mut self, identity: &Name) -> Arc<Notify> {
        if !self.consumers.contains_key(identity) {
            return Arc::default();
        }
        self.bells.entry(identity.clone()).or_default().clone()
    }

    /// Rings the consumer that has rested longest.
    pub(super) fn ring_one(&mut self) {
        let resting = self.idle.iter().filter(|(_, idle)| !idle.watches);
        let Some((name, _)) = resting.min_by_key(|(name, idle)| (idle.since, (*name).clone())) else { return };
        let name = name.clone();
        self.idle.remove(&name);
        if let Some(bell) = self.bells.get(&name) {
            bell.notify_one();
        }
    }

    /// Rings everybody who has nothing to do.
    pub(super) fn ring_all(&mut self) {
        for name in self.idle.keys() {
            if let Some(bell) = self.bells.get(name) {
                bell.notify_one();
            }
        }
    }

    /// Forgets an identity; with the last one goes the mode. If it held the stream, the others are rung.
    pub(super) fn unregister(&mut self, identity: &Name) {
        self.consumers.remove(identity);
        self.lost.remove(identity);
        self.idle.remove(identity);
        self.bells.remove(identity);
        self.back.remove(identity);
        if self.holder.as_ref() == Some(identity) {
            self.holder = None;
            self.ring_all();
        }
        if self.consumers.is_empty() {
            self.mode = None;
        }
    }

    /// Forgets who is registered, and with that mode and holder.
    pub(super) fn forget_registrations(&mut self) {
        self.lost.extend(self.consumers.drain().map(|(name, registration)| (name, registration.beat)));
        (self.mode, self.holder) = (None, None);
    }

    /// Registers those again who are lost and hold something, under a fence that nobody has.
    pub(super) fn find_lost(&mut self, has_holder: bool, holds: impl Fn(&Name) -> bool) {
        self.lost.retain(|name, _| holds(name));
        let mut lost: Vec<_> = self.lost.iter().collect();
        lost.sort();
        for (name, beat) in lost {
            let registration = Registration { fence: FenceToken::lost(), beat: *beat };
            self.consumers.entry(name.clone()).or_insert(registration);
            if has_holder {
                self.holder.get_or_insert_with(|| name.clone());
            }
        }
    }

    /// Forgets everything about an earlier life of the group, but not the mark.
    pub(super) fn wipe(&mut self) {
        *self = Self { mark: self.mark, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(names: &[&str]) -> Routing {
        let mut routing = Routing::default();
        for name in names {
            let registration = Registration { fence: FenceToken::first("x"), beat: 0 };
            routing.consumers.insert((*name).into(), registration);
        }
        routing
    }

    #[test]
    fn a_lane_stays_with_its_owner_until_the_count_is_zero() {
        let mut routing = registered(&["a", "b"]);
        let (a, b, lane): (Name, Name, Lane) = ("a".into(), "b".into(), Lane::from_static(b"l"));
        assert_eq!(routing.route(&lane, &a), None);
        assert_eq!(routing.route(&lane, &b), Some(a.clone()));
        assert_eq!(routing.unsettled(&lane, &a), Some(2));
        routing.finish(&lane);
        assert_eq!(routing.route(&lane, &b), Some(a.clone()));
        routing.finish(&lane);
        routing.finish(&lane);
        assert_eq!(routing.route(&lane, &b), None);
        routing.unregister(&b);
        assert_eq!(routing.route(&lane, &a), None, "an owner that is not registered owns nothing");
        assert_eq!(routing.unsettled(&lane, &a), Some(1));
    }

    #[test]
    fn eight_watch_and_the_ninth_rests_until_one_is_gone() {
        let mut routing = registered(&["0", "ninth"]);
        let at = |ms| Duration::from_millis(ms);
        for n in 0..8 {
            assert!(routing.rest(&n.to_string().into(), at(n)));
        }
        assert!(!routing.rest(&"ninth".into(), at(8)));
        assert!(routing.rest(&"7".into(), at(9)));
        assert!(!routing.rest(&"ninth".into(), at(2_999)));
        assert!(routing.rest(&"ninth".into(), at(3_000)));
    }
}
