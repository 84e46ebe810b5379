//! The words of the transport: plain data.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;
pub use crate::policy::{Ordering, Retention};
use crate::topology::{GroupKeys, Name};

/// The most entries one settle or begin may carry.
pub const MAX_BATCH: usize = 1000;

/// The longest lane, in bytes; more is malformed.
pub const MAX_LANE: usize = 512;

/// Id of a stream entry: milliseconds and a sequence number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since 1970, by the server's clock (it never goes back within a stream).
    pub ms: u64,
    /// Sequence number within the millisecond.
    pub seq: u64,
}

impl EntryId {
    /// Before every entry.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };
    /// After every entry.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// An id from its two parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The id just below, or zero.
    pub const fn before(self) -> Self {
        match (self.ms, self.seq) {
            (0, 0) => Self::ZERO,
            (ms, 0) => Self { ms: ms - 1, seq: u64::MAX },
            (ms, seq) => Self { ms, seq: seq - 1 },
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = |s: &str| s.parse::<u64>().ok();
        let id = match text.split_once('-') {
            Some((ms, seq)) => parse(ms).zip(parse(seq)).map(|(ms, seq)| Self { ms, seq }),
            None => parse(text).map(|ms| Self { ms, seq: 0 }),
        };
        id.ok_or_else(|| Error::invalid(format!("an entry id is `milliseconds-number`, not {text:?}")))
    }
}

/// Fields of an entry in their order; names and values are bytes, because an older writer may have put any.
pub type Fields = Vec<(Bytes, Bytes)>;

/// An entry as it stands in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its fields.
    pub fields: Fields,
}

/// The value of a field.
pub fn field<'a>(fields: &'a [(Bytes, Bytes)], name: &str) -> Option<&'a Bytes> {
    fields.iter().find(|(k, _)| k == name.as_bytes()).map(|(_, v)| v)
}

/// The ordering key of an entry, at most [`MAX_LANE`] bytes of text.
pub type Lane = Bytes;

/// A group on a stream, with what its consumers agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Stream.
    pub stream: Name,
    /// Group.
    pub name: Name,
    /// Its keys.
    pub keys: Arc<GroupKeys>,
    /// Order its consumers keep.
    pub ordering: Ordering,
    /// Retention of the stream.
    pub retention: Retention,
    /// Whether unaddressed entries (field `ua`) have their lane nevertheless.
    pub order_unaddressed: bool,
}

impl Group {
    /// A group with ordered lanes.
    pub fn new(stream: Name, name: Name, ordering: Ordering, retention: Retention) -> Self {
        let keys = Arc::new(GroupKeys::new(&stream, &name));
        Self { stream, name, keys, ordering, retention, order_unaddressed: false }
    }

    /// What stands in `#mode`: consumers with another text may not join.
    pub fn mode_text(&self) -> String {
        let unaddressed = if self.order_unaddressed { "+ua" } else { "" };
        format!("{}{unaddressed}/{}/1", self.ordering.as_str(), self.retention.as_str())
    }
}

/// `number:suffix`, compared as a whole. The number only grows; the suffix tells holders apart that a roll-back
/// of the server gave the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FenceToken(pub Name);

impl FenceToken {
    /// The suffix of an identity whose holder left on its own.
    pub const LEFT: &'static str = "left";

    /// Number and suffix; a text that is not a fence has number 0.
    pub fn parts(&self) -> (u64, &str) {
        let (number, suffix) = self.0.split_once(':').unwrap_or((&self.0, ""));
        (number.parse().unwrap_or(0), suffix)
    }

    /// The fence that follows this one.
    pub fn next(&self, suffix: &str) -> Self {
        Self(format!("{}:{suffix}", self.parts().0 + 1).into())
    }

    /// The first fence of an identity.
    pub fn first(suffix: &str) -> Self {
        Self(format!("1:{suffix}").into())
    }

    /// Whether the holder left on its own.
    pub fn has_left(&self) -> bool {
        self.parts().1 == Self::LEFT
    }
}

/// An identity and the fence under which we act for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// Configured name plus a random suffix, never used again.
    pub identity: Name,
    /// Our fence.
    pub fence: FenceToken,
}

/// Why the server refused a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Another fence is in force: somebody took the identity over.
    Stale,
    /// The identity is not registered: the server forgot it.
    Forgotten,
    /// The stream or the group does not exist.
    GroupLost,
}

/// What must hold when an entry is appended: the session of the delivery that publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The hash that holds the fences of the delivery's group.
    pub consumers: Name,
    /// The session.
    pub session: Session,
}

/// A message id and how long it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// Key of the marker.
    pub key: Name,
    /// How long.
    pub window: Duration,
}

