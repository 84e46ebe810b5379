//! Strays: what foreign and forgotten consumers left, and what is pending for nobody.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};
use std::time::Duration;

use super::lane::lane_of;
use super::state::{Now, Place, State};
use super::torn::Torn;
use crate::topology::Name;
use crate::transport::{EntryId, GONE, Gather, Gathered, Group, Refusal, Retention, Session, StrayPage};

/// Entries that one page looks at, and the bytes after which it ends.
const PAGE: usize = 64;
const MAX_BYTES: usize = 1024 * 1024;

/// Ids whose idle time one call resets.
const REFRESHED: usize = 250;

/// One page of strays.
pub(super) fn gather(
    state: &mut State,
    group: &Group,
    session: &Session,
    request: &Gather,
    now: Now,
) -> Result<Gathered, Refusal> {
    let page = match &request.page {
        Some(page) => Some(page.clone()),
        None if !state.exists(group) => return Err(Refusal::GroupLost),
        None => first_page(group, strange(state, group).into_iter().next()),
    };
    let Some(page) = page else { return Ok(Gathered::default()) };
    let (told, restores) = (state.tells_lost_from_done(group), state.restores(group));
    let mut place = state.admit(group, session)?;
    let waits = group.ordering.has_holder() && place.routing.holder() != Some(&session.identity);
    if page.of.is_none() && group.notices_deletions() && !waits {
        // Who stands still, or waits, does not notice that its consumer was deleted.
        let registered: BTreeSet<_> = place.routing.consumers.keys().cloned().collect();
        for identity in &registered {
            place.tend(group, identity, restores, now);
        }
    }
    let walk = place.routing.torn.clone().filter(|_| page.of.is_none() && group.notices_deletions());
    let found = match &page.of {
        _ if waits => None,
        Some(name) if place.routing.consumers.contains_key(name) => None,
        Some(name) => Some(left_with(&mut place, group, name, page.after, request.min_idle, now)?),
        None if walk.is_some() && !restores => {
            place.routing.torn = None;
            None
        }
        None if told => held_by_nobody(&mut place, group, page.after, walk.as_ref())?,
        None => None,
    };
    let Some(found) = found else {
        return Ok(Gathered { next: following(state, group, page.of, None), ..Gathered::default() });
    };
    let (taken, vanished) = bring_back(&mut place, group, session, &found, page.of.is_none(), restores, now)?;
    // Whoever was found torn meanwhile starts the walk again.
    if walk.is_some() && place.routing.torn == walk {
        place.routing.torn = walk.zip(found.last).map(|(walk, after)| Torn { after, ..walk });
    }
    Ok(Gathered { next: following(state, group, page.of, found.last), taken, vanished })
}

/// The page after one that ended there, or at the end of what was to be seen.
fn following(state: &State, group: &Group, of: Option<Name>, last: Option<EntryId>) -> Option<StrayPage> {
    match (last, of) {
        (Some(after), of) => Some(StrayPage { of, after }),
        (None, Some(done)) => first_page(group, strange(state, group).into_iter().find(|name| *name > done)),
        (None, None) => None,
    }
}

/// Strays of a page; `last` is where it ended, if there may be more.
#[derive(Debug, Default)]
struct Found {
    ids: Vec<EntryId>,
    last: Option<EntryId>,
}

/// The first page of a consumer, or of what is pending for nobody, which comes last.
fn first_page(group: &Group, consumer: Option<Name>) -> Option<StrayPage> {
    let acked = matches!(group.retention, Retention::Acked { .. });
    (consumer.is_some() || acked).then_some(StrayPage { of: consumer, after: EntryId::ZERO })
}

/// Consumers without registration that hold something, by name.
fn strange(state: &State, group: &Group) -> Vec<Name> {
    let Some(found) = state.streams.get(&group.stream).and_then(|stream| stream.groups.get(&group.name)) else {
        return Vec::new();
    };
    let routing = state.routings.get(&group.keys.consumers);
    let known = |name: &Name| routing.is_some_and(|routing| routing.consumers.contains_key(name));
    found.consumers().filter(|(name, held)| *held > 0 && !known(name)).map(|(name, _)| name.clone()).collect()
}

fn size(place: &Place<'_>, id: EntryId) -> usize {
    let fields = place.stream.entries.get(&id);
    fields.map_or(0, |fields| fields.iter().map(|(name, value)| name.len() + value.len()).sum())
}

/// What a consumer has held for long.
fn left_with(
    place: &mut Place<'_>,
    group: &Group,
    name: &Name,
    after: EntryId,
    min_idle: Duration,
    now: Now,
) -> Result<Found, Refusal> {
    let held = place.stream.group(&group.name)?.held(name, after, PAGE);
    let (mut found, mut bytes, mut last) = (Found::default(), 0, None);
    for id in &held {
        if bytes >= MAX_BYTES {
            break;
        }
        last = Some(*id);
        let pending = place.stream.group(&group.name)?.pending(*id);
        if pending.is_some_and(|pending| now.mono.saturating_sub(pending.delivered_at) >= min_idle) {
            found.ids.push(*id);
            bytes += size(place, *id);
        }
    }
    let at_end = held.is_empty() || (held.len() < PAGE && last == held.last().copied());
    found.last = last.filter(|_| !at_end);
    Ok(found)
}

