//! Suspects: entries whose processes died. They are tried alone, and given up when that kills, too.
//!
//! What is counted of an entry are its starts, the deaths among them (a start without an outcome whose process died, or
//! was taken for dead), and the lone ones among those. A start is lone when no other handler of any consumer of the process ran
//! beside it, when no outcome was on its way, and when whoever runs it had said that it begins now before it was marked:
//! nothing but the entry itself, or somebody outside, can then have ended the process.
//!
//! The last start before an entry would be given up is a lone one. If it kills, the entry is accused, and waits: while the
//! same consumer knows of others that have died as often and were not tried, one of them may have been to blame for
//! the earlier deaths, and somebody outside for the last. They are tried first. Where it stays the only one, it is given up unrun. Where
//! several are accused, all are tried once more: those that live are cleared; a second lone death is proof for good.

use std::collections::VecDeque;
use std::time::Duration;

use super::dead;
use super::lane::{Doubt, LaneState, Slot};
use super::session::{Held, Mark, Stage, Why};
use super::types::{Action, CancelReason, Now, SessionKey, Ticket};
use super::{Machine, Phase};
use crate::mutant::Mutant;
use crate::transport::Record;

/// Deaths that prove something, however few starts are permitted: the first may be one that is only assumed, and of the
/// second a mark may be all there ever was.
const PROOF: u32 = 3;

/// How many leases others wait for a suspect to be alone, and a suspect then for the others.
const PATIENCE: u32 = 4;

/// Whether the next start must be a lone one: one more death, and it would be given up.
pub(super) fn is_suspect(record: &Record, max_attempts: u32) -> bool {
    record.deaths > 0 && record.deaths + 1 >= max_attempts && !Mutant::CompanyIsProof.is_on()
}

/// Whether it has killed as often as it takes, and alone.
pub(super) fn is_guilty(record: &Record, max_attempts: u32) -> bool {
    record.deaths >= max_attempts.max(PROOF) && (record.lone_deaths > 0 || Mutant::CompanyIsProof.is_on())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Others of the process may start what they like.
    #[default]
    Among,
    /// Waiting for their handlers to end.
    Asked,
    /// Nothing else runs in the process.
    Alone,
}

/// Who is to run alone, and who was accused.
#[derive(Debug, Default)]
pub(super) struct Alone {
    queue: VecDeque<(SessionKey, Slot)>,
    accused: Vec<(SessionKey, Slot)>,
    place: Place,
    /// Until then the others wait.
    until: Option<Duration>,
    /// Another consumer of the process is, or wants to be, alone.
    pub held: bool,
}

impl Alone {
    pub(super) fn wants(&mut self, key: SessionKey, slot: Slot) {
        self.queue.push_back((key, slot));
    }

    /// Whether somebody waits for the others to end.
    pub(super) fn is_wanted(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A session is gone.
    pub(super) fn forget(&mut self, key: SessionKey) {
        self.queue.retain(|(owner, _)| *owner != key);
        self.accused.retain(|(owner, _)| *owner != key);
    }
}

impl Machine {
    /// Whether a suspect runs, beside which nothing may start.
    pub(super) fn somebody_is_alone(&self) -> bool {
        self.alone.place == Place::Alone && self.busy > 0
    }

    pub(super) fn alone_deadline(&self) -> Option<Duration> {
        let waits = self.alone.is_wanted() && !self.alone.held && !self.somebody_is_alone();
        self.alone.until.filter(|_| waits && self.phase == Phase::Working)
    }

    /// Lets the others go on once nobody is to be alone any more.
    pub(super) fn end_solitude(&mut self) {
        let over = !self.alone.is_wanted() || self.phase != Phase::Working;
        if !over || self.somebody_is_alone() {
            return;
        }
        self.alone.until = None;
        if std::mem::take(&mut self.alone.place) != Place::Among {
            self.out.push(Action::Mingle);
        }
    }

    /// The others of the process have ended.
    pub(super) fn secluded(&mut self) {
        if self.alone.place == Place::Asked {
            self.alone.place = Place::Alone;
        }
    }

    /// Runs the next suspect when nothing else runs, here or for another consumer of the process, and every outcome has
    /// been recorded: what a death could hide is then only the suspect's.
    pub(super) fn pump_alone(&mut self, now: Now) {
        if !self.alone.is_wanted() {
            return;
        }
        let patience = self.policy.lease * PATIENCE;
        let until = *self.alone.until.get_or_insert(now.mono.saturating_add(patience));
        if now.mono >= until && !self.somebody_is_alone() {
            // The others have waited for long enough; now it is the suspects' turn to wait.
            for (key, slot) in std::mem::take(&mut self.alone.queue) {
                self.put_to_wait(key, slot, now.mono.saturating_add(patience));
            }
            self.pump_starts(now);
            return;
        }
        let reported = |held: &Held| held.outbox.is_empty() && held.batch.is_none();
        if self.busy > 0 || !self.sessions.values().all(reported) {
            return;
        }
        match self.alone.place {
            Place::Among => {
                self.alone.place = Place::Asked;
                self.out.push(Action::Seclude);
            }
            Place::Asked => {}
            Place::Alone => {
                if let Some((key, slot)) = self.alone.queue.pop_front() {
                    self.try_alone(key, slot, now);
                }
                if self.busy == 0 {
                    // It could not be tried, or was given up.
                    self.pump_starts(now);
                }
            }
        }
    }

