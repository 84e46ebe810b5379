//! Fetching: when to ask for how much, and queueing what came.

use std::time::Duration;

use super::lane::{BODIES_PER_LANE, Doubt, Item, LaneState, Slot};
use super::session::Held;
use super::trouble::Call;
use super::types::{Action, Answer, Arrived, Content, Now, SessionKey};
use super::{Machine, Phase, backoff};
use crate::error::Error;
use crate::mutant::Mutant;
use crate::transport::{BATCH, EntryId, Hint, Record};

/// The waiting of an empty-handed consumer.
#[derive(Debug, Default)]
pub(super) struct Wait {
    pub hint: Option<Hint>,
    pub under_way: bool,
    /// Who waits, or did so last.
    of: Option<SessionKey>,
    /// When the wait under way ends by itself.
    until: Duration,
    /// The last wait ended before its time.
    early: bool,
    turns: u64,
}

/// An adopted identity's pending list is read in pages of this many entries.
const ADOPTED_PAGE: usize = 64;

impl Machine {
    /// How many entries there is room for.
    pub(super) fn room(&self) -> usize {
        if self.bytes >= self.policy.prefetch_bytes {
            return 0;
        }
        (self.policy.concurrency + self.policy.prefetch).saturating_sub(self.busy + self.bodies)
    }

    pub(super) fn pump_fetches(&mut self, now: Now) {
        if self.phase != Phase::Working {
            return;
        }
        let room = self.room();
        // Asking for single entries as slots get free would cost a round trip each.
        let worth = room > 0 && (self.runnable.is_empty() || room >= self.policy.prefetch.div_ceil(2).max(1));
        let new_ones = self.new_ones(room, now);
        let max_bytes = self.policy.prefetch_bytes.saturating_sub(self.bytes).clamp(1, 1024 * 1024);
        let mut asks = Vec::new();
        for (key, held) in &mut self.sessions {
            if held.fetching || held.fetch_at > now.mono || held.expired {
                continue;
            }
            held.rewind();
            // What was taken over is read to its end before anything new.
            let new = Some(*key) == self.primary && held.horizon.is_some() && new_ones > 0;
            let waiting = self.wait.hint.is_some() || (self.wait.under_way && self.wait.of == Some(*key));
            let wants_new = new && worth && (!waiting || (self.probing && !self.quiet && self.tickets.is_empty()));
            let wants_held = held.fetch_again && room > 0;
            if !wants_new && !wants_held {
                continue;
            }
            let count = if new { new_ones } else { room.min(ADOPTED_PAGE) }.min(BATCH);
            held.fetching = true;
            held.fetch_again = false;
            held.asked_new = new;
            held.asked = count;
            let unweighed = held.largest.is_some_and(|largest| largest.saturating_mul(count) <= max_bytes);
            let (session, cursor, wary) = (held.session.clone(), held.cursor, held.horizon.is_none());
            asks.push(Action::Fetch { key: *key, session, cursor, count, max_bytes, unweighed, new, wary });
            if new {
                self.fetch_sent_after = self.ended_count;
                self.quiet = false;
            }
        }
        self.out.append(&mut asks);
        self.pump_wait(now);
    }

    fn pump_wait(&mut self, now: Now) {
        if self.wait.under_way {
            return;
        }
        let Some(held) = self.primary.and_then(|key| self.sessions.get(&key)) else { return };
        if held.fetching {
            return;
        }
        let Some(hint) = self.wait.hint.take() else { return };
        self.wait.under_way = true;
        self.wait.of = self.primary;
        self.wait.turns += 1;
        let poll = self.policy.idle_poll;
        let timeout = match hint {
            Hint::Watch(_) => Duration::from_secs(1),
            _ => backoff::delay(poll, poll, 0.25, 1, self.policy.seed ^ self.wait.turns),
        };
        let identity = held.session.identity.clone();
        self.wait.until = now.mono + timeout;
        self.out.push(Action::Wait { identity, hint, timeout });
    }

    pub(super) fn woken(&mut self, now: Now) {
        self.wait.under_way = false;
        self.wait.early = now.mono < self.wait.until;
    }

    pub(super) fn fetched(&mut self, key: SessionKey, answer: Answer<(Vec<Arrived>, Option<Hint>)>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.fetching = false;
        let asked_for_new = self.primary == Some(key) && held.asked_new;
        let retry = |held: &mut Held, at| {
            held.fetch_at = at;
            held.fetch_again = true;
        };
        let lost = answer.is_err();
        let Some((entries, hint)) = self.answered(Call::Fetch, key, answer, now, retry) else {
            if let Some(held) = self.sessions.get_mut(&key).filter(|_| lost && Mutant::FetchWithoutCursor.is_on()) {
                held.cursor = EntryId::MAX;
            }
            return;
        };
        match hint {
            Some(Hint::Gather) => {
                self.gather_first(key, now);
                return;
            }
            Some(Hint::Back(from)) => {
                if let Some(held) = self.sessions.get_mut(&key) {
                    held.rewind_to(from);
                }
                return;
            }
            _ => {}
        }
        let got = entries.len();
        let history = entries.iter().filter(|entry| entry.history).count();
        let largest = entries.iter().map(|entry| size_of_content(&entry.content)).max();
        for entry in entries {
            self.arrived(key, entry, now);
        }
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.settled_meanwhile.clear();
        held.largest = largest.filter(|_| got == held.asked && history == 0);
        // The pending list may go on where a full page ended.
        if got > 0 && history == got {
            held.fetch_again = true;
        } else if held.horizon.is_none() {
            held.horizon = Some(held.cursor);
        }
        if asked_for_new {
            self.wait.hint = hint;
            if std::mem::take(&mut self.wait.early) && got == 0 {
                self.lookout.rung(now.mono);
            }
            self.quiet = got == 0 && self.fetch_sent_after == self.ended_count && self.tickets.is_empty();
        }
    }

