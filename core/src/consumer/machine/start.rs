//! Handing out: which front may start, marked or not.

use std::time::Duration;

use super::alone::{is_guilty, is_suspect};
use super::lane::{BODIES_PER_LANE, Doubt, LaneState, Slot};
use super::notice::Notice;
use super::session::{Mark, Running, Stage, Why};
use super::trouble::Call;
use super::types::{Action, Answer, Content, Now, SessionKey, Started};
use super::{Machine, Phase, dead};
use crate::mutant::Mutant;
use crate::transport::{BATCH, Record, Settle, Verdict};

/// What is to become of the front of a lane.
enum Turn {
    Start,
    /// It does not hold the lock of its channel.
    Lock,
    /// Only the id is kept.
    Read,
    Vanished,
    Bad,
    /// All its starts are used up.
    Spent,
    /// It must run with no other handler beside it.
    Alone,
    /// Its process died while it ran alone.
    Judge,
}

impl Machine {
    pub(super) fn put_to_wait(&mut self, key: SessionKey, slot: Slot, due: Duration) {
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)) else { return };
        lane.state = LaneState::Waiting;
        let (bodies, bytes) = lane.drop_bodies(0);
        self.bodies -= bodies;
        self.bytes -= bytes;
        let number = self.next_wait;
        self.next_wait += 1;
        self.waiting.insert((due, key, number));
        self.waiting_slots.insert(number, slot);
    }

    /// Lanes whose time has come.
    pub(super) fn pump_waiting(&mut self, now: Now) {
        while let Some(&(due, key, number)) = self.waiting.first() {
            if due > now.mono {
                break;
            }
            self.waiting.pop_first();
            let Some(slot) = self.waiting_slots.remove(&number) else { continue };
            if let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot))
                && lane.state == LaneState::Waiting
            {
                lane.state = LaneState::Runnable;
                self.runnable.push_back((key, slot));
            }
        }
    }

    pub(super) fn pump_starts(&mut self, now: Now) {
        self.end_solitude();
        if self.phase != Phase::Working || self.alone.held || self.somebody_is_alone() {
            return;
        }
        let mut skipped = Vec::new();
        while self.busy < self.slots(now) && !self.alone.is_wanted() {
            let Some((key, slot)) = self.runnable.pop_front() else { break };
            if self.sessions.get(&key).is_some_and(|held| held.expired) {
                skipped.push((key, slot));
            } else if !self.stands_aside(key, &slot) {
                self.turn(key, slot, now);
            }
        }
        self.runnable.extend(skipped);
        self.pump_alone(now);
        if self.judge(now) {
            self.pump_starts(now);
        }
    }

    fn turn(&mut self, key: SessionKey, slot: Slot, now: Now) {
        let max = self.policy.max_attempts;
        let Some(lane) = self.sessions.get(&key).and_then(|held| held.lanes.get(&slot)) else { return };
        if lane.state != LaneState::Runnable {
            return;
        }
        let Some(item) = lane.queue.front() else { return };
        if self.has_had_its_turn(lane, now) {
            self.leave_the_turn(key, slot, now);
            return;
        }
        let record = item.record;
        let turn = match &item.content {
            Some(Content::Vanished) => Turn::Vanished,
            Some(Content::Bad(..)) => Turn::Bad,
            Some(Content::Good(_)) if is_guilty(&record, max) && item.doubt == Doubt::None => Turn::Judge,
            Some(Content::Good(_)) if record.failures() >= max => Turn::Spent,
            _ if !self.is_locked(lane) => Turn::Lock,
            None => Turn::Read,
            Some(Content::Good(_)) if is_suspect(&record, max) => Turn::Alone,
            Some(Content::Good(_)) => Turn::Start,
        };
        match turn {
            Turn::Lock => self.ask_for_lock(key, &slot, now),
            Turn::Start => self.launch(key, &slot, now),
            Turn::Alone => self.alone.wants(key, slot),
            Turn::Judge => self.accuse(key, slot),
            Turn::Read => self.want_bodies(key, &slot),
            Turn::Vanished => {
                let id = item.id;
                self.out.push(Action::Tell(Notice::Vanished { id }));
                self.finish_front(key, &slot, Verdict::Ack);
            }
            Turn::Bad => self.bury(key, &slot, None, now),
            Turn::Spent => self.bury(key, &slot, Some((dead::SPENT, dead::SPENT_TEXT.into())), now),
        }
    }

    fn want_bodies(&mut self, key: SessionKey, slot: &Slot) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(slot) else { return };
        lane.state = LaneState::Reading;
        for item in lane.queue.iter().take(BODIES_PER_LANE).filter(|item| item.content.is_none()) {
            held.to_read.insert(item.id, slot.clone());
        }
    }

    /// Starts the front of a lane, or first marks the start where a crash would hide it.
    fn launch(&mut self, key: SessionKey, slot: &Slot, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(slot).filter(|lane| lane.state == LaneState::Runnable) else { return };
        let Some(item) = lane.queue.front_mut() else { return };
        self.busy += 1;
        let record = Record { starts: item.record.starts + 1, running: true, due_in: Duration::ZERO, ..item.record };
        if item.fresh {
            item.record = record;
            self.hand_out(key, slot, Stage::Runs, now);
        } else {
            let id = item.id;
            lane.state = LaneState::Beginning;
            held.begins.push(Mark { id, record, slot: slot.clone(), why: Why::Start });
        }
    }

    pub(super) fn pump_begins(&mut self, now: Now) {
        for (key, held) in &mut self.sessions {
            if held.beginning || held.begin_at > now.mono {
                continue;
            }
            if held.begun.is_none() && !held.begins.is_empty() {
                let rest = held.begins.split_off(held.begins.len().min(BATCH));
                held.begun = Some(std::mem::replace(&mut held.begins, rest));
            }
            let Some(begun) = &held.begun else { continue };
            held.beginning = true;
            let starts = begun.iter().map(|mark| (mark.id, mark.record)).collect();
            self.out.push(Action::Begin { key: *key, session: held.session.clone(), starts });
        }
    }

    pub(super) fn begun(&mut self, key: SessionKey, answer: Answer<()>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.beginning = false;
        if self.answered(Call::Begin, key, answer, now, |held, at| held.begin_at = at).is_none() {
            return;
        }
        let Some(begun) = self.sessions.get_mut(&key).and_then(|held| held.begun.take()) else { return };
        for mark in begun {
            match mark.why {
                Why::Start => self.marked(key, mark, now),
                Why::Confirm(ticket) => self.confirmed(key, ticket),
                Why::Note => {}
            }
        }
    }

    /// The start of a front is marked: it starts, unless that has become impossible meanwhile.
    fn marked(&mut self, key: SessionKey, Mark { id, record, slot, .. }: Mark, now: Now) {
        let Some(held) = self.sessions.get(&key) else { return };
        let expired = held.expired;
        let Some(lane) = held.lanes.get(&slot).filter(|lane| lane.front_id() == Some(id)) else {
            self.busy -= 1;
            return;
        };
        let may_start = self.phase == Phase::Working && !expired && self.is_locked(lane);
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)) else { return };
        if !may_start {
            // It did not start: the mark is taken back by the next one, which carries the same number.
            lane.state = LaneState::Runnable;
            self.runnable.push_back((key, slot));
            self.busy -= 1;
            return;
        }
        if let Some(item) = lane.queue.front_mut() {
            item.record = record;
            item.fresh = false;
        }
        self.hand_out(key, &slot, Stage::Runs, now);
    }

    /// Gives the front of a lane to a handler; its record and its slot are already taken care of.
    pub(super) fn hand_out(&mut self, key: SessionKey, slot: &Slot, stage: Stage, now: Now) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(slot) else { return };
        let Some(item) = lane.queue.front_mut() else { return };
        let Some(Content::Good(fields)) = &item.content else { return };
        let handed = std::mem::replace(&mut item.handed, true);
        let started = Started {
            ticket,
            id: item.id,
            lane: slot.lane().cloned(),
            fields: fields.clone(),
            attempt: item.record.starts,
            redelivered: handed || item.record.starts > 1 || item.error.is_some() || !item.fresh,
            suspect: stage == Stage::Offered,
            session: held.session.clone(),
        };
        if std::mem::take(&mut item.counted) {
            self.bodies -= 1;
            self.bytes -= item.bytes;
        }
        let deadline = self.policy.handler_timeout.map(|limit| now.mono.saturating_add(limit));
        if let Some(at) = deadline {
            self.limits.insert((at, ticket));
        }
        let id = item.id;
        lane.state = LaneState::Running(ticket);
        held.tickets.insert(ticket);
        self.quiet = false;
        if Mutant::AckBeforeHandle.is_on() {
            held.outbox.push_back((Settle { id, lane: slot.lane().cloned(), verdict: Verdict::Ack, body: None }, 0));
        }
        let slot = slot.clone();
        let (orphan, cancelled, timed_out) = (false, false, false);
        self.tickets.insert(ticket, Running { key, slot, id, stage, handed, orphan, cancelled, timed_out, deadline });
        self.out.push(Action::Start(started));
    }
}
