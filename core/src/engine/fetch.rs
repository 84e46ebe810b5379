//! Fetching: the own pending list first, then new entries, each routed to the owner of its lane.

use std::ops::Bound::{Excluded, Unbounded};

use super::lane::lane_of;
use super::state::{Now, State};
use crate::transport::{Fetch, Fetched, Fields, Group, Handed, Hint, Refusal, Session};

/// Bytes are looked at after every so many entries, as the server's script does.
const STEP: usize = 8;

/// One fetch. Entries that went to others count as read, so that a fetch is bounded by its count whoever owns
/// the lanes; an answer without entries and without a hint means: again at once.
pub(super) fn fetch(
    state: &mut State,
    group: &Group,
    session: &Session,
    request: &Fetch,
    now: Now,
) -> Result<Fetched, Refusal> {
    let place = state.admit(group, session)?;
    let routing = place.routing;
    let entries = &place.stream.entries;
    let pending = place.stream.groups.get_mut(&group.name).ok_or(Refusal::GroupLost)?;
    let identity = &session.identity;
    let max_bytes = request.max_bytes.max(1);
    pending.touch(identity);
    routing.work(identity);

    let mut answer = Vec::new();
    let mut bytes = 0;
    let ids = pending.held(identity, request.cursor, request.count);
    for step in ids.chunks(STEP) {
        if bytes >= max_bytes {
            break;
        }
        for &id in step {
            let fields = entries.get(&id);
            if fields.is_some() {
                pending.deliver_again(id, now.mono);
            }
            bytes += fields.map_or(0, size);
            answer.push(Handed {
                id,
                lane: fields.and_then(|fields| lane_of(group, fields)),
                fields: fields.cloned(),
                history: true,
                record: routing.record(id, now.wall_ms),
            });
        }
    }
    let mut read = answer.len();
    let mut dry = read == ids.len() && read < request.count;
    if dry && request.new {
        for (&id, fields) in entries.range((Excluded(pending.last_delivered), Unbounded)) {
            if read == request.count || (read - ids.len()).is_multiple_of(STEP) && bytes >= max_bytes {
                dry = false;
                break;
            }
            read += 1;
            bytes += size(fields);
            pending.deliver(id, identity, now.mono);
            let lane = lane_of(group, fields);
            match lane.as_ref().and_then(|lane| routing.route(lane, identity)) {
                Some(owner) => pending.claim(id, &owner, now.mono),
                None => answer.push(Handed { id, fields: Some(fields.clone()), lane, history: false, record: None }),
            }
        }
    }
    if !dry && request.new && pending.unread > 0 {
        routing.ring_one();
    }
    let hint = (dry && answer.is_empty()).then(|| {
        if request.new && routing.rest(identity, now.mono) { Hint::Watch(place.stream.last_id) } else { Hint::Rest }
    });
    Ok(Fetched { entries: answer, hint })
}

fn size(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
