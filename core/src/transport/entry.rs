//! Entries as they stand in a stream.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::error::Error;

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

    /// The id just above, or the largest.
    pub const fn next(self) -> Self {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => Self::MAX,
            (ms, u64::MAX) => Self { ms: ms + 1, seq: 0 },
            (ms, seq) => Self { ms, seq: seq + 1 },
        }
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
