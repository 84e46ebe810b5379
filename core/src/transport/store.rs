//! Operations on keys: texts, hashes, sets, sorted sets, lists, notifications, and streams read without a group.
//!
//! The keys are the caller's own and never those of delivery. A batch of operations is carried out in its order, as
//! a whole or not at all. Each key is of one kind: an operation of another kind is `Invalid`, also in a batch that removes the
//! key first. A key goes with the last thing in it, and when its time to live is over.

use std::time::Duration;

use bytes::Bytes;

use super::{Entry, EntryId, Fields};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;

/// The most operations in a batch, and the most fields, members, values or keys in an operation.
pub const MAX_ITEMS: usize = 1000;

/// The most bytes that one batch may carry.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// The longest name of a key or channel, in bytes.
pub const MAX_KEY: usize = 4096;

/// How far a counter reaches in both directions, and the most that one step may add.
pub const MAX_COUNTER: i64 = 999_999_999_999_999_999;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A text: any bytes.
    Text,
    /// A hash: fields and their values.
    Hash,
    /// A set of members.
    Set,
    /// A set whose members have scores.
    Sorted,
    /// A list.
    List,
    /// A stream.
    Stream,
}

impl Kind {
    /// The server's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::Sorted => "zset",
            Self::List => "list",
            Self::Stream => "stream",
        }
    }
}

/// When a text is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// In any case.
    Always,
    /// When there is no such key.
    Absent,
    /// When it holds these bytes.
    Equal(Bytes),
}

/// Where in a batch the condition stands that did not hold ([`Op::Require`]); `None`: the error is another one.
pub fn unmet(error: &Error) -> Option<usize> {
    let told = error.context().iter().find(|(name, _)| *name == UNMET)?;
    told.1.parse().ok()
}

/// Context of the error of a batch whose condition does not hold: its place, counted from 0.
const UNMET: &str = "unmet";

/// The error of a batch whose condition at `place` does not hold.
pub(crate) fn not_met(place: usize) -> Error {
    Error::new(ErrorKind::Conflict, "a condition of the batch does not hold; nothing was changed")
        .with_context(UNMET, place)
}

