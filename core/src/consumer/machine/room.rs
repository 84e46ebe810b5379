//! Full memory: a consumer whose handlers find no room takes nothing new until there is some.
//!
//! It begins with a handler that failed while the server refused its bus a write for want of memory. That entry's lane
//! stands aside until there is room. Others are tried one at a time, by a back-off of its own: those whose handlers need no
//! room get through, and finishing them is what frees memory, so that nothing stands still for ever. What is held is
//! kept, and is renewed, settled and buried as always. A probe that writes nothing asks the server meanwhile, and once
//! there is room everything goes on.

use std::time::Duration;

use super::lane::Slot;
use super::trouble::Call;
use super::types::{Action, Now, SessionKey};
use super::{Machine, Phase, backoff};
use crate::error::Error;
use crate::transport::no_memory;

/// Between two probes, at first and at most.
const PROBE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Probes of many consumers are to spread.
const JITTER: f64 = 0.5;

/// Whether there is room.
#[derive(Debug, Default)]
pub(super) struct Room {
    full: Option<Full>,
}

#[derive(Debug)]
struct Full {
    probe_at: Duration,
    probing: bool,
    probes: u32,
    /// When the next entry may be tried.
    try_at: Duration,
    /// Tries that found no room, since one got through.
    failed: u32,
    /// Lanes whose fronts found none.
    aside: Vec<(SessionKey, Slot)>,
}

impl Room {
    /// A session is gone, and its lanes with it.
    pub(super) fn forget(&mut self, key: SessionKey) {
        if let Some(full) = &mut self.full {
            full.aside.retain(|(owner, _)| *owner != key);
        }
    }
}

impl Machine {
    /// A handler failed because the server has no memory left.
    pub(super) fn found_no_room(&mut self, why: &str, now: Now) {
        let policy = &self.policy;
        let (base, max) = (policy.retry_base, policy.retry_max);
        let pause = |failed| backoff::delay(base, max, JITTER, failed, policy.seed ^ u64::from(failed));
        match &mut self.room.full {
            // Of many that failed together one counts.
            Some(full) if now.mono < full.try_at => {}
            Some(full) => {
                full.failed = full.failed.saturating_add(1);
                full.try_at = now.mono + pause(full.failed);
            }
            None => {
                let (probe_at, try_at) = (now.mono, now.mono + pause(1));
                self.room.full =
                    Some(Full { probe_at, probing: false, probes: 0, try_at, failed: 1, aside: Vec::new() });
                let text =
                    "the server's memory is full: nothing new is taken until there is room; a handler failed with: ";
                let _ = self.failed(Call::Room, no_memory(format!("{text}{why}")), now);
            }
        }
    }

    /// A handler got through: the next may be tried.
    pub(super) fn got_through(&mut self, now: Now) {
        if let Some(full) = &mut self.room.full {
            full.failed = 0;
            full.try_at = now.mono;
        }
    }

    /// Whether a lane waits for room.
    pub(super) fn stands_aside(&mut self, key: SessionKey, slot: &Slot) -> bool {
        let Some(full) = &mut self.room.full else { return false };
        let front = self.sessions.get(&key).and_then(|held| held.lanes.get(slot)?.queue.front());
        let aside = front.is_some_and(|front| front.no_room);
        if aside {
            full.aside.push((key, slot.clone()));
        }
        aside
    }

    /// How many handlers may run.
    pub(super) fn slots(&self, now: Now) -> usize {
        match &self.room.full {
            Some(full) => usize::from(now.mono >= full.try_at),
            None => self.policy.concurrency,
        }
    }

    /// How many new entries may be asked for where there is room for so many.
    pub(super) fn new_ones(&self, room: usize, now: Now) -> usize {
        if self.room.full.is_none() {
            return room;
        }
        let in_hand = self.busy + self.bodies + self.runnable.len();
        if in_hand > 0 { 0 } else { room.min(self.slots(now)) }
    }

    pub(super) fn pump_room(&mut self, now: Now) {
        let working = self.phase == Phase::Working;
        let Some(full) = &mut self.room.full else { return };
        if working && !full.probing && now.mono >= full.probe_at {
            full.probing = true;
            full.probes = full.probes.saturating_add(1);
            self.out.push(Action::Probe);
        }
    }

    /// What the probe found. One that failed says nothing; other requests tell of that trouble.
    pub(super) fn probed(&mut self, answer: &Result<bool, Error>, now: Now) {
        let Some(full) = &mut self.room.full else { return };
        full.probing = false;
        if matches!(answer, Ok(true)) {
            self.runnable.extend(std::mem::take(&mut full.aside));
            self.room.full = None;
            self.succeeded(Call::Room);
            return;
        }
        let dice = self.policy.seed ^ u64::from(full.probes);
        full.probe_at = now.mono + backoff::delay(PROBE.0, PROBE.1, JITTER, full.probes, dice);
    }

    pub(super) fn room_deadlines(&self, now: Now, earliest: &mut impl FnMut(Duration)) {
        let Some(full) = self.room.full.as_ref().filter(|_| self.phase == Phase::Working) else { return };
        if !full.probing {
            earliest(full.probe_at);
        }
        if full.try_at > now.mono {
            earliest(full.try_at);
        }
    }
}
