//! Publishing: fence, message id, cap, body, entry, marker and what is kept along, in this order and in one step.

use bytes::Bytes;

use super::keys::Held;
use super::state::{Now, State};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::mutant::Mutant;
use crate::policy::Durability;
use crate::topology::Name;
use crate::transport::{Along, Append, Appended, Fields, Kind, check, no_memory};

/// Appends one entry.
pub(super) fn append(state: &mut State, entry: Append, now: Now) -> Result<Appended> {
    check::append(&entry)?;
    let Append { stream: name, fields, max_len, strict_cap, dedupe, fence, body, measure, replicas, until: _, along } =
        entry;
    if replicas.is_some() {
        let error = Error::invalid("memory:// has no replicas to wait for; leave wait_replicas at 0");
        return Err(error.with_context("setting", "wait_replicas").with_stored(Stored::No));
    }
    state.is_stream(&name).map_err(|error| error.with_stored(Stored::No))?;
    if let Some(fence) = fence {
        state.has_registry(&fence.consumers).map_err(|error| error.with_stored(Stored::No))?;
        let in_force = state.routings.get(&fence.consumers).is_some_and(|r| r.check(&fence.session).is_ok());
        if !in_force && !Mutant::UnfencedEffect.is_on() {
            return Err(refused(ErrorKind::Stale, "the delivery that publishes is no longer ours"));
        }
    }
    if let Some(found) = state.kind(&name).filter(|found| *found != Kind::Stream) {
        return Err(check::wrong_type(&name, found.as_str(), Kind::Stream.as_str()).with_stored(Stored::No));
    }
    let len = |state: &State| state.streams.get(&name).map_or(0, super::stream::Stream::len);
    if let Some(dedupe) = &dedupe
        && !Mutant::NoDedupe.is_on()
        && let Some(id) = state.markers.get(&dedupe.key, now.mono)
    {
        return Ok(Appended { id, duplicate: true, len: measure.then(|| len(state)), durability: Durability::Memory });
    }
    if strict_cap.is_some_and(|cap| len(state) >= cap) {
        return Err(
            refused(ErrorKind::Full, "the stream holds as many entries as it may").with_context("stream", &name)
        );
    }
    if state.full {
        return Err(no_memory("the server's memory is full; wait, or raise its limit").with_stored(Stored::No));
    }
    if let Some((key, body)) = body {
        state.bodies.insert(key, body);
    }
    let stream = state.stream(&name);
    let id = stream.append(fields, now.wall_ms);
    let max_len = max_len.or(Mutant::CappedWork.is_on().then_some(64));
    if let Some(max_len) = max_len {
        let bodies = stream.trim_to(max_len);
        state.drop_bodies(&name, bodies);
    }
    if let Some(dedupe) = dedupe {
        state.markers.set(&dedupe.key, id, dedupe.window, now.mono);
    }
    if let Some(Along { ttl, mark }) = along {
        state.keys.set_end(&name, Some(now.mono.saturating_add(ttl)));
        if let Some((key, ttl)) = mark {
            state.delete(&key);
            state.keys.held.insert(key.clone(), Held::Text(Bytes::new()));
            state.keys.set_end(&key, Some(now.mono.saturating_add(ttl)));
        }
    }
    Ok(Appended { id, duplicate: false, len: measure.then(|| len(state)), durability: Durability::Memory })
}

/// Appends a dead letter, also at full memory.
pub(super) fn bury(state: &mut State, stream: &Name, fields: Fields, now: Now) {
    state.stream(stream).append(fields, now.wall_ms);
}

fn refused(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, message).with_stored(Stored::No)
}
