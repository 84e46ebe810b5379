//! Upkeep: making stream and group, clearing what nobody owns, trimming what everybody has finished.

use super::group::GroupState;
use super::state::{Now, State};
use crate::mutant::Mutant;
use crate::topology::{GroupKeys, Name};
use crate::transport::{EntryId, Group, Missing, Recreated, Retention};

/// At most this many entries go in one page of a sweep, so that the lock is held shortly.
const TRIM: usize = 4096;

/// A group without a sign of life for this long does not count for safe trimming any more.
const FORGET_GROUP_MS: u64 = 24 * 3600 * 1000;

/// Makes sure that stream and group exist.
pub(super) fn recreate(state: &mut State, group: &Group, now: Now) -> Recreated {
    let exists = state.exists(group);
    state.count_group(group, now);
    if exists {
        return Recreated::Existed;
    }
    let alone = state.groups_that_count(&group.stream) <= 1;
    let reached = state.streams.get(&group.stream).map_or(EntryId::ZERO, |stream| stream.last_id);
    // The keys beside the group are removed, whatever holds them.
    state.usurped.retain(|key| *key != group.keys.consumers);
    let routing = state.routing(&group.keys);
    if !Mutant::StaleRoutingKept.is_on() {
        routing.wipe();
    }
    let from = match group.retention {
        Retention::Acked { .. } if alone => EntryId::ZERO,
        // A point that the stream has not reached is of an earlier life of it.
        _ => routing.mark.filter(|mark| *mark <= reached).unwrap_or(EntryId::ZERO),
    };
    let missing = if state.streams.contains_key(&group.stream) { Missing::Group } else { Missing::Stream };
    let stream = state.stream(&group.stream);
    let from = if Mutant::GroupAtEnd.is_on() { stream.last_id } else { from };
    let unread = stream.count_after(from);
    stream.groups.insert(group.name.clone(), GroupState::new(from, unread));
    Recreated::Created { from, missing }
}

/// Removes the lanes of unregistered identities, the records of what is finished and, under `acked`, what all groups have
/// finished; whether there may be more to trim.
pub(super) fn sweep(state: &mut State, group: &Group, now: Now) -> bool {
    if let Some(routing) = state.routings.get_mut(&group.keys.consumers) {
        routing.sweep_lanes();
    }
    sweep_records(state, group);
    if !matches!(group.retention, Retention::Acked { .. }) {
        return false;
    }
    let found = state.streams.get(&group.stream).map(|stream| (stream.groups.len(), stream.groups.get(&group.name)));
    let (groups, reached) = found.map_or((0, None), |(n, found)| (n, found.map(|found| found.last_delivered)));
    let before = state.groups_that_count(&group.stream);
    if let Some(groups) = state.counting.get_mut(&group.stream) {
        groups.retain(|name, seen| *name == group.name || now.wall_ms.saturating_sub(*seen) < FORGET_GROUP_MS);
    }
    let silent = state.groups_that_count(&group.stream) < before;
    let mut floor = floor(state, &group.stream);
    if let Some(routing) = state.routings.get_mut(&group.keys.consumers) {
        // A group that reads alone deletes what it finishes: what stands there after that point was not finished.
        if groups == 1 && before <= 1 {
            floor = floor.map(|floor| routing.clean.map_or(floor, |clean| floor.min(clean.next())));
        }
        if silent {
            routing.clean = reached.or(routing.clean);
        }
    }
    let Some((floor, stream)) = floor.zip(state.streams.get_mut(&group.stream)) else { return false };
    let before = stream.len();
    let bodies = stream.trim_below(floor, TRIM);
    let trimmed = before - stream.len();
    state.drop_bodies(&group.stream, bodies);
    trimmed == TRIM as u64
}

/// Records of entries that somebody else acknowledged, or deleted: what is not pending and will not be brought back has no
/// use for one.
fn sweep_records(state: &mut State, group: &Group) {
    let told = state.tells_lost_from_done(group);
    let Some(stream) = state.streams.get(&group.stream) else { return };
    let Some(found) = stream.groups.get(&group.name) else { return };
    let Some(routing) = state.routings.get_mut(&group.keys.consumers) else { return };
    let clean = routing.clean;
    let comes_back = |id| told && clean.is_some_and(|clean| clean < id) && stream.entries.contains_key(&id);
    routing.keep_records(|id| found.pending(id).is_some() || comes_back(id));
}

/// The first id that some group which counts has not finished; `None` when one of them is lost, since what it had
/// not finished is not known then.
fn floor(state: &State, stream: &Name) -> Option<EntryId> {
    let groups = &state.streams.get(stream)?.groups;
    let finished = |name: &Name| groups.get(name).map(GroupState::finished_up_to);
    let counting = state.counting.get(stream)?;
    let lowest = counting.keys().map(finished).collect::<Option<Vec<_>>>()?.into_iter().min()?;
    Some(EntryId { seq: lowest.seq.saturating_add(1), ..lowest })
}

/// Removes a stream and what stands beside it under fixed names.
pub(super) fn delete_stream(state: &mut State, name: &Name) {
    let counting = state.counting.remove(name).unwrap_or_default();
    let groups = state.streams.get(name).into_iter().flat_map(|stream| stream.groups.keys());
    for group in groups.chain(counting.keys()) {
        state.routings.remove(&GroupKeys::new(name, group).consumers);
    }
    state.drop_stream(name);
}
