//! Sessions: made, kept alive, taken over, retired, given up.

use std::sync::Arc;

use super::routing::Registration;
use super::state::{Now, State};
use crate::error::{Error, ErrorKind, Result};
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{FenceToken, Group, Refusal, Session, Sign};

/// Creates a session. The same call again (its answer was lost) gives the same answer.
pub(super) fn register(
    state: &mut State,
    group: &Group,
    identity: &Name,
    suffix: &str,
    now: Now,
) -> Result<Result<Session, Refusal>> {
    if !state.exists(group) {
        return Ok(Err(Refusal::GroupLost));
    }
    let reached = state.streams.get(&group.stream).and_then(|stream| stream.groups.get(&group.name));
    let reached = reached.map(|found| found.last_delivered);
    let routing = state.routing(&group.keys);
    let mode = group.mode_text();
    if let Some(running) = routing.mode.as_ref().filter(|running| **running != mode) {
        return Err(Error::new(ErrorKind::Conflict, "the group runs in another mode: join it, or use another group")
            .with_context("group", &group.name)
            .with_context("mode", mode)
            .with_context("running", running));
    }
    if routing.mode.is_none() {
        let pending = state.streams.get(&group.stream).and_then(|stream| stream.groups.get(&group.name));
        let holds = |name: &Name| pending.is_some_and(|pending| !pending.is_idle(name));
        let routing = state.routings.entry(group.keys.consumers.clone()).or_default();
        routing.find_lost(group.ordering.has_holder(), holds);
    }
    let routing = state.routing(&group.keys);
    let fence = FenceToken::first(suffix);
    let mut known = true;
    match routing.consumers.get(identity) {
        None => {
            routing.consumers.insert(identity.clone(), Registration { fence: fence.clone(), beat: 0 });
            known = false;
            // The first of a fleet: what was handed out before is none of its business.
            if routing.mode.replace(mode).is_none() {
                routing.clean = reached;
            }
        }
        Some(registration) if registration.fence == fence => {}
        Some(registration) if Mutant::IdentityReused.is_on() => {
            let fence = registration.fence.next(suffix);
            routing.consumers.insert(identity.clone(), Registration { fence: fence.clone(), beat: 0 });
            return Ok(Ok(Session { identity: identity.clone(), fence }));
        }
        Some(_) => {
            return Err(Error::new(ErrorKind::Conflict, "the identity is in use: an identity is never used again")
                .with_context("identity", identity));
        }
    }
    // Who is registered has a consumer: where it has none, somebody deleted it.
    if !known && let Some(stream) = state.streams.get_mut(&group.stream) {
        stream.group(&group.name).map(|found| found.touch(identity, now.mono)).ok();
    }
    state.count_group(group, now);
    Ok(Ok(Session { identity: identity.clone(), fence }))
}

/// Raises the beat of each session in force.
pub(super) fn renew(state: &mut State, group: &Group, sessions: &[Session], now: Now) -> Vec<Result<u64, Refusal>> {
    let routing = state.routing(&group.keys);
    let mut raise = |session: &Session| {
        routing.check(session)?;
        let registration = routing.consumers.get_mut(&session.identity).ok_or(Refusal::Forgotten)?;
        registration.beat += 1;
        Ok(registration.beat)
    };
    let beats: Vec<_> = sessions.iter().map(&mut raise).collect();
    if beats.iter().any(Result::is_ok) {
        state.count_group(group, now);
    }
    beats
}

/// The signs of life, by identity.
pub(super) fn signs(state: &State, group: &Group) -> Vec<Sign> {
    let Some(routing) = state.routings.get(&group.keys.consumers) else { return Vec::new() };
    let sign = |(identity, registration): (&Name, &Registration)| Sign {
        identity: Arc::clone(identity),
        fence: registration.fence.clone(),
        beat: registration.beat,
        holder: routing.holder() == Some(identity),
    };
    let mut signs: Vec<_> = routing.consumers.iter().map(sign).collect();
    signs.sort_by(|a, b| a.identity.cmp(&b.identity));
    signs
}

/// Takes an identity over if nothing moved. The same call again gives the same answer.
pub(super) fn adopt(state: &mut State, group: &Group, seen: &Sign, suffix: &str) -> Option<Session> {
    let registration = state.routing(&group.keys).consumers.get_mut(&seen.identity)?;
    let next = seen.fence.next(suffix);
    if Mutant::AdoptedUnchecked.is_on() {
        registration.fence = registration.fence.next(suffix);
        return Some(Session { identity: seen.identity.clone(), fence: registration.fence.clone() });
    }
    if registration.beat != seen.beat || (registration.fence != seen.fence && registration.fence != next) {
        return None;
    }
    registration.fence = next.clone();
    if Mutant::TriesLost.is_on() {
        state.routing(&group.keys).drop_records();
    }
    Some(Session { identity: seen.identity.clone(), fence: next })
}

/// Removes a session that holds nothing.
pub(super) fn retire(state: &mut State, group: &Group, session: &Session, now: Now) -> Result<bool, Refusal> {
    let restores = state.restores(group);
    let mut place = state.admit(group, session)?;
    place.tend(group, &session.identity, restores, now);
    if restores && place.routing.torn.is_some() {
        return Ok(false);
    }
    let pending = place.stream.group(&group.name)?;
    if !pending.is_idle(&session.identity) && !Mutant::RetiredUnchecked.is_on() {
        return Ok(false);
    }
    pending.remove_consumer(&session.identity);
    place.routing.unregister(&session.identity);
    Ok(true)
}

/// Gives identities up, so that others need not wait for their silence.
pub(super) fn stop(state: &mut State, group: &Group, sessions: &[Session]) {
    let routing = state.routing(&group.keys);
    let mut left = false;
    for session in sessions {
        if let Some(registration) = routing.consumers.get_mut(&session.identity)
            && registration.fence == session.fence
        {
            registration.fence = session.fence.next(FenceToken::LEFT);
            routing.work(&session.identity);
            left = true;
        }
    }
    if left {
        routing.ring_all();
    }
}
