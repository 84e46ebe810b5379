//! The queue of one lane. An entry without lane is a lane of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use super::types::{Content, LockNumber, Ticket};
use crate::mutant::Mutant;
use crate::topology::Name;
use crate::transport::{EntryId, Lane, Record};

/// Of a lane with more entries queued than this only ids are kept beyond it.
pub(super) const BODIES_PER_LANE: usize = 16;

/// What runs one at a time: a lane, or a single entry without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Lane(Lane),
    Loose(EntryId),
}

impl Slot {
    pub(super) fn new(lane: Option<&Lane>, id: EntryId) -> Self {
        lane.map_or(Self::Loose(id), |lane| Self::Lane(lane.clone()))
    }

    pub(super) fn lane(&self) -> Option<&Lane> {
        match self {
            Self::Lane(lane) => Some(lane),
            Self::Loose(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LaneState {
    /// Nothing to do, or the front needs a look.
    #[default]
    Idle,
    /// Stands in the queue for a handler.
    Runnable,
    /// Waits for the body of its front.
    Reading,
    /// Waits for the answer to its front's request for a lock.
    Locking,
    /// Waits for the mark of its front's start.
    Beginning,
    Running(Ticket),
    /// Waits for the answer to its front's retry.
    Settling,
    /// Waits for the answer to the outcome of the entry before (strict).
    Reporting,
    /// Waits for its time.
    Waiting,
    /// Its front is to be given up, unless another is found that is to blame.
    Judged,
}

/// What is made of a front whose process died while it ran alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doubt {
    /// It is to blame, unless others are found to be suspects.
    #[default]
    None,
    /// One of several of which somebody else may have killed the process: to blame if all others live through a start.
    OneOfSeveral,
    /// Another was to blame: only a second death alone is proof.
    Cleared,
}

/// An entry that waits for its turn.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(super) struct Item {
    pub id: EntryId,
    /// `None`: only the id is kept.
    pub content: Option<Content>,
    pub body: Option<Name>,
    pub bytes: usize,
    /// Its body counts as fetched ahead.
    pub counted: bool,
    /// Starts so far.
    pub record: Record,
    /// Nobody has started it: it runs without a mark.
    pub fresh: bool,
    /// A handler here has had it, and gave it back.
    pub handed: bool,
    pub doubt: Doubt,
    /// Its last start found no room.
    pub no_room: bool,
    /// Text of the last error, for the dead letter.
    pub error: Option<String>,
    /// Locks that it needs to run.
    pub locks: Arc<[Name]>,
}

#[derive(Debug, Default)]
pub(super) struct LaneQueue {
    /// In stream order; the front is the one that runs.
    pub queue: VecDeque<Item>,
    pub state: LaneState,
    /// Entries of this lane that the server counts as unsettled with us.
    pub unsettled: u64,
    /// The lock that it holds or has asked for, and how often in a row it was refused one.
    pub lock: Option<LockNumber>,
    pub refused: u32,
}

impl LaneQueue {
    pub(super) fn front_id(&self) -> Option<EntryId> {
        self.queue.front().map(|item| item.id)
    }

    /// Whether an outcome of the lane was reported and not answered yet.
    pub(super) fn has_unanswered(&self) -> bool {
        self.unsettled > self.queue.len() as u64
    }

    /// Forgets the bodies behind the first `keep` entries; gives how many counted bodies and bytes were let go.
    pub(super) fn drop_bodies(&mut self, keep: usize) -> (usize, usize) {
        let mut freed = (0, 0);
        for item in self.queue.iter_mut().skip(keep) {
            if matches!(item.content, None | Some(Content::Vanished)) {
                continue;
            }
            item.content = None;
            if std::mem::take(&mut item.counted) {
                freed = (freed.0 + 1, freed.1 + item.bytes);
            }
        }
        freed
    }

    /// Inserts in id order, but never before a front that is on its way; entries nearly always come at the end.
    pub(super) fn insert(&mut self, item: Item) {
        let first = usize::from(!self.queue.is_empty() && !matches!(self.state, LaneState::Idle | LaneState::Runnable));
        if Mutant::LockInsteadOfLanes.is_on() {
            // Whoever waits for a lock races with the others that do.
            return self.queue.insert(first, item);
        }
        let at = self.queue.iter().rposition(|other| other.id < item.id).map_or(0, |n| n + 1);
        self.queue.insert(at.max(first), item);
    }
}