/// What was handed out, stands in the stream and is pending for nobody.
fn held_by_nobody(
    place: &mut Place<'_>,
    group: &Group,
    after: EntryId,
    walk: Option<&Torn>,
) -> Result<Option<Found>, Refusal> {
    let Some(clean) = place.routing.clean else { return Ok(None) };
    let (after, entries) = (walk.map_or(after, |walk| walk.after).max(clean), place.stream.len());
    let pending = place.stream.group(&group.name)?;
    let until = pending.last_delivered;
    if walk.is_none() && entries <= pending.pending_len() + pending.unread {
        return Ok(None);
    }
    if after >= until {
        return Ok(Some(Found::default()));
    }
    let page: Vec<EntryId> =
        place.stream.entries.range((Excluded(after), Included(until))).take(PAGE).map(|(id, _)| *id).collect();
    let (mut found, mut bytes, mut looked) = (Found::default(), 0, 0);
    for id in &page {
        if bytes >= MAX_BYTES {
            break;
        }
        (looked, bytes) = (looked + 1, bytes + size(place, *id));
        if place.stream.group(&group.name)?.pending(*id).is_none() {
            found.ids.push(*id);
        }
    }
    found.last = (looked < page.len() || page.len() == PAGE).then(|| page[looked - 1]);
    Ok(Some(found))
}

/// Gives each to the owner of its lane, and those whose lane is free to the session. What has no lane and is pending for
/// nobody goes back to whoever lost its consumer, if there is one such only: it may be at work on it. Gives the ids that
/// are pending again, and those of entries that are gone.
fn bring_back(
    place: &mut Place<'_>,
    group: &Group,
    session: &Session,
    found: &Found,
    nobodys: bool,
    restores: bool,
    now: Now,
) -> Result<(Vec<EntryId>, Vec<EntryId>), Refusal> {
    let (mut taken, mut vanished) = (Vec::new(), Vec::new());
    let loser =
        place.routing.torn.as_ref().filter(|torn| nobodys && torn.of.len() == 1).and_then(|torn| torn.of.first());
    let registered = |identity: &&Name| place.routing.consumers.contains_key(*identity);
    let loser = loser.filter(registered).filter(|_| group.ordering.routes()).cloned();
    for id in &found.ids {
        let Some(fields) = place.stream.entries.get(id) else {
            place.stream.group(&group.name)?.ack(*id);
            place.routing.drop_record(*id);
            vanished.push(*id);
            continue;
        };
        let lane = lane_of(group, fields).filter(|_| group.ordering.routes());
        let owner = lane.as_ref().and_then(|lane| place.routing.owner(lane)).cloned();
        let owner =
            owner.or_else(|| loser.clone().filter(|_| lane.is_none())).unwrap_or_else(|| session.identity.clone());
        place.tend(group, &owner, restores, now);
        // Its lane counts what was taken from its owner already.
        if let Some(lane) = lane.filter(|_| !(nobodys && place.is_torn(&owner))) {
            place.routing.route(&lane, &session.identity);
        }
        place.stream.group(&group.name)?.bring_back(*id, &owner, now.mono);
        if group.notices_deletions() {
            let lowest = place.routing.back.entry(owner).or_insert(*id);
            *lowest = (*lowest).min(*id);
        }
        taken.push(*id);
    }
    Ok((taken, vanished))
}

/// The consumers that are not registered; those that are gone for good are removed.
pub(super) fn survey(state: &mut State, group: &Group, now: Now) -> Vec<Name> {
    let counting = state.groups_that_count(&group.stream);
    let Some(stream) = state.streams.get_mut(&group.stream) else { return Vec::new() };
    let groups = stream.groups.len();
    let Some(found) = stream.groups.get_mut(&group.name) else { return Vec::new() };
    let routing = state.routings.entry(group.keys.consumers.clone()).or_default();
    let strange: Vec<(Name, u64)> = found
        .consumers()
        .filter(|(name, _)| !routing.consumers.contains_key(*name))
        .map(|(name, held)| (name.clone(), held))
        .collect();
    if !strange.is_empty() || groups > 1 || counting > 1 {
        routing.clean = Some(found.last_delivered);
    }
    let mut here = Vec::new();
    for (name, held) in strange {
        if held == 0 && found.idle(&name, now.mono) >= GONE {
            found.remove_consumer(&name);
        } else {
            here.push(name);
        }
    }
    here
}

/// Resets the idle times of a page.
pub(super) fn refresh(
    state: &mut State,
    group: &Group,
    session: &Session,
    after: EntryId,
    now: Now,
) -> Result<Option<EntryId>, Refusal> {
    let place = state.admit(group, session)?;
    let ids = place.stream.group(&group.name)?.held(&session.identity, after, REFRESHED);
    let (mut bytes, mut last) = (0, None);
    for id in &ids {
        if bytes >= MAX_BYTES {
            break;
        }
        last = Some(*id);
        if place.stream.entries.contains_key(id) {
            bytes += size(&place, *id);
            place.stream.group(&group.name)?.claim(*id, &session.identity, now.mono);
        }
    }
    let at_end = ids.len() < REFRESHED && last == ids.last().copied();
    Ok(last.filter(|_| !at_end))
}
