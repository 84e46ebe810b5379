//! What is appended, under which conditions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{EntryId, Fence, Fields};
use crate::policy::Durability;
use crate::topology::Name;

/// A message id and how long it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// Key of the marker.
    pub key: Name,
    /// How long.
    pub window: Duration,
}

/// Copies that must be confirmed before an entry counts as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// How many, at least 1.
    pub count: u32,
    /// How long the server waits for them.
    pub within: Duration,
}

/// What is kept with an entry that is nobody's work (an answer), in the same step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Along {
    /// How long the stream lives from now on, as a whole.
    pub ttl: Duration,
    /// A key that is set, and how long it lives. It may stand although the entry was refused for what its stream holds.
    pub mark: Option<(Name, Duration)>,
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
    /// Fail with `Timeout` unless so many replicas have it.
    pub replicas: Option<Replicas>,
    /// Do not send it any more once the clock has come to this time: `Unavailable`, not stored.
    pub until: Option<Duration>,
    /// Keep this with it; `Invalid` for an entry with any condition.
    pub along: Option<Along>,
}

impl Append {
    /// A plain entry.
    pub fn new(stream: Name, fields: Fields) -> Self {
        Self {
            stream,
            fields,
            max_len: None,
            strict_cap: None,
            dedupe: None,
            fence: None,
            body: None,
            measure: false,
            replicas: None,
            until: None,
            along: None,
        }
    }

    /// Whether it is appended without conditions, and nothing is stored beside it.
    pub fn is_plain(&self) -> bool {
        !self.is_conditional() && self.along.is_none()
    }

    /// Whether something decides if it is appended, or a body stands beside it.
    pub(crate) fn is_conditional(&self) -> bool {
        self.fence.is_some() || self.dedupe.is_some() || self.strict_cap.is_some() || self.body.is_some()
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
    /// How safe it is.
    pub durability: Durability,
}