/// One entry to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Stream; made when missing.
    pub stream: Name,
    /// Fields.
    pub fields: Fields,
    /// Trim with `MAXLEN ~` while appending (retention `capped`).
    pub max_len: Option<u64>,
    /// Refuse with `Full` when the stream already holds this many entries (checked in the same step).
    pub strict_cap: Option<u64>,
    /// Do not store the message id twice.
    pub dedupe: Option<Dedupe>,
    /// Refuse with `Stale` when this session is not in force.
    pub fence: Option<Arc<Fence>>,
    /// A big body, stored under its own key before the entry.
    pub body: Option<(Name, Bytes)>,
    /// Also answer the stream's length.
    pub measure: bool,
}

impl Append {
    /// A plain entry.
    pub fn new(stream: Name, fields: Fields) -> Self {
        Self { stream, fields, max_len: None, strict_cap: None, dedupe: None, fence: None, body: None, measure: false }
    }

    /// Whether it is appended without conditions, and nothing is stored beside it.
    pub fn is_plain(&self) -> bool {
        self.fence.is_none() && self.dedupe.is_none() && self.strict_cap.is_none() && self.body.is_none()
    }

    /// Bytes of its fields and of the body beside it.
    pub fn size(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        fields + self.body.as_ref().map_or(0, |(_, body)| body.len())
    }
}

/// A stored entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its id; the first one's when it was a duplicate.
    pub id: EntryId,
    /// The message id had been stored before; nothing was added.
    pub duplicate: bool,
    /// Length of the stream afterwards, if asked for.
    pub len: Option<u64>,
}

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// The largest id the caller has received for this identity.
    pub cursor: EntryId,
    /// At most this many entries, 1 to [`MAX_BATCH`].
    pub count: usize,
    /// Stop once this many bytes of fields were collected (the first entry always passes).
    pub max_bytes: usize,
    /// Whether new entries are wanted, too; an adopted identity reads nothing new.
    pub new: bool,
}

/// How often an entry was started. Lives in `tries` as `starts:flags:due`, due in milliseconds of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// Starts so far, the current one included.
    pub starts: u32,
    /// The last start has no outcome yet.
    pub running: bool,
    /// Some start ended without an outcome: its process died.
    pub crashed: bool,
    /// The last start ran with no other handler beside it.
    pub alone: bool,
    /// Not to be started again before this much time has passed (in an answer: what is left of it).
    pub due_in: Duration,
}

impl Record {
    /// The flags as text: `r` running, `c` crashed, `a` alone.
    pub fn flags(&self) -> String {
        [(self.running, 'r'), (self.crashed, 'c'), (self.alone, 'a')]
            .into_iter()
            .filter_map(|(on, c)| on.then_some(c))
            .collect()
    }

    /// `starts:flags` back into a record.
    pub fn parse(starts: u32, flags: &str, due_in: Duration) -> Self {
        Self { starts, running: flags.contains('r'), crashed: flags.contains('c'), alone: flags.contains('a'), due_in }
    }
}

/// An entry handed to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its id.
    pub id: EntryId,
    /// Its fields; `None` when it was deleted while it was pending.
    pub fields: Option<Fields>,
    /// Its lane, as the server routed it; none in mode `none`, for unaddressed and for malformed ones.
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
}

/// The answer to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Entries in id order: first the pending list's, then new ones.
    pub entries: Vec<Handed>,
    /// Set when nothing was left to read: how to wait.
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
    /// Key of its big body, removed together with the entry.
    pub body: Option<Name>,
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

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Identity.
    pub identity: Name,
    /// Fence in force.
    pub fence: FenceToken,
    /// Beat.
    pub beat: u64,
}

/// What [`crate::transport::Transport::recreate`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreated {
    /// The group existed; nothing was changed.
    Existed,
    /// The group was made and reads entries after this id.
    Created {
        /// Where it starts.
        from: EntryId,
    },
}

/// A stream at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Entries in it.
    pub length: u64,
    /// The last id it ever gave.
    pub last_id: EntryId,
    /// Its first entry.
    pub first_entry: Option<EntryId>,
    /// Its groups.
    pub groups: Vec<GroupInfo>,
}

/// A group at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Name.
    pub name: String,
    /// Consumers.
    pub consumers: u64,
    /// Entries handed out and not finished.
    pub pending: u64,
    /// The last id handed out.
    pub last_delivered: EntryId,
    /// Entries not handed out yet; `None` when the server does not know.
    pub lag: Option<u64>,
}

/// Pending entries of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingInfo {
    /// How many.
    pub count: u64,
    /// The oldest.
    pub oldest: Option<EntryId>,
    /// The newest.
    pub newest: Option<EntryId>,
    /// How many each consumer holds.
    pub consumers: Vec<(String, u64)>,
}

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// `redis`, `valkey` or `memory`.
    pub name: String,
    /// Version, e.g. `7.0.15`.
    pub version: String,
    /// Its replication id, which changes with a failover; with a restart the run id does.
    pub run_id: String,
}