/// One operation. `ttl` is how long the key lives from now, at least a millisecond; without one a text that is set lives
/// for ever, and anything else as long as before.
#[allow(missing_docs)] // The fields are what their names say, everywhere the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Has the batch carried out only if [`Op::Exists`], [`Op::HashExists`] or [`Op::SetContains`] answers so before it:
    /// [`Answer::Flag`]. Else nothing of it is, and the error is a `Conflict` that [`unmet`] finds the place in.
    Require { of: Box<Op>, is: bool },
    /// The text: [`Answer::Value`].
    Get { key: Name },
    /// Sets a text: [`Answer::Flag`], whether it was set.
    Set { key: Name, value: Bytes, ttl: Option<Duration>, when: When },
    /// Removes a text that holds these bytes: [`Answer::Flag`].
    DeleteEqual { key: Name, expected: Bytes },
    /// Adds to a counter, which is 0 at first: [`Answer::Number`].
    Increment { key: Name, by: i64, ttl: Option<Duration> },
    /// Removes keys of any kind: [`Answer::Number`], how many there were.
    Delete { keys: Vec<Name> },
    /// Whether there is a key: [`Answer::Flag`].
    Exists { key: Name },
    /// Lets a key of any kind live that long from now: [`Answer::Flag`], whether there is one.
    Expire { key: Name, ttl: Duration },
    /// How long a key still lives: [`Answer::Left`].
    TimeToLive { key: Name },
    /// [`Answer::Value`].
    HashGet { key: Name, field: Bytes },
    /// [`Answer::Pairs`], in no order.
    HashGetAll { key: Name },
    /// [`Answer::Number`], how many fields are new.
    HashSet { key: Name, fields: Fields, ttl: Option<Duration> },
    /// [`Answer::Flag`], whether it was set.
    HashSetAbsent { key: Name, field: Bytes, value: Bytes },
    /// [`Answer::Number`], how many fields there were.
    HashDelete { key: Name, fields: Vec<Bytes> },
    /// [`Answer::Flag`].
    HashExists { key: Name, field: Bytes },
    /// [`Answer::Number`].
    HashLen { key: Name },
    /// Adds to a counter in a hash: [`Answer::Number`].
    HashIncrement { key: Name, field: Bytes, by: i64 },
    /// [`Answer::Number`], how many members are new.
    SetAdd { key: Name, members: Vec<Bytes>, ttl: Option<Duration> },
    /// [`Answer::Number`], how many members there were.
    SetRemove { key: Name, members: Vec<Bytes> },
    /// [`Answer::Flag`].
    SetContains { key: Name, member: Bytes },
    /// [`Answer::Members`], in no order.
    SetMembers { key: Name },
    /// Adds members or gives them another score: [`Answer::Number`], how many members are new.
    SortedAdd { key: Name, members: Vec<(Bytes, f64)>, ttl: Option<Duration> },
    /// [`Answer::Number`], how many members there were.
    SortedRemove { key: Name, members: Vec<Bytes> },
    /// Members whose score lies between two (inclusive), lowest first, equal ones by their bytes, at most `count`:
    /// [`Answer::Scored`].
    SortedRange { key: Name, from: f64, to: f64, count: usize },
    /// Adds values behind the last: [`Answer::Number`], the length afterwards.
    ListPush { key: Name, values: Vec<Bytes>, ttl: Option<Duration> },
    /// Values between two places (inclusive); places count from 0, from behind as -1, -2, …: [`Answer::Members`].
    ListRange { key: Name, from: i64, to: i64 },
    /// Takes the first value off: [`Answer::Value`].
    ListPop { key: Name },
    /// Keeps only the values between two places (inclusive): [`Answer::Flag`], always true.
    ListTrim { key: Name, from: i64, to: i64 },
    /// Tells those who listen on a channel at this moment: [`Answer::Number`], how many there are.
    Notify { channel: Name, payload: Bytes },
    /// Appends to a stream: [`Answer::Id`].
    LogAppend { stream: Name, fields: Fields, options: LogOptions },
    /// Entries after an id, oldest first, at most `count`: [`Answer::Entries`].
    LogRead { stream: Name, after: EntryId, count: usize },
    /// The last id that a stream gave, zero when there is none: [`Answer::Id`].
    LogLast { stream: Name },
    /// Removes entries up to an id, that one included: [`Answer::Number`], how many there were.
    LogTrim { stream: Name, up_to: EntryId },
}

impl Op {
    /// Makes it a condition of its batch, see [`Op::Require`].
    #[must_use]
    pub fn required(self, is: bool) -> Self {
        Self::Require { of: Box::new(self), is }
    }

