//! Dead letters: putting them back and throwing them away.

use super::{Append, Dedupe, EntryId};
use crate::topology::Name;

/// A dead letter that becomes an entry again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Stream of the dead letters.
    pub letters: Name,
    /// The dead letter.
    pub id: EntryId,
    /// The entry it becomes. Its [`Append::dedupe`] is not asked but set: the message id's marker names the new entry.
    /// [`Append::fence`], [`Append::body`] and [`Append::measure`] are of no meaning here.
    pub entry: Append,
    /// Notes under which id it was put back, so that a repeated call answers the same.
    pub receipt: Dedupe,
    /// The letter's big body and the name that it gets beside the new entry.
    pub body: Option<(Name, Name)>,
}

/// What became of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It stands in its stream again, under this id; also when an earlier call had put it back.
    Stored(EntryId),
    /// There is no such letter: it was discarded, or put back longer ago than the receipt lasts.
    Gone,
    /// Its big body does not exist. The letter is kept.
    BodyGone,
}

/// A dead letter to be thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discard {
    /// The dead letter.
    pub id: EntryId,
    /// Its big body, which goes with it.
    pub body: Option<Name>,
}
