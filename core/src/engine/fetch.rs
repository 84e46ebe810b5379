//! Fetching: the own pending list first, then new entries, each routed to the owner of its lane, or all of them to
//! the one session that holds the stream.

use std::ops::Bound::{Excluded, Unbounded};

use super::lane::lane_of;
use super::routing::Routing;
use super::state::{Now, Place, State};
use super::stream::Stream;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{EntryId, Fetch, Fetched, Fields, Group, Handed, Hint, Refusal, Session};

/// Bytes are looked at after every step. It starts small and grows while entries are, exactly as on the server, so
/// that both answer as much to the same request.
const STEP: usize = 1;
const MOST_STEP: usize = 16;
const STEP_BYTES: usize = 128 * 1024;
/// New entries that one fetch looks at, whoever they go to, unless it asks for more.
const MOST_SCANNED: usize = 400;

/// One fetch under way.
struct Reader<'a> {
    group: &'a Group,
    restores: bool,
    identity: &'a Name,
    stream: &'a mut Stream,
    routing: &'a mut Routing,
    now: Now,
    count: usize,
    max_bytes: usize,
    bytes: usize,
    weighed: usize,
    step: usize,
    answer: Vec<Handed>,
}

/// One fetch. An answer without entries and without a hint means: again at once.
pub(super) fn fetch(
    state: &mut State,
    group: &Group,
    session: &Session,
    request: &Fetch,
    now: Now,
) -> Result<Fetched, Refusal> {
    let restores = state.restores(group);
    let mut place = state.admit(group, session)?;
    place.tend(group, &session.identity, restores, now);
    if !restores {
        place.routing.torn = None;
    }
    let first = if place.routing.torn.is_some() {
        Some(Hint::Gather)
    } else {
        let back = place.routing.back.get(&session.identity).copied().filter(|_| group.notices_deletions());
        let below = back.filter(|back| !request.wary || request.cursor >= *back);
        if below.is_none() {
            place.routing.back.remove(&session.identity);
        }
        below.map(Hint::Back)
    };
    if first.is_some() {
        return Ok(Fetched { entries: Vec::new(), hint: first });
    }
    let mut reader = Reader {
        group,
        restores,
        identity: &session.identity,
        stream: place.stream,
        routing: place.routing,
        now,
        count: request.count,
        // Something always passes.
        max_bytes: request.max_bytes.max(1),
        bytes: 0,
        weighed: 0,
        step: STEP,
        answer: Vec::new(),
    };
    let complete = reader.history(request)?;
    let history = reader.answer.len();
    let ordering = group.ordering;
    let stands_by = request.new && ordering.has_holder() && !reader.routing.hold(&session.identity);
    let dry = complete && request.new && !stands_by && reader.fresh()?;
    let hint = if dry {
        Some(reader.rest()?)
    } else if !reader.answer.is_empty() {
        reader.routing.work(&session.identity);
        None
    } else if stands_by {
        reader.routing.stand_by(&session.identity, now.mono);
        Some(Hint::Rest)
    } else if !request.new {
        Some(Hint::Rest)
    } else {
        None
    };
    let entries = reader.answer;
    if !dry && entries.len() > history && !ordering.has_holder() {
        reader.routing.ring_one();
    }
    Ok(Fetched { entries, hint })
}

impl Reader<'_> {
    fn has_room(&self) -> bool {
        self.answer.len() < self.count && self.bytes < self.max_bytes
    }

    /// How many entries to look at next.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn next_step(&mut self) -> usize {
        if self.weighed > 0 {
            let room = STEP_BYTES.min(self.max_bytes - self.bytes) as f64;
            let fit = (room / (self.bytes as f64 / self.weighed as f64 + 1.0)) as usize;
            self.step = STEP.max(fit.min(4 * self.step).min(MOST_STEP));
        }
        self.step.min(self.count - self.answer.len())
    }

    fn weigh(&mut self, fields: &Fields) {
        self.bytes += fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.weighed += 1;
    }

    /// The pending list after the cursor; whether all of it was read.
    fn history(&mut self, request: &Fetch) -> Result<bool, Refusal> {
        let pending = self.stream.group(&self.group.name)?;
        pending.touch(self.identity, self.now.mono);
        if Mutant::ClaimedWhenIdle.is_on() {
            pending.claim_idle(self.identity, self.now.mono);
        }
        let ids = pending.held(self.identity, request.cursor, self.count);
        while self.has_room() {
            let (from, ask) = (self.answer.len(), self.next_step());
            let page = &ids[from..ids.len().min(from + ask)];
            for id in page {
                self.hand_again(*id)?;
            }
            if page.len() < ask {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hand_again(&mut self, id: EntryId) -> Result<(), Refusal> {
        let fields = self.stream.entries.get(&id).cloned();
        if let Some(fields) = &fields {
            self.stream.group(&self.group.name)?.deliver_again(id, self.now.mono);
            self.weigh(fields);
        }
        let lane = fields.as_ref().and_then(|fields| lane_of(self.group, fields));
        let record = self.routing.record(id, self.now.wall_ms);
        self.answer.push(Handed { id, fields, lane, history: true, record });
        Ok(())
    }

    /// New entries; whether none was left. What goes to others takes time, too, and is bounded.
    fn fresh(&mut self) -> Result<bool, Refusal> {
        let most = (4 * self.count + 32).min(MOST_SCANNED).max(self.count);
        let (mut scanned, mut dry) = (0, false);
        while !dry && self.routing.torn.is_none() && self.has_room() && scanned < most {
            let ask = self.next_step();
            let read = self.read_step(ask)?;
            scanned += read;
            dry = read < ask;
        }
        Ok(dry)
    }

    /// One step of new entries; how many there were.
    fn read_step(&mut self, ask: usize) -> Result<usize, Refusal> {
        let after = self.stream.group(&self.group.name)?.last_delivered;
        let page = self.stream.entries.range((Excluded(after), Unbounded)).take(ask);
        let page: Vec<_> = page.map(|(id, fields)| (*id, fields.clone())).collect();
        let read = page.len();
        for (id, fields) in page {
            self.weigh(&fields);
            let lane = lane_of(self.group, &fields);
            let routed = lane.as_ref().filter(|_| self.group.ordering.routes());
            let owner = routed.and_then(|lane| self.routing.route(lane, self.identity));
            if let Some(owner) = &owner {
                let mut place = Place { stream: &mut *self.stream, routing: &mut *self.routing };
                place.tend(self.group, owner, self.restores, self.now);
            }
            let pending = self.stream.group(&self.group.name)?;
            pending.deliver(id, self.identity, self.now.mono);
            match owner {
                Some(owner) => pending.claim(id, &owner, self.now.mono),
                None => self.answer.push(Handed { id, fields: Some(fields), lane, history: false, record: None }),
            }
        }
        Ok(read)
    }

    /// Everything up to the group's last id was handed out in this very step: what comes after it is new.
    fn rest(&mut self) -> Result<Hint, Refusal> {
        let from = self.stream.group(&self.group.name)?.last_delivered;
        Ok(if self.routing.rest(self.identity, self.now.mono) { Hint::Watch(from) } else { Hint::Rest })
    }
}
