//! Locks of channels (ordering mode `lock`): a lane starts nothing before it holds the lock of its channel.
//!
//! Asking for a lock takes a handler slot for the length of the request, waiting for one takes none: the lane waits as
//! it does for a retry. A lock is kept while its lane has something to run or to report, and given up after a third of
//! its time so that others get a turn; always after the outcomes it covered were answered. It counts as lost a fifth of
//! its time before it lapses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::lane::{LaneQueue, LaneState, Slot};
use super::notice::Notice;
use super::trouble::Call;
use super::types::{Action, CancelReason, LockNumber, Now, SessionKey};
use super::{Machine, Phase, backoff};
use crate::config::OnLeaseLost;
use crate::error::Error;
use crate::topology::Name;

/// The first pause before a lock is asked for again, doubled each time up to the longest, and moved by half of itself.
const POLL: Duration = Duration::from_millis(50);
const LONGEST_POLL: Duration = Duration::from_millis(500);

/// How long a lane that gave its lock up leaves it to others.
const TURN_OF_OTHERS: Duration = Duration::from_millis(500);

/// The locks that are held or asked for.
#[derive(Debug, Default)]
pub(super) struct Locks {
    all: BTreeMap<LockNumber, Lock>,
    next: LockNumber,
    /// Not before this time: a request is under way, or failed. One that is not answered for long does not count.
    renew_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    Held,
    GivenUp,
}

#[derive(Debug)]
struct Lock {
    state: State,
    key: SessionKey,
    slot: Slot,
    names: Arc<[Name]>,
    token: Name,
    since: Duration,
    /// When it was last known to be ours: when the request was sent that said so.
    confirmed: Duration,
}

impl Locks {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn is_held(&self, number: Option<LockNumber>, names: &Arc<[Name]>) -> bool {
        let lock = number.and_then(|number| self.all.get(&number));
        lock.is_some_and(|lock| lock.state == State::Held && lock.names == *names)
    }
}

impl Machine {
    /// Whether the front of a lane may run as far as locks go.
    pub(super) fn is_locked(&self, lane: &LaneQueue) -> bool {
        let Some(item) = lane.queue.front().filter(|_| self.policy.lock_ttl.is_some()) else { return true };
        item.locks.is_empty() || self.locks.is_held(lane.lock, &item.locks)
    }

    /// Whether a lane had its lock for as long as it may.
    pub(super) fn has_had_its_turn(&self, lane: &LaneQueue, now: Now) -> bool {
        let lock = lane.lock.and_then(|number| self.locks.all.get(&number));
        lock.zip(self.policy.lock_ttl).is_some_and(|(lock, ttl)| now.mono >= lock.since + ttl / 3)
    }

