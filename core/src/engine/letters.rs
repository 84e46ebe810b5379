//! Dead letters: put back in one step, or thrown away.

use super::append;
use super::state::{Now, State};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Append, Discard, Replay, Replayed};

/// Makes a dead letter an entry again.
pub(super) fn replay(state: &mut State, replay: &Replay, now: Now) -> Result<Replayed> {
    let Replay { letters, id, entry, receipt, body } = replay;
    if let Some(earlier) = state.markers.get(&receipt.key, now.mono) {
        remove(state, letters, &Discard { id: *id, body: None });
        return Ok(Replayed::Stored(earlier));
    }
    if state.streams.get(letters).is_none_or(|stream| !stream.entries.contains_key(id)) {
        return Ok(Replayed::Gone);
    }
    if body.as_ref().is_some_and(|(from, _)| !state.bodies.contains_key(from)) {
        return Ok(Replayed::BodyGone);
    }
    let plain = Append { dedupe: None, fence: None, body: None, measure: false, ..entry.clone() };
    let new = append::append(state, plain, now)?.id;
    if let Some((from, to)) = body
        && let Some(body) = state.bodies.remove(from)
    {
        state.bodies.insert(to.clone(), body);
    }
    for marker in entry.dedupe.iter().chain([receipt]) {
        state.markers.set(&marker.key, new, marker.window, now.mono);
    }
    remove(state, letters, &Discard { id: *id, body: None });
    Ok(Replayed::Stored(new))
}

/// Throws dead letters away.
pub(super) fn discard(state: &mut State, letters: &Name, batch: &[Discard]) -> Vec<bool> {
    batch.iter().map(|letter| remove(state, letters, letter)).collect()
}

/// Removes a letter; whether it was there. Its body is named by the caller: a letter may say anything.
fn remove(state: &mut State, letters: &Name, letter: &Discard) -> bool {
    let removed = state.streams.get_mut(letters).is_some_and(|stream| stream.remove(letter.id).existed);
    if removed && let Some(body) = &letter.body {
        state.bodies.remove(body);
    }
    removed
}
