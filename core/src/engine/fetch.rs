//! Fetching: the own pending list first, then new entries, each routed to the owner of its lane.

use std::ops::Bound::{Excluded, Unbounded};

use super::lane::lane_of;
use super::routing::Routing;
use super::state::{Now, State};
use super::stream::Stream;
use crate::topology::Name;
use crate::transport::{Fetch, Fetched, Fields, Group, Handed, Hint, MAX_BATCH, Refusal, Session};

/// Bytes are looked at after every so many entries, as the server's script does.
const STEP: usize = 8;

/// One fetch under way.
struct Reader<'a> {
    group: &'a Group,
    identity: &'a Name,
    stream: &'a mut Stream,
    routing: &'a mut Routing,
    now: Now,
    count: usize,
    max_bytes: usize,
    bytes: usize,
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
    let place = state.admit(group, session)?;
    let mut reader = Reader {
        group,
        identity: &session.identity,
        stream: place.stream,
        routing: place.routing,
        now,
        count: request.count,
        // Something always passes.
        max_bytes: request.max_bytes.max(1),
        bytes: 0,
        answer: Vec::new(),
    };
    let complete = reader.history(request)?;
    let history = reader.answer.len();
    let dry = complete && request.new && reader.fresh()?;
    let hint = if !reader.answer.is_empty() {
        reader.routing.work(&session.identity);
        None
    } else if !request.new {
        Some(Hint::Rest)
    } else if dry {
        Some(reader.rest()?)
    } else {
        None
    };
    let entries = reader.answer;
    if !dry && entries.len() > history {
        reader.routing.ring_one();
    }
    Ok(Fetched { entries, hint })
}

impl Reader<'_> {
    fn has_room(&self) -> bool {
        self.answer.len() < self.count && self.bytes < self.max_bytes
    }

    /// The pending list after the cursor; whether all of it was read.
    fn history(&mut self, request: &Fetch) -> Result<bool, Refusal> {
        let Stream { entries, groups, .. } = &mut *self.stream;
        let pending = groups.get_mut(&self.group.name).ok_or(Refusal::GroupLost)?;
        pending.touch(self.identity);
        let ids = pending.held(self.identity, request.cursor, self.count);
        for step in ids.chunks(STEP) {
            if self.bytes >= self.max_bytes {
                break;
            }
            for &id in step {
                let fields = entries.get(&id);
                if fields.is_some() {
                    pending.deliver_again(id, self.now.mono);
                }
                self.bytes += fields.map_or(0, size);
                self.answer.push(Handed {
                    id,
                    lane: fields.and_then(|fields| lane_of(self.group, fields)),
                    fields: fields.cloned(),
                    history: true,
                    record: self.routing.record(id, self.now.wall_ms),
                });
            }
        }
        Ok(self.answer.len() == ids.len() && ids.len() < self.count)
    }

    /// New entries; whether none was left. What goes to others takes time, too, and is bounded.
    fn fresh(&mut self) -> Result<bool, Refusal> {
        let most = (4 * self.count + 32).min(MAX_BATCH);
        let (mut scanned, mut dry) = (0, false);
        while !dry && self.has_room() && scanned < most {
            let ask = STEP.min(self.count - self.answer.len());
            let read = self.step(ask)?;
            scanned += read;
            dry = read < ask;
        }
        Ok(dry)
    }

    /// One step of new entries; how many there were.
    fn step(&mut self, ask: usize) -> Result<usize, Refusal> {
        let Stream { entries, groups, .. } = &mut *self.stream;
        let pending = groups.get_mut(&self.group.name).ok_or(Refusal::GroupLost)?;
        let mut read = 0;
        for (&id, fields) in entries.range((Excluded(pending.last_delivered), Unbounded)).take(ask) {
            read += 1;
            self.bytes += size(fields);
            pending.deliver(id, self.identity, self.now.mono);
            let lane = lane_of(self.group, fields);
            if let Some(owner) = lane.as_ref().and_then(|lane| self.routing.route(lane, self.identity)) {
                pending.claim(id, &owner, self.now.mono);
            } else {
                let fields = Some(fields.clone());
                self.answer.push(Handed { id, fields, lane, history: false, record: None });
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

fn size(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