    /// Leaves the lock to others for a while, once every outcome it covered was answered.
    pub(super) fn leave_the_turn(&mut self, key: SessionKey, slot: Slot, now: Now) {
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)) else { return };
        if lane.has_unanswered() {
            lane.state = LaneState::Reporting;
            return;
        }
        let dice = self.policy.seed ^ self.locks.next;
        let pause = backoff::delay(TURN_OF_OTHERS, TURN_OF_OTHERS, 0.5, 1, dice);
        self.put_to_wait(key, slot, now.mono + pause);
    }

    /// Asks for the lock that the front of a lane needs.
    pub(super) fn ask_for_lock(&mut self, key: SessionKey, slot: &Slot, now: Now) {
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(slot)) else { return };
        let Some(item) = lane.queue.front() else { return };
        let number = self.locks.next;
        self.locks.next += 1;
        let (names, token) = (item.locks.clone(), token(self.policy.seed, number));
        lane.state = LaneState::Locking;
        lane.lock = Some(number);
        self.busy += 1;
        self.out.push(Action::Lock { number, names: names.clone(), token: token.clone() });
        let (since, confirmed) = (now.mono, now.mono);
        let lock = Lock { state: State::Asked, key, slot: slot.clone(), names, token, since, confirmed };
        self.locks.all.insert(number, lock);
    }

    pub(super) fn lock_answered(&mut self, number: LockNumber, answer: Result<bool, Error>, now: Now) {
        let Some(lock) = self.locks.all.get_mut(&number) else { return };
        let (key, slot) = (lock.key, lock.slot.clone());
        // Also when it is not known whether we have it: then it must be given up.
        lock.state = State::Held;
        let refused = matches!(answer, Ok(false));
        if refused {
            self.locks.all.remove(&number);
        }
        let not_before = match answer {
            Ok(_) => {
                self.succeeded(Call::Locks);
                now.mono
            }
            Err(error) => self.failed(Call::Locks, error, now),
        };
        let lane = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot));
        let Some(lane) = lane.filter(|lane| lane.state == LaneState::Locking && lane.lock == Some(number)) else {
            return;
        };
        self.busy -= 1;
        if !refused && not_before == now.mono {
            lane.refused = 0;
            lane.state = LaneState::Runnable;
            self.runnable.push_front((key, slot));
            return;
        }
        lane.lock = None;
        lane.refused = lane.refused.saturating_add(1);
        let poll = backoff::delay(POLL, LONGEST_POLL, 0.5, lane.refused, self.policy.seed ^ number);
        self.put_to_wait(key, slot, not_before.max(now.mono + poll));
    }

    /// Gives up what is not needed any more, notices what is lost, renews the rest.
    pub(super) fn pump_locks(&mut self, now: Now) {
        let Some(ttl) = self.policy.lock_ttl else { return };
        let (mut unused, mut lost, mut renew) = (Vec::new(), Vec::new(), false);
        for (number, lock) in self.locks.all.iter().filter(|(_, lock)| lock.state == State::Held) {
            if !self.is_used(*number, lock) {
                unused.push(*number);
            } else if now.mono >= lock.confirmed + ttl * 4 / 5 {
                lost.push(*number);
            } else {
                renew |= now.mono >= lock.confirmed + ttl / 3;
            }
        }
        for number in unused {
            self.give_up(number);
        }
        for number in lost {
            self.lose_lock(number);
        }
        if renew && now.mono >= self.locks.renew_at {
            self.locks.renew_at = now.mono + ttl / 5;
            let held = self.locks.all.iter().filter(|(_, lock)| lock.state == State::Held);
            let locks = held.map(|(number, lock)| (*number, lock.names.clone(), lock.token.clone())).collect();
            self.out.push(Action::RenewLocks { locks });
        }
    }

    fn is_used(&self, number: LockNumber, lock: &Lock) -> bool {
        let lane = self.sessions.get(&lock.key).and_then(|held| held.lanes.get(&lock.slot));
        let Some(lane) = lane.filter(|lane| lane.lock == Some(number)) else {
            // The lane is lost to us, and its handler may not have heard of it.
            return self.tickets.values().any(|running| running.key == lock.key && running.slot == lock.slot);
        };
        match lane.state {
            LaneState::Settling => true,
            LaneState::Waiting | LaneState::Locking => false,
            // What is left in the queue is given back.
            _ if self.phase == Phase::Leaving => lane.has_unanswered(),
            LaneState::Idle => lane.has_unanswered(),
            _ => true,
        }
    }

    fn give_up(&mut self, number: LockNumber) {
        let Some(lock) = self.locks.all.get_mut(&number) else { return };
        lock.state = State::GivenUp;
        self.out.push(Action::Unlock { number, names: lock.names.clone(), token: lock.token.clone() });
        let lane = self.sessions.get_mut(&lock.key).and_then(|held| held.lanes.get_mut(&lock.slot));
        if let Some(lane) = lane.filter(|lane| lane.lock == Some(number)) {
            lane.lock = None;
        }
    }

    /// Somebody else may run the channel: what runs of it ends, what comes next asks anew.
    fn lose_lock(&mut self, number: LockNumber) {
        let Some(lock) = self.locks.all.get(&number) else { return };
        let (key, slot) = (lock.key, lock.slot.clone());
        if let Some(lane) = slot.lane() {
            self.out.push(Action::Tell(Notice::LockLost { lane: lane.clone() }));
        }
        self.give_up(number);
        let running = self.tickets.iter_mut().find(|(_, running)| running.key == key && running.slot == slot);
        if self.policy.on_lease_lost == OnLeaseLost::Cancel
            && let Some((ticket, running)) = running
            && !std::mem::replace(&mut running.cancelled, true)
        {
            self.out.push(Action::Cancel { ticket: *ticket, reason: CancelReason::LeaseLost });
        }
    }

    pub(super) fn locks_renewed(&mut self, sent: Duration, answers: Vec<(LockNumber, Result<bool, Error>)>, now: Now) {
        let mut trouble = None;
        for (number, answer) in answers {
            let Some(lock) = self.locks.all.get_mut(&number).filter(|lock| lock.state == State::Held) else { continue };
            match answer {
                Ok(true) => lock.confirmed = lock.confirmed.max(sent),
                Ok(false) => self.lose_lock(number),
                Err(error) => trouble = Some(error),
            }
        }
        self.locks.renew_at = if let Some(error) = trouble {
            self.failed(Call::Locks, error, now)
        } else {
            self.succeeded(Call::Locks);
            now.mono
        };
    }

    /// A lock that could not be given up lapses by itself.
    pub(super) fn unlocked(&mut self, number: LockNumber) {
        self.locks.all.remove(&number);
    }

    pub(super) fn lock_deadlines(&self, earliest: &mut impl FnMut(Duration)) {
        let Some(ttl) = self.policy.lock_ttl else { return };
        for lock in self.locks.all.values().filter(|lock| lock.state == State::Held) {
            earliest(lock.confirmed + ttl * 4 / 5);
            earliest((lock.confirmed + ttl / 3).max(self.locks.renew_at));
        }
    }
}

/// A token in the form of the original's, a random UUID; drawn from the seed, because the machine draws no numbers.
fn token(seed: u64, number: LockNumber) -> Name {
    let (high, low) = (backoff::mix(seed ^ number.rotate_left(32)), backoff::mix(seed.rotate_left(17) ^ number));
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::token;

    #[test]
    fn tokens_are_random_uuids_and_never_the_same() {
        let all: BTreeSet<_> = (0..10).flat_map(|seed| (0..100).map(move |number| token(seed, number))).collect();
        assert_eq!(all.len(), 1000);
        for token in all {
            let uuid: uuid::Uuid = token.parse().unwrap();
            assert_eq!((uuid.get_version_num(), &*uuid.to_string()), (4, &*token));
        }
    }
}
