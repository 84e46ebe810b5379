//! Handing out and settling.

use std::time::Duration;

use super::{EntryId, Fields, Lane};
use crate::topology::{Name, field as names};

/// The most entries one settle or begin may carry.
pub const MAX_BATCH: usize = 1000;

/// The most entries that a consumer puts into one call: what a server does in two or three milliseconds.
pub const BATCH: usize = 250;

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// The largest id the caller has received for this identity.
    pub cursor: EntryId,
    /// At most this many entries, 1 to [`MAX_BATCH`].
    pub count: usize,
    /// Stop once this many bytes of fields were collected (the first entry always passes).
    pub max_bytes: usize,
    /// The last answer was full, and `count` times its largest entry is within `max_bytes`: what comes need not be
    /// weighed.
    pub unweighed: bool,
    /// Whether new entries are wanted, too; an adopted identity reads nothing new.
    pub new: bool,
    /// What comes from the pending list is taken for perhaps started. What was brought back is handed to no other fetch.
    pub wary: bool,
}

/// How often an entry was started. Lives in `tries` as `starts:flags:due`, due in milliseconds of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// Starts so far, the current one included.
    pub starts: u32,
    /// The last start has no outcome yet.
    pub running: bool,
    /// How many starts ended without an outcome: their processes died.
    pub deaths: u32,
    /// How many of those deaths came while it ran alone in its process.
    pub lone_deaths: u32,
    /// The last start runs with no other handler beside it in its process.
    pub alone: bool,
    /// Not to be started again before this much time has passed (in an answer: what is left of it).
    pub due_in: Duration,
}

/// Deaths that are told apart in a record; more say nothing new.
const MOST_DEATHS: u32 = 99;

impl Record {
    /// Starts that its handler ended itself, without success.
    pub fn failures(&self) -> u32 {
        self.starts.saturating_sub(self.deaths)
    }

    /// The flags as text: `r` running, `c` for each death, `l` for each lone one, `a` alone.
    pub fn flags(&self) -> String {
        let flags = [(u32::from(self.running), 'r'), (self.deaths, 'c'), (self.lone_deaths, 'l')];
        let last = (u32::from(self.alone), 'a');
        flags.into_iter().chain([last]).flat_map(|(n, c)| std::iter::repeat_n(c, n.min(MOST_DEATHS) as usize)).collect()
    }

    /// `starts:flags` back into a record.
    pub fn parse(starts: u32, flags: &str, due_in: Duration) -> Self {
        let count = |flag| u32::try_from(flags.matches(flag).count()).unwrap_or(MOST_DEATHS);
        Self {
            starts,
            running: count('r') > 0,
            deaths: count('c'),
            lone_deaths: count('l'),
            alone: count('a') > 0,
            due_in,
        }
    }
}

/// An entry handed to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its id.
    pub id: EntryId,
    /// Its fields; `None` when it was deleted while it was pending.
    pub fields: Option<Fields>,
    /// Its lane; none in mode `none`, for unaddressed and for malformed ones.
    pub lane: Option<Lane>,
    /// It came from the pending list.
    pub history: bool,
    /// Its record of starts, if it has one (only looked up for the pending list).
    pub record: Option<Record>,
}

/// What an empty-handed consumer should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Block on the stream for entries after this id, at most a second.
    Watch(EntryId),
    /// Wait for a bell, or poll.
    Rest,
    /// Somebody deleted the consumer of a session: nothing is handed out until strays were gathered to the end.
    Gather,
    /// Entries were brought back below the cursor: read again from this id on.
    Back(EntryId),
}

/// The answer to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Entries in id order: first the pending list's, then new ones.
    pub entries: Vec<Handed>,
    /// Set when nothing is left to read: how to wait, or what comes first. It may be left out beside entries.
    pub hint: Option<Hint>,
}

/// How one entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Ack,
    /// Again after `record.due_in`; the lane is kept.
    Retry(Record),
    /// To the dead letters with these fields, then done.
    Dead {
        /// Stream of the dead letters.
        stream: Name,
        /// Fields of the dead letter.
        fields: Fields,
    },
}

/// One outcome to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Entry.
    pub id: EntryId,
    /// Its lane as handed out.
    pub lane: Option<Lane>,
    /// Outcome.
    pub verdict: Verdict,
    /// Key of its big body, removed together with the entry. A dead letter whose `ref` names another key takes it
    /// along under that one.
    pub body: Option<Name>,
}

impl Settle {
    /// Where the big body goes: the key that the dead letter has for it.
    pub fn heir(&self) -> Option<(&Name, &str)> {
        let (Some(body), Verdict::Dead { fields, .. }) = (&self.body, &self.verdict) else { return None };
        let heir = std::str::from_utf8(super::field(fields, names::REF)?).ok()?;
        (heir != &**body).then_some((body, heir))
    }
}

/// What became of one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleResult {
    /// Recorded, or it had been recorded before.
    Done,
    /// Not ours any more: nothing was changed.
    Stale,
}

/// The answer to a settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// One for each outcome, in order.
    pub results: Vec<SettleResult>,
    /// Lanes of the batch that still have unsettled entries with us, and how many.
    pub lanes: Vec<(Lane, u64)>,
}
