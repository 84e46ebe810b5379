//! Looking without touching: entries, bodies, streams, pending lists.

use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;
use crate::transport::{Entry, EntryId, Fields, Group, GroupInfo, PendingInfo, StreamInfo};

use super::group::GroupState;
use super::stream::Stream;

fn not_found(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no such {what}; create it first, or correct the name"))
}

fn stream<'a>(state: &'a State, name: &Name) -> Result<&'a Stream> {
    state.streams.get(name).ok_or_else(|| not_found("stream").with_context("stream", name))
}

fn group<'a>(state: &'a State, stream_name: &Name, name: &Name) -> Result<&'a GroupState> {
    let missing = || not_found("group").with_context("stream", stream_name).with_context("group", name);
    stream(state, stream_name)?.groups.get(name).ok_or_else(missing)
}

/// Ids pending for an identity.
pub(super) fn held(state: &State, of: &Group, identity: &Name, after: EntryId, count: usize) -> Result<Vec<EntryId>> {
    Ok(group(state, &of.stream, &of.name)?.held(identity, after, count))
}

/// Entries by id.
pub(super) fn read(state: &State, name: &Name, ids: &[EntryId]) -> Vec<Option<Entry>> {
    let entries = state.streams.get(name).map(|stream| &stream.entries);
    let entry = |id: &EntryId| Some(Entry { id: *id, fields: entries?.get(id)?.clone() });
    ids.iter().map(entry).collect()
}

fn entry((id, fields): (&EntryId, &Fields)) -> Entry {
    Entry { id: *id, fields: fields.clone() }
}

/// Entries between two ids.
pub(super) fn range(state: &State, name: &Name, from: EntryId, to: EntryId, count: usize) -> Vec<Entry> {
    let Some(stream) = state.streams.get(name).filter(|_| from <= to) else { return Vec::new() };
    stream.entries.range(from..=to).take(count).map(entry).collect()
}

/// Entries between two ids, from behind.
pub(super) fn range_back(state: &State, name: &Name, from: EntryId, to: EntryId, count: usize) -> Vec<Entry> {
    let Some(stream) = state.streams.get(name).filter(|_| from <= to) else { return Vec::new() };
    stream.entries.range(from..=to).rev().take(count).map(entry).collect()
}

/// A stream at a glance.
pub(super) fn stream_info(state: &State, name: &Name) -> Result<StreamInfo> {
    let stream = stream(state, name)?;
    let group = |(name, group): (&Name, &GroupState)| GroupInfo {
        name: name.to_string(),
        consumers: group.consumers().len() as u64,
        pending: group.pending_len(),
        last_delivered: group.last_delivered,
        lag: Some(group.unread),
        time_to_loss: None,
    };
    Ok(StreamInfo {
        length: stream.len(),
        last_id: stream.last_id,
        first_entry: stream.entries.first_key_value().map(|(id, _)| *id),
        groups: stream.groups.iter().map(group).collect(),
    })
}

/// Pending entries of a group.
pub(super) fn pending(state: &State, stream: &Name, name: &Name) -> Result<PendingInfo> {
    let group = group(state, stream, name)?;
    Ok(PendingInfo {
        count: group.pending_len(),
        oldest: group.all_pending().next().map(|(id, _)| id),
        newest: group.all_pending().next_back().map(|(id, _)| id),
        consumers: group.consumers().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_string(), n)).collect(),
    })
}