    fn arrived(&mut self, key: SessionKey, entry: Arrived, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.cursor = held.cursor.max(entry.id);
        // What is read again may have been finished while the answer was on its way.
        if held.settled_meanwhile.contains(&entry.id) || !held.ids.insert(entry.id) {
            return;
        }
        let slot = Slot::new(entry.lane.as_ref(), entry.id);
        let lane = held.lanes.entry(slot.clone()).or_default();
        let first = lane.queue.is_empty();
        let suspect = entry.history && held.horizon.is_none_or(|horizon| entry.id <= horizon);
        // Of a pending list read in pages an entry may be the first that is left of its lane, and not the first there was.
        let first_ever = first && (!suspect || held.met.insert(slot.clone()));
        let record = met(entry.record, suspect && !held.orderly, first_ever);
        let due_in = record.due_in;
        lane.unsettled += 1;
        let keep = lane.queue.len() < BODIES_PER_LANE || matches!(entry.content, Content::Vanished);
        let item = Item {
            id: entry.id,
            bytes: size_of_content(&entry.content),
            content: keep.then_some(entry.content),
            body: entry.body,
            counted: keep,
            fresh: !suspect && entry.record.is_none(),
            handed: false,
            record,
            doubt: Doubt::default(),
            no_room: false,
            error: None,
            locks: entry.locks,
        };
        if keep {
            self.bodies += 1;
            self.bytes += item.bytes;
        }
        lane.insert(item);
        if lane.state != LaneState::Idle {
            return;
        }
        if first && !due_in.is_zero() {
            self.put_to_wait(key, slot, now.mono.saturating_add(due_in));
        } else {
            lane.state = LaneState::Runnable;
            self.runnable.push_back((key, slot));
        }
    }

    /// Asks for the bodies of entries of which only the id was kept.
    pub(super) fn pump_bodies(&mut self, now: Now) {
        for (key, held) in &mut self.sessions {
            if held.reading || held.to_read.is_empty() || held.read_at > now.mono {
                continue;
            }
            held.reading = true;
            let ids: Vec<_> = held.to_read.keys().take(BATCH).copied().collect();
            self.out.push(Action::ReadBodies { key: *key, ids });
        }
    }

    pub(super) fn bodies_read(&mut self, key: SessionKey, answer: Result<Vec<(EntryId, Content)>, Error>, now: Now) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.reading = false;
        let contents = match answer {
            Ok(contents) => contents,
            Err(error) => {
                let at = self.failed(Call::Read, error, now);
                if let Some(held) = self.sessions.get_mut(&key) {
                    held.read_at = at;
                }
                return;
            }
        };
        self.succeeded(Call::Read);
        let Some(held) = self.sessions.get_mut(&key) else { return };
        for (id, content) in contents {
            let Some(slot) = held.to_read.remove(&id) else { continue };
            let Some(lane) = held.lanes.get_mut(&slot) else { continue };
            if let Some(item) = lane.queue.iter_mut().find(|item| item.id == id && item.content.is_none()) {
                item.bytes = size_of_content(&content);
                item.content = Some(content);
                item.counted = true;
                self.bodies += 1;
                self.bytes += item.bytes;
            }
            if lane.state == LaneState::Reading && lane.queue.front().is_some_and(|item| item.content.is_some()) {
                lane.state = LaneState::Runnable;
                self.runnable.push_back((key, slot));
            }
        }
    }
}

/// What is known of the starts of an entry when it is met.
///
/// An entry that nobody has handed out before was never started. Of what a dead session left, a record that says
/// "running" ended without outcome; without a record only the first of its lane (or an entry without lane) can have
/// been started, unmarked. What left on its own has reported every outcome, so that none is missing.
pub(super) fn met(record: Option<Record>, suspect: bool, first_of_lane: bool) -> Record {
    match record {
        _ if Mutant::AttemptsInMemory.is_on() => Record::default(),
        Some(mut record) => {
            if record.running && suspect {
                record.deaths += 1;
                record.lone_deaths += u32::from(record.alone);
            } else if record.running {
                // Cut short by one who left in order: given back, which does not count.
                record.starts = record.starts.saturating_sub(1);
            }
            (record.running, record.alone) = (false, false);
            record
        }
        None if suspect && first_of_lane => Record { starts: 1, deaths: 1, ..Record::default() },
        None => Record::default(),
    }
}

fn size_of_content(content: &Content) -> usize {
    match content {
        Content::Vanished => 0,
        Content::Bad(_, fields) | Content::Good(fields) => fields.iter().map(|(k, v)| k.len() + v.len()).sum(),
    }
}