    /// The kind that its key must be of; any when `None`.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Require { of, .. } => of.kind(),
            Self::Get { .. } | Self::Set { .. } | Self::DeleteEqual { .. } | Self::Increment { .. } => Some(Kind::Text),
            Self::Delete { .. }
            | Self::Exists { .. }
            | Self::Expire { .. }
            | Self::TimeToLive { .. }
            | Self::Notify { .. } => None,
            Self::HashGet { .. }
            | Self::HashGetAll { .. }
            | Self::HashSet { .. }
            | Self::HashSetAbsent { .. }
            | Self::HashDelete { .. }
            | Self::HashExists { .. }
            | Self::HashLen { .. }
            | Self::HashIncrement { .. } => Some(Kind::Hash),
            Self::SetAdd { .. } | Self::SetRemove { .. } | Self::SetContains { .. } | Self::SetMembers { .. } => {
                Some(Kind::Set)
            }
            Self::SortedAdd { .. } | Self::SortedRemove { .. } | Self::SortedRange { .. } => Some(Kind::Sorted),
            Self::ListPush { .. } | Self::ListRange { .. } | Self::ListPop { .. } | Self::ListTrim { .. } => {
                Some(Kind::List)
            }
            Self::LogAppend { .. } | Self::LogRead { .. } | Self::LogLast { .. } | Self::LogTrim { .. } => {
                Some(Kind::Stream)
            }
        }
    }

    /// The keys it names. A channel is none.
    pub fn keys(&self) -> &[Name] {
        match self {
            Self::Require { of, .. } => of.keys(),
            Self::Delete { keys } => keys,
            Self::Notify { .. } => &[],
            Self::Get { key }
            | Self::Set { key, .. }
            | Self::DeleteEqual { key, .. }
            | Self::Increment { key, .. }
            | Self::Exists { key }
            | Self::Expire { key, .. }
            | Self::TimeToLive { key }
            | Self::HashGet { key, .. }
            | Self::HashGetAll { key }
            | Self::HashSet { key, .. }
            | Self::HashSetAbsent { key, .. }
            | Self::HashDelete { key, .. }
            | Self::HashExists { key, .. }
            | Self::HashLen { key }
            | Self::HashIncrement { key, .. }
            | Self::SetAdd { key, .. }
            | Self::SetRemove { key, .. }
            | Self::SetContains { key, .. }
            | Self::SetMembers { key }
            | Self::SortedAdd { key, .. }
            | Self::SortedRemove { key, .. }
            | Self::SortedRange { key, .. }
            | Self::ListPush { key, .. }
            | Self::ListRange { key, .. }
            | Self::ListPop { key }
            | Self::ListTrim { key, .. } => std::slice::from_ref(key),
            Self::LogAppend { stream, .. }
            | Self::LogRead { stream, .. }
            | Self::LogLast { stream }
            | Self::LogTrim { stream, .. } => std::slice::from_ref(stream),
        }
    }
}

/// How an entry is appended to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// How many entries the stream keeps, at least 1; the oldest go.
    pub max_len: Option<u64>,
    /// The server may keep somewhat more, which costs it less.
    pub approximate: bool,
    /// How long the stream lives from now, as a whole.
    pub ttl: Option<Duration>,
}

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A value; `None` when there is none.
    Value(Option<Bytes>),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// Time that is left; `None` without a limit, and without a key.
    Left(Option<Duration>),
    /// Fields and values.
    Pairs(Vec<(Bytes, Bytes)>),
    /// Members, or values.
    Members(Vec<Bytes>),
    /// Members with their scores.
    Scored(Vec<(Bytes, f64)>),
    /// An entry's id.
    Id(EntryId),
    /// Entries.
    Entries(Vec<Entry>),
}

macro_rules! as_kind {
    ($($(#[$doc:meta])* $method:ident: $variant:ident -> $type:ty;)+) => {
        $(
            $(#[$doc])*
            pub fn $method(self) -> Result<$type> {
                match self {
                    Self::$variant(inner) => Ok(inner),
                    other => other.misfit(stringify!($variant)),
                }
            }
        )+
    };
}

impl Answer {
    as_kind! {
        /// The value; `Internal` when it is another answer, as with all of these.
        value: Value -> Option<Bytes>;
        /// Yes or no.
        flag: Flag -> bool;
        /// The number.
        number: Number -> i64;
        /// The time that is left.
        left: Left -> Option<Duration>;
        /// Fields and values.
        pairs: Pairs -> Vec<(Bytes, Bytes)>;
        /// Members, or values.
        members: Members -> Vec<Bytes>;
        /// Members with their scores.
        scored: Scored -> Vec<(Bytes, f64)>;
        /// The id.
        id: Id -> EntryId;
        /// The entries.
        entries: Entries -> Vec<Entry>;
    }

    fn misfit<T>(self, wanted: &str) -> Result<T> {
        Err(Error::internal(format!("an operation answered {self:?} where {wanted} was expected")))
    }
}
