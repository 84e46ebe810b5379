//! Outcomes: what a handler's end does to its lane, and reporting to the server.

use std::sync::Arc;
use std::time::Duration;

use super::lane::{LaneState, Slot};
use super::notice::Notice;
use super::session::{Stage, Why};
use super::trouble::Call;
use super::types::{Action, Answer, CancelReason, Content, Ended, Now, SessionKey, Ticket};
use super::{Machine, Phase, backoff, dead};
use crate::mutant::Mutant;
use crate::transport::{BATCH, EntryId, Settle, SettleResult, Settled, Verdict};

/// What goes with a batch of outcomes is freed by the server while it carries the batch out.
const BATCH_BYTES: usize = 1024 * 1024;

/// How many outcomes leave together, by the sizes of their entries.
pub(super) fn batch_of(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size;
        bytes <= BATCH_BYTES
    };
    sizes.take(BATCH).take_while(fits).count().max(1)
}

impl Machine {
    pub(super) fn ended(&mut self, ticket: Ticket, how: Ended, now: Now) {
        let Some(running) = self.tickets.remove(&ticket) else { return };
        self.busy -= 1;
        self.ended_count += 1;
        if let Some(at) = running.deadline {
            self.limits.remove(&(at, ticket));
        }
        if running.orphan {
            self.part();
            // Giving back what is gone already is no news.
            if !matches!(how, Ended::Release | Ended::Unstarted) {
                self.out.push(Action::Tell(Notice::StaleOutcome { id: running.id }));
            }
            return;
        }
        // Who had its time has had its start, even if it gives the entry back: else one that hangs would hang for ever.
        let how = match how {
            Ended::Unstarted if self.phase != Phase::Working || running.stage != Stage::Runs => Ended::Release,
            Ended::Release if running.timed_out => Ended::Retry { after: None, error: Some(dead::LATE_TEXT.into()) },
            how => how,
        };
        match &how {
            Ended::NoRoom { memory: true, error, .. } => self.found_no_room(error, now),
            Ended::Ack | Ended::Reject { .. } | Ended::Retry { .. } => self.got_through(now),
            _ => {}
        }
        let (key, slot) = (running.key, running.slot);
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.tickets.remove(&ticket);
        let Some(lane) = held.lanes.get_mut(&slot) else { return };
        let Some(item) = lane.queue.front_mut() else { return };
        item.record.running = false;
        item.no_room = matches!(how, Ended::NoRoom { memory: true, .. });
        let was_alone = std::mem::take(&mut item.record.alone);
        match running.stage {
            // Who lives through a start alone is not what its process died of.
            Stage::Runs if was_alone && how != Ended::Release => item.record.lone_deaths = 0,
            Stage::Confirming => held.begins.retain(|mark| mark.why != Why::Confirm(ticket)),
            _ => {}
        }
        match how {
            Ended::Ack => self.finish_front(key, &slot, Verdict::Ack),
            Ended::Reject { reason } => self.bury(key, &slot, Some((dead::REJECTED, reason)), now),
            Ended::Refuse { code, text } => self.bury(key, &slot, Some((code, text)), now),
            Ended::Retry { error, .. } if item.record.failures() >= self.policy.max_attempts => {
                let text = error.or_else(|| item.error.take()).unwrap_or_else(|| dead::SPENT_TEXT.into());
                self.bury(key, &slot, Some((dead::SPENT, text)), now);
            }
            Ended::Retry { after, error } => {
                item.error = error;
                let policy = &self.policy;
                let dice = policy.seed ^ item.id.ms.rotate_left(20) ^ item.id.seq ^ u64::from(item.record.starts);
                let back_off = || {
                    let (base, max, jitter) = (policy.retry_base, policy.retry_max, policy.retry_jitter);
                    backoff::delay(base, max, jitter, item.record.starts, dice)
                };
                item.record.due_in = after.unwrap_or_else(back_off);
                item.fresh = false;
                let verdict = Verdict::Retry(item.record);
                self.report(key, &slot, verdict);
            }
            Ended::Unstarted => {
                item.record.starts = item.record.starts.saturating_sub(1);
                item.handed = running.handed;
                lane.state = LaneState::Runnable;
                self.runnable.push_front((key, slot));
            }
            Ended::Release => self.give_back(key, slot, None, now),
            Ended::NoRoom { after, error, .. } => {
                item.error = Some(error);
                self.give_back(key, slot, after, now);
            }
        }
    }