    fn try_alone(&mut self, key: SessionKey, slot: Slot, now: Now) {
        let Some(held) = self.sessions.get(&key) else { return };
        let Some(lane) = held.lanes.get(&slot).filter(|lane| lane.state == LaneState::Runnable) else { return };
        let Some(doubt) = lane.queue.front().map(|item| item.doubt) else { return };
        if held.expired || !self.is_locked(lane) {
            self.runnable.push_front((key, slot));
            return;
        }
        // All the others have lived through another start.
        if doubt == Doubt::OneOfSeveral && self.guilty().nth(1).is_none() {
            self.condemn(key, &slot, now);
            return;
        }
        let Some(item) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)?.queue.front_mut())
        else {
            return;
        };
        let starts = item.record.starts + 1;
        item.record = Record { starts, running: true, alone: true, due_in: Duration::ZERO, ..item.record };
        self.busy += 1;
        self.hand_out(key, &slot, Stage::Offered, now);
    }

    /// Whoever was handed a delivery is about to run it. The start of a suspect is marked now and not before, so that a
    /// process that dies while its handlers are busy with something else is not held against it.
    pub(super) fn confirm(&mut self, ticket: Ticket) {
        let Some(running) = self.tickets.get_mut(&ticket).filter(|running| !running.orphan && !running.cancelled)
        else {
            return;
        };
        match running.stage {
            Stage::Runs => self.out.push(Action::Go(ticket)),
            Stage::Confirming => {}
            Stage::Offered => {
                running.stage = Stage::Confirming;
                let (id, slot) = (running.id, running.slot.clone());
                let Some(held) = self.sessions.get_mut(&running.key) else { return };
                let Some(item) = held.lanes.get(&slot).and_then(|lane| lane.queue.front()) else { return };
                held.begins.push(Mark { id, record: item.record, slot, why: Why::Confirm(ticket) });
            }
        }
    }

    /// The start of a suspect is marked.
    pub(super) fn confirmed(&mut self, key: SessionKey, ticket: Ticket) {
        let working = self.phase == Phase::Working;
        let Some(held) = self.sessions.get(&key) else { return };
        let lane = self.tickets.get(&ticket).and_then(|running| held.lanes.get(&running.slot));
        let locked = lane.is_some_and(|lane| self.is_locked(lane));
        let Some(running) = self.tickets.get_mut(&ticket).filter(|running| !running.cancelled) else { return };
        if working && !held.expired && locked {
            running.stage = Stage::Runs;
            self.out.push(Action::Go(ticket));
        } else {
            running.cancelled = true;
            let reason = if working { CancelReason::LeaseLost } else { CancelReason::Closing };
            self.out.push(Action::Cancel { ticket, reason });
        }
    }

    /// The process of a front died while it ran alone: it waits for the verdict, and what is known of it is written
    /// down, since somebody else may have to pass it.
    pub(super) fn accuse(&mut self, key: SessionKey, slot: Slot) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(&slot) else { return };
        let Some(item) = lane.queue.front() else { return };
        lane.state = LaneState::Judged;
        held.begins.push(Mark { id: item.id, record: item.record, slot: slot.clone(), why: Why::Note });
        self.alone.accused.push((key, slot));
    }

    /// Passes the verdict once nobody is left to be tried; whether it did.
    pub(super) fn judge(&mut self, now: Now) -> bool {
        if self.alone.accused.is_empty() || self.is_trying() {
            return false;
        }
        let accused = std::mem::take(&mut self.alone.accused);
        let deaths = |slot: &(SessionKey, Slot)| {
            let lane = self.sessions.get(&slot.0)?.lanes.get(&slot.1).filter(|lane| lane.state == LaneState::Judged)?;
            Some(lane.queue.front()?.record.lone_deaths)
        };
        let accused: Vec<_> = accused.into_iter().filter_map(|one| Some((deaths(&one)?, one))).collect();
        let proven = accused.iter().any(|(deaths, _)| *deaths > 1);
        let several = accused.len() > 1;
        for (deaths, (key, slot)) in accused {
            if !several || deaths > 1 || Mutant::CompanyIsProof.is_on() {
                self.condemn(key, &slot, now);
                continue;
            }
            let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)) else { continue };
            let Some(item) = lane.queue.front_mut() else { continue };
            item.doubt = if proven { Doubt::Cleared } else { Doubt::OneOfSeveral };
            lane.state = LaneState::Runnable;
            self.runnable.push_back((key, slot));
        }
        true
    }

    fn condemn(&mut self, key: SessionKey, slot: &Slot, now: Now) {
        let front = self.sessions.get(&key).and_then(|held| held.lanes.get(slot)?.queue.front());
        let Some(starts) = front.map(|item| item.record.starts) else { return };
        self.bury(key, slot, Some((dead::CRASHED, dead::crash_text(starts))), now);
    }

    /// Whether anybody is tried, is to be, or may be found among what was taken over.
    fn is_trying(&self) -> bool {
        use LaneState::{Beginning, Locking, Reading, Runnable};
        let max = self.policy.max_attempts;
        let untried = |held: &Held| {
            held.lanes.values().any(|lane| {
                let soon = matches!(lane.state, Beginning | Locking | Reading | Runnable);
                soon && lane.queue.front().is_some_and(|item| is_suspect(&item.record, max))
            })
        };
        // Behind what waits for the verdict there may be no room for more.
        let room = self.room() > 0;
        let unread = |held: &Held| held.horizon.is_none() && (held.fetching || room);
        self.alone.is_wanted()
            || self.somebody_is_alone()
            || self.sessions.values().any(|held| held.expired || unread(held) || untried(held))
    }

    /// Fronts that have killed as often as it takes, and alone.
    fn guilty(&self) -> impl Iterator<Item = ()> {
        let max = self.policy.max_attempts;
        let fronts = self.sessions.values().flat_map(|held| held.lanes.values()).filter_map(|lane| lane.queue.front());
        fronts.filter(move |item| is_guilty(&item.record, max)).map(|_| ())
    }
}
