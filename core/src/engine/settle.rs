//! Settling: every outcome is checked first, dead letters are written before anything else, the server counts.

use std::collections::HashSet;

use bytes::Bytes;

use super::append;
use super::state::{Now, Place, State};
use crate::error::Result;
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{
    EntryId, Group, Lane, Record, Refusal, Retention, Session, Settle, SettleResult, Settled, Verdict,
};

/// What a check found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Ours: carry it out. The lane is counted down if it is still ours, too.
    Ours { lane: bool },
    /// Pending for nobody, and its lane is ours: an operator took it from us. It goes, so that it is not found again.
    Loose,
    /// Was done before.
    Done,
    /// Somebody else's.
    Stale,
}

/// Reports outcomes.
pub(super) fn settle(
    state: &mut State,
    group: &Group,
    session: &Session,
    batch: &[Settle],
    now: Now,
) -> Result<Settled, Refusal> {
    let delete = matches!(group.retention, Retention::Acked { .. }) && state.groups_that_count(&group.stream) <= 1;
    let restores = state.restores(group);
    let mut place = admit(state, group, session)?;
    place.tend(group, &session.identity, restores, now);
    let mut seen = HashSet::with_capacity(batch.len());
    let checks: Vec<_> = batch
        .iter()
        .map(
            |outcome| {
                if seen.insert(outcome.id) { check(&mut place, group, session, outcome, delete) } else { Check::Done }
            },
        )
        .collect();
    let ours = || {
        batch.iter().zip(&checks).filter_map(|(outcome, check)| match check {
            Check::Ours { lane } => Some((outcome, *lane)),
            Check::Loose | Check::Done | Check::Stale => None,
        })
    };
    let late = |check: &Check| *check == Check::Done && Mutant::AckBeforeDeadLetter.is_on();
    for (outcome, _) in
        batch.iter().zip(&checks).filter(|(_, check)| matches!(check, Check::Ours { .. }) || late(check))
    {
        if let Verdict::Dead { stream, fields } = &outcome.verdict {
            if let Some((from, to)) = outcome.heir()
                && let Some(body) = if delete { state.bodies.remove(from) } else { state.bodies.get(from).cloned() }
            {
                state.bodies.insert(to.into(), body);
            }
            append::bury(state, stream, fields.clone(), now);
        }
    }
    for (outcome, lane) in ours() {
        match &outcome.verdict {
            Verdict::Retry(record) => state.routing(&group.keys).set_record(outcome.id, *record, now.wall_ms),
            Verdict::Ack | Verdict::Dead { .. } => {
                finish(state, group, outcome, delete);
                if let Some(name) = outcome.lane.as_ref().filter(|_| lane) {
                    state.routing(&group.keys).finish(name);
                }
            }
        }
    }
    for (outcome, _) in batch.iter().zip(&checks).filter(|(_, check)| **check == Check::Loose) {
        finish(state, group, outcome, delete);
    }
    answer(state, group, session, batch, &checks)
}

fn admit<'a>(state: &'a mut State, group: &Group, session: &Session) -> Result<Place<'a>, Refusal> {
    if Mutant::UnfencedSettle.is_on() { state.place(group) } else { state.admit(group, session) }
}

fn check(place: &mut Place<'_>, group: &Group, session: &Session, outcome: &Settle, delete: bool) -> Check {
    let owner = if group.ordering.has_holder() {
        place.routing.holder()
    } else {
        outcome.lane.as_ref().filter(|_| group.ordering.routes()).and_then(|lane| place.routing.owner(lane))
    };
    let pending = place.stream.groups.get(&group.name).and_then(|pending| pending.pending(outcome.id));
    let Some(pending) = pending else {
        // What we hold and somebody took off the list with our consumer is ours as long as it stands in the stream.
        let nobodys = owner.is_none() && outcome.lane.is_none() && !group.ordering.has_holder();
        let ours = nobodys || owner == Some(&session.identity);
        if delete && ours && place.is_torn(&session.identity) && place.stream.entries.contains_key(&outcome.id) {
            return Check::Ours { lane: owner.is_some() && group.ordering.routes() };
        }
        let simple = outcome.verdict == Verdict::Ack && outcome.body.is_none();
        return if simple && owner == Some(&session.identity) { Check::Loose } else { Check::Done };
    };
    if Mutant::UnfencedSettle.is_on() {
        return Check::Ours { lane: true };
    }
    let held = pending.consumer == session.identity;
    match owner {
        Some(owner) if *owner == session.identity => Check::Ours { lane: group.ordering.routes() },
        // Without a lane, or with one that is nobody's, it belongs to whoever holds it.
        None if held => Check::Ours { lane: false },
        Some(_) | None => Check::Stale,
    }
}

fn finish(state: &mut State, group: &Group, outcome: &Settle, delete: bool) {
    let Some(stream) = state.streams.get_mut(&group.stream) else { return };
    if let Some(pending) = stream.groups.get_mut(&group.name) {
        pending.ack(outcome.id);
    }
    if delete {
        let beside = stream.remove(outcome.id).body;
        let named = outcome.body.as_ref().map(|key| Bytes::copy_from_slice(key.as_bytes()));
        state.drop_bodies(&group.stream, beside.into_iter().chain(named));
    }
    state.routing(&group.keys).drop_record(outcome.id);
}

fn answer(
    state: &mut State,
    group: &Group,
    session: &Session,
    batch: &[Settle],
    checks: &[Check],
) -> Result<Settled, Refusal> {
    let Place { stream, routing } = admit(state, group, session)?;
    routing.mark = Some(stream.group(&group.name)?.finished_up_to());
    let mut asked = HashSet::new();
    let mut lanes: Vec<(Lane, u64)> = Vec::new();
    for lane in batch.iter().filter_map(|outcome| outcome.lane.as_ref()) {
        if asked.insert(lane)
            && let Some(unsettled) = routing.unsettled(lane, &session.identity)
        {
            lanes.push((lane.clone(), unsettled));
        }
    }
    let result = |check: &Check| if *check == Check::Stale { SettleResult::Stale } else { SettleResult::Done };
    Ok(Settled { results: checks.iter().map(result).collect(), lanes })
}

/// Marks entries as started. Those that are not pending for this identity any more are left alone.
pub(super) fn begin(
    state: &mut State,
    group: &Group,
    session: &Session,
    starts: &[(EntryId, Record)],
    now: Now,
) -> Result<(), Refusal> {
    let Place { stream, routing } = state.admit(group, session)?;
    let pending = stream.group(&group.name)?;
    let identity: &Name = &session.identity;
    for (id, record) in starts {
        if pending.pending(*id).is_some_and(|pending| pending.consumer == *identity) {
            routing.set_record(*id, *record, now.wall_ms);
        }
    }
    Ok(())
}