    /// The front of a lane has had no start that counts.
    fn give_back(&mut self, key: SessionKey, slot: Slot, after: Option<Duration>, now: Now) {
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(&slot)) else { return };
        let Some(item) = lane.queue.front_mut() else { return };
        item.record.starts = item.record.starts.saturating_sub(1);
        let working = self.phase == Phase::Working;
        let pause = if working { after.unwrap_or(self.policy.retry_base) } else { Duration::ZERO };
        if !item.fresh {
            // Its mark says that it runs; whoever takes it over must not count this start.
            item.record.due_in = pause;
            let verdict = Verdict::Retry(item.record);
            self.report(key, &slot, verdict);
        } else if working {
            self.put_to_wait(key, slot, now.mono.saturating_add(pause));
        } else {
            lane.state = LaneState::Idle;
        }
    }

    /// The front of a lane is done: out of the queue and on its way to the server.
    pub(super) fn finish_front(&mut self, key: SessionKey, slot: &Slot, verdict: Verdict) {
        self.report(key, slot, verdict);
        let Some(lane) = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(slot)) else { return };
        if let Some(item) = lane.queue.pop_front()
            && item.counted
        {
            self.bodies -= 1;
            self.bytes -= item.bytes;
        }
        if self.policy.strict {
            lane.state = LaneState::Reporting;
        } else {
            self.next_of(key, slot);
        }
    }

    /// To the dead letters: with the reason given, or the one the body itself gives.
    pub(super) fn bury(&mut self, key: SessionKey, slot: &Slot, why: Option<(&'static str, String)>, now: Now) {
        let Some(held) = self.sessions.get(&key) else { return };
        let Some(item) = held.lanes.get(slot).and_then(|lane| lane.queue.front()) else { return };
        let (reason, text, fields) = match (&item.content, why) {
            (Some(Content::Good(fields) | Content::Bad(_, fields)), Some((reason, text))) => {
                (reason, text, fields.clone())
            }
            (Some(Content::Bad(error, fields)), None) => (error.code(), error.to_string(), fields.clone()),
            _ => return,
        };
        let id = item.id;
        let letter = dead::Letter {
            id,
            stream: &self.policy.stream,
            group: &self.policy.group,
            consumer: &held.session.identity,
            reason,
            error: &text,
            attempts: item.record.starts,
            dead_at_ms: now.wall_ms,
            letters: &self.policy.dead_letter_stream,
            body: item.body.as_ref(),
        };
        let verdict = Verdict::Dead { stream: self.policy.dead_letter_stream.clone(), fields: letter.fields(&fields) };
        self.out.push(Action::Tell(Notice::DeadLettered { id, reason }));
        if Mutant::AckBeforeDeadLetter.is_on() {
            self.report(key, slot, Verdict::Ack);
        }
        self.finish_front(key, slot, verdict);
    }

    fn report(&mut self, key: SessionKey, slot: &Slot, verdict: Verdict) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(slot) else { return };
        let Some(item) = lane.queue.front() else { return };
        let body = if matches!(verdict, Verdict::Retry(_)) { None } else { item.body.clone() };
        lane.state = LaneState::Settling;
        held.outbox.push_back((Settle { id: item.id, lane: slot.lane().cloned(), verdict, body }, item.bytes));
    }

    /// The next entry of a lane gets its turn.
    fn next_of(&mut self, key: SessionKey, slot: &Slot) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let Some(lane) = held.lanes.get_mut(slot) else { return };
        if lane.queue.is_empty() {
            lane.state = LaneState::Idle;
            if lane.unsettled == 0 {
                held.lanes.remove(slot);
            }
        } else {
            lane.state = LaneState::Runnable;
            self.runnable.push_back((key, slot.clone()));
        }
    }

    pub(super) fn pump_settles(&mut self, now: Now) {
        for (key, held) in &mut self.sessions {
            if held.settling || held.settle_at > now.mono || held.confirms() {
                continue;
            }
            if held.batch.is_none() && !held.outbox.is_empty() {
                let most = if Mutant::AckBeforeDeadLetter.is_on() { 1 } else { usize::MAX };
                let n = batch_of(held.outbox.iter().take(most).map(|(_, bytes)| *bytes));
                held.batch = Some(held.outbox.drain(..n).map(|(settle, _)| settle).collect());
            }
            let Some(batch) = &held.batch else { continue };
            held.settling = true;
            let batch = Arc::clone(batch);
            self.out.push(Action::Settle { key: *key, session: held.session.clone(), batch });
        }
    }

    pub(super) fn settled(&mut self, key: SessionKey, answer: Answer<Settled>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.settling = false;
        let Some(answer) = self.answered(Call::Settle, key, answer, now, |held, at| held.settle_at = at) else {
            return;
        };
        let Some(batch) = self.sessions.get_mut(&key).and_then(|held| held.batch.take()) else { return };
        for (settle, result) in batch.iter().zip(&answer.results) {
            let slot = Slot::new(settle.lane.as_ref(), settle.id);
            match (result, &settle.verdict) {
                // Where lanes are not routed others may have been handed its other entries, too; ours stay ours.
                (SettleResult::Stale, _) if self.policy.lock_ttl.is_some() => {
                    self.out.push(Action::Tell(Notice::StaleOutcome { id: settle.id }));
                    self.taken_away(key, &slot, settle.id);
                }
                (SettleResult::Stale, _) => self.drop_lane(key, &slot, settle.id),
                (SettleResult::Done, Verdict::Retry(_)) if Mutant::RetryPassed.is_on() => self.pass_front(key, &slot),
                (SettleResult::Done, Verdict::Retry(record)) => {
                    self.put_to_wait(key, slot, now.mono.saturating_add(record.due_in));
                }
                (SettleResult::Done, _) => self.settled_one(key, &slot, settle.id),
            }
        }
        let Some(held) = self.sessions.get_mut(&key) else { return };
        // More with us than we know of: others routed entries to us.
        let unknown = answer.lanes.into_iter().any(|(lane, left)| {
            let known = held.lanes.get(&Slot::Lane(lane)).map_or(0, |lane| lane.unsettled);
            left > known
        });
        held.fetch_again |= unknown;
    }

    /// Broken on purpose: the one that waits goes behind those that do not.
    fn pass_front(&mut self, key: SessionKey, slot: &Slot) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        if let Some(lane) = held.lanes.get_mut(slot)
            && let Some(front) = lane.queue.pop_front()
        {
            lane.queue.push_back(front);
        }
        self.next_of(key, slot);
    }

    fn settled_one(&mut self, key: SessionKey, slot: &Slot, id: EntryId) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.ids.remove(&id);
        if held.fetching {
            held.settled_meanwhile.insert(id);
        }
        let Some(lane) = held.lanes.get_mut(slot) else { return };
        lane.unsettled = lane.unsettled.saturating_sub(1);
        match lane.state {
            LaneState::Reporting if !lane.has_unanswered() => self.next_of(key, slot),
            LaneState::Idle if lane.unsettled == 0 && lane.queue.is_empty() => {
                held.lanes.remove(slot);
            }
            _ => {}
        }
    }

    /// Somebody took a single entry away. If it waits for another attempt here, it is out of the queue.
    fn taken_away(&mut self, key: SessionKey, slot: &Slot, id: EntryId) {
        let lane = self.sessions.get_mut(&key).and_then(|held| held.lanes.get_mut(slot));
        if let Some(lane) = lane.filter(|lane| lane.state == LaneState::Settling && lane.front_id() == Some(id)) {
            if let Some(item) = lane.queue.pop_front()
                && item.counted
            {
                self.bodies -= 1;
                self.bytes -= item.bytes;
            }
            lane.state = LaneState::Reporting;
        }
        self.settled_one(key, slot, id);
    }

    /// The server says that an entry of this lane is not ours: then nothing of the lane is.
    fn drop_lane(&mut self, key: SessionKey, slot: &Slot, id: EntryId) {
        self.out.push(Action::Tell(Notice::StaleOutcome { id }));
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.ids.remove(&id);
        let Some(lane) = held.lanes.remove(slot) else { return };
        for item in &lane.queue {
            held.ids.remove(&item.id);
            held.to_read.remove(&item.id);
            if item.counted {
                self.bodies -= 1;
                self.bytes -= item.bytes;
            }
        }
        // A mark that is under way gives its slot back when it is answered.
        let starts = held.begins.iter().filter(|mark| mark.slot == *slot && mark.why == Why::Start).count();
        held.begins.retain(|mark| mark.slot != *slot);
        self.busy -= starts + usize::from(lane.state == LaneState::Locking);
        if let LaneState::Running(ticket) = lane.state {
            held.tickets.remove(&ticket);
            if let Some(running) = self.tickets.get_mut(&ticket) {
                running.orphan = true;
                running.cancelled = true;
                self.out.push(Action::Cancel { ticket, reason: CancelReason::LeaseLost });
            }
        }
    }

    /// Handlers that ran too long.
    pub(super) fn pump_limits(&mut self, now: Now) {
        while let Some(&(at, ticket)) = self.limits.first() {
            if at > now.mono {
                break;
            }
            self.limits.pop_first();
            if let Some(running) = self.tickets.get_mut(&ticket)
                && !std::mem::replace(&mut running.cancelled, true)
            {
                running.timed_out = true;
                self.out.push(Action::Cancel { ticket, reason: CancelReason::TimedOut });
            }
        }
    }
}
