//! What the machine knows of one identity it acts for: its own, or an adopted one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::lane::{LaneQueue, Slot};
use super::types::{SessionKey, Ticket};
use crate::transport::{EntryId, Record, Session, Settle};

/// One identity.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // one per request that may be under way, independent of each other
pub(super) struct Held {
    pub session: Session,
    /// Reads new entries: registered by us, or taken over from the one that held the stream. What does not, retires
    /// once it holds nothing.
    pub own: bool,
    /// The largest id received for this identity.
    pub cursor: EntryId,
    /// Ids from here on are read again, although the cursor has passed them.
    pub rewind: Option<EntryId>,
    /// Pending entries up to here may have been started by somebody: they are marked before they start. `None`
    /// while the pending list of an adopted identity has not been read to its end.
    pub horizon: Option<EntryId>,
    /// It left on its own: every start of an entry has had its outcome, and what stands in its pending list was never
    /// started or given back.
    pub orderly: bool,
    pub fetching: bool,
    /// The fetch under way, or the last one, asked for new entries, too.
    pub asked_new: bool,
    /// How many entries the fetch under way, or the last one, asked for.
    pub asked: usize,
    /// The largest entry of the last fetch, where that was full and all new.
    pub largest: Option<usize>,
    /// There is, or may be, something in the pending list beyond the cursor.
    pub fetch_again: bool,
    /// Not before this time (back-off).
    pub fetch_at: Duration,
    pub lanes: HashMap<Slot, LaneQueue>,
    /// Every id that the server counts as pending with us, as far as we know.
    pub ids: HashSet<EntryId>,
    /// What was finished since the fetch under way was sent: its answer may name it once more.
    pub settled_meanwhile: HashSet<EntryId>,
    /// Outcomes to report, and how large the entry of each is.
    pub outbox: VecDeque<(Settle, usize)>,
    /// Under way, or to be repeated unchanged.
    pub batch: Option<Arc<[Settle]>>,
    pub settling: bool,
    pub settle_at: Duration,
    pub begins: Vec<Mark>,
    pub begun: Option<Vec<Mark>>,
    pub beginning: bool,
    pub begin_at: Duration,
    /// Entries of which only the id is kept and whose turn is near.
    pub to_read: BTreeMap<EntryId, Slot>,
    pub reading: bool,
    pub read_at: Duration,
    /// When the last confirmed renewal was sent.
    pub confirmed: Duration,
    /// Past the lease: nothing starts until a renewal is confirmed.
    pub expired: bool,
    pub retiring: bool,
    pub retire_at: Duration,
    /// The server counts entries as pending with it that we do not hold.
    pub left_over: bool,
    /// When the pending list is compared next.
    pub compare_at: Duration,
    pub comparing: bool,
    pub tickets: BTreeSet<Ticket>,
    /// Of an adopted identity: what was met in its pending list, so that the first of a lane is told from later ones.
    pub met: HashSet<Slot>,
}

impl Held {
    pub(super) fn new(session: Session, own: bool, now: Duration, compare_at: Duration) -> Self {
        Self {
            session,
            own,
            cursor: EntryId::ZERO,
            rewind: None,
            horizon: own.then_some(EntryId::ZERO),
            orderly: false,
            fetching: false,
            asked_new: false,
            asked: 0,
            largest: None,
            fetch_again: true,
            fetch_at: Duration::ZERO,
            lanes: HashMap::new(),
            ids: HashSet::new(),
            settled_meanwhile: HashSet::new(),
            outbox: VecDeque::new(),
            batch: None,
            settling: false,
            settle_at: Duration::ZERO,
            begins: Vec::new(),
            begun: None,
            beginning: false,
            begin_at: Duration::ZERO,
            to_read: BTreeMap::new(),
            reading: false,
            read_at: Duration::ZERO,
            confirmed: now,
            expired: false,
            retiring: false,
            retire_at: Duration::ZERO,
            left_over: false,
            compare_at,
            comparing: false,
            tickets: BTreeSet::new(),
            met: HashSet::new(),
        }
    }

    /// An entry at or below the cursor has become ours: the next fetch starts below it.
    pub(super) fn rewind_to(&mut self, id: EntryId) {
        self.rewind = Some(self.rewind.map_or(id, |low| low.min(id)));
        self.fetch_again = true;
    }

    /// Moves the cursor back, where that was asked for: not under a fetch, whose answer would move it forward again.
    /// Somebody may have started what is met from there on: it is read to its end before anything new, as what was
    /// adopted is.
    pub(super) fn rewind(&mut self) {
        let Some(low) = self.rewind.take() else { return };
        self.horizon = None;
        self.cursor = self.cursor.min(low.before());
    }

    /// Whether the start of a suspect is being marked: nothing is reported that the mark could overtake.
    pub(super) fn confirms(&self) -> bool {
        self.begun.iter().flatten().any(|mark| matches!(mark.why, Why::Confirm(_)))
    }

    /// Nothing in hand and nothing to report.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.lanes.is_empty() && self.outbox.is_empty() && self.batch.is_none()
    }
}

/// A record of starts on its way to the server.
#[derive(Debug)]
pub(super) struct Mark {
    pub id: EntryId,
    pub record: Record,
    pub slot: Slot,
    pub why: Why,
}

/// What a record is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A start follows; its slot is taken already.
    Start,
    /// The handler that was handed this waits for it.
    Confirm(Ticket),
    /// What is known of its deaths must not go with us.
    Note,
}

/// How far a delivery is that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It may run, or does.
    Runs,
    /// A suspect that nobody has begun.
    Offered,
    /// Its start is being marked.
    Confirming,
}

/// Where a running delivery belongs.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent facts
pub(super) struct Running {
    pub key: SessionKey,
    pub slot: Slot,
    pub id: EntryId,
    pub stage: Stage,
    /// A handler had had it before.
    pub handed: bool,
    /// The session was lost under it: its outcome no longer counts.
    pub orphan: bool,
    pub cancelled: bool,
    /// It was cancelled because it ran too long.
    pub timed_out: bool,
    /// When it has run too long.
    pub deadline: Option<Duration>,
}
