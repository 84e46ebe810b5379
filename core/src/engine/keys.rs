//! What keys hold besides streams, and when keys of any kind end.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::state::{Now, State};
use crate::topology::Name;
use crate::transport::Kind;

/// What a key holds.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Text(Bytes),
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeSet<Bytes>),
    Sorted(Sorted),
    List(VecDeque<Bytes>),
}

impl Held {
    fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Hash(_) => Kind::Hash,
            Self::Set(_) => Kind::Set,
            Self::Sorted(_) => Kind::Sorted,
            Self::List(_) => Kind::List,
        }
    }

    /// Whether nothing is left in it; an empty text is a text.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Hash(fields) => fields.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Sorted(members) => members.scores.is_empty(),
            Self::List(values) => values.is_empty(),
        }
    }
}

/// A score in an order that is total; there is no NaN, and one zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score(pub(super) f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Members by score.
#[derive(Debug, Clone, Default)]
pub(super) struct Sorted {
    pub(super) scores: HashMap<Bytes, Score>,
    pub(super) order: BTreeSet<(Score, Bytes)>,
}

impl Sorted {
    /// Gives a member a score; whether it is new.
    pub(super) fn set(&mut self, member: Bytes, score: f64) -> bool {
        let score = Score(score + 0.0);
        let before = self.scores.insert(member.clone(), score);
        if let Some(before) = before {
            self.order.remove(&(before, member.clone()));
        }
        self.order.insert((score, member));
        before.is_none()
    }

    /// Removes a member; whether it was there.
    pub(super) fn remove(&mut self, member: &Bytes) -> bool {
        let Some(score) = self.scores.remove(member) else { return false };
        self.order.remove(&(score, member.clone()));
        true
    }
}

/// Keys by name, and in the order they end. Streams stand elsewhere; when they end stands here.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    pub(super) held: HashMap<Name, Held>,
    ends: HashMap<Name, Duration>,
    by_end: BTreeSet<(Duration, Name)>,
}

impl Keys {
    /// When a key ends.
    pub(super) fn end(&self, key: &Name) -> Option<Duration> {
        self.ends.get(key).copied()
    }

    /// Lets a key end, or live for ever.
    pub(super) fn set_end(&mut self, key: &Name, end: Option<Duration>) {
        if let Some(before) = self.ends.remove(key) {
            self.by_end.remove(&(before, key.clone()));
        }
        if let Some(end) = end {
            self.ends.insert(key.clone(), end);
            self.by_end.insert((end, key.clone()));
        }
    }
}

impl State {
    /// What a key holds.
    pub(super) fn kind(&self, key: &Name) -> Option<Kind> {
        match self.keys.held.get(key) {
            Some(held) => Some(held.kind()),
            None => self.streams.contains_key(key).then_some(Kind::Stream),
        }
    }

    /// Removes a key of any kind; whether there was one.
    pub(super) fn delete(&mut self, key: &Name) -> bool {
        self.keys.set_end(key, None);
        self.keys.held.remove(key).is_some() | self.drop_stream(key)
    }

    /// Removes the keys whose time is over.
    pub(super) fn expire(&mut self, now: Now) {
        while let Some((end, key)) = self.keys.by_end.first()
            && *end <= now.mono
        {
            let key = key.clone();
            self.delete(&key);
        }
    }
}
