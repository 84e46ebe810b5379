//! Everything one in-process server knows, and how the parts find each other. No operation lives here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::group::GroupState;
use super::keys::Keys;
use super::lock::Locks;
use super::marker::Markers;
use super::routing::Routing;
use super::stream::Stream;
use crate::clock::Clock;
use crate::error::{Error, Result as Answer};
use crate::topology::{GroupKeys, Name, is_body_key};
use crate::transport::{Group, Refusal, Session};

/// One reading of the clock; an operation takes place at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Monotonic.
    pub(super) mono: Duration,
    /// Milliseconds since 1970.
    pub(super) wall_ms: u64,
}

impl Now {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self { mono: clock.now(), wall_ms: clock.wall_ms() }
    }
}

/// The server's data.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Streams by name.
    pub(super) streams: HashMap<Name, Stream>,
    /// Routing of each group, by the name of its `consumers` hash, which a fence names.
    pub(super) routings: HashMap<Name, Routing>,
    /// By stream: the groups that count for safe trimming, with their last sign of life (wall clock).
    pub(super) counting: HashMap<Name, BTreeMap<Name, u64>>,
    /// Message ids.
    pub(super) markers: Markers,
    /// Locks.
    pub(super) locks: Locks,
    /// No memory is left for what is new.
    pub(super) full: bool,
    /// Keys in whose place somebody has put a text.
    pub(super) usurped: Vec<Name>,
    /// Bodies beside their entries.
    pub(super) bodies: HashMap<Name, Bytes>,
    /// The callers' own keys.
    pub(super) keys: Keys,
    /// Rung when a stream is made.
    pub(super) created: Arc<Notify>,
}

/// Where one group's things stand, borrowed together.
pub(super) struct Place<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) routing: &'a mut Routing,
}

impl State {
    /// Routing of a group, made when missing.
    pub(super) fn routing(&mut self, keys: &GroupKeys) -> &mut Routing {
        self.routings.entry(keys.consumers.clone()).or_default()
    }

    /// A stream, made when missing.
    pub(super) fn stream(&mut self, name: &Name) -> &mut Stream {
        if !self.streams.contains_key(name) {
            self.created.notify_waiters();
        }
        self.streams.entry(name.clone()).or_default()
    }

    /// Removes a stream and nothing beside it; whether it was there. Whoever waits for its entries looks again.
    pub(super) fn drop_stream(&mut self, name: &Name) -> bool {
        self.keys.set_end(name, None);
        let texts = self.usurped.len();
        self.usurped.retain(|key| key != name);
        let dropped = self.streams.remove(name);
        dropped.inspect(|stream| stream.appended.notify_waiters()).is_some() || self.usurped.len() < texts
    }

    /// Lets everybody who waits for entries look again: another state takes the place of this one.
    pub(super) fn ring_all(&self) {
        self.created.notify_waiters();
        self.streams.values().for_each(|stream| stream.appended.notify_waiters());
    }

    /// `Invalid` where somebody's text stands in the place of the stream.
    pub(super) fn is_stream(&self, stream: &Name) -> Answer<()> {
        self.is_ours(stream, "stream")
    }

    /// `Invalid` where somebody's text stands in the place of the registrations.
    pub(super) fn has_registry(&self, consumers: &Name) -> Answer<()> {
        self.is_ours(consumers, "hash")
    }

    fn is_ours(&self, key: &Name, kind: &str) -> Answer<()> {
        if self.usurped.contains(key) { Err(Error::wrong_type(key, "string", kind)) } else { Ok(()) }
    }

    /// Both.
    pub(super) fn has_both(&self, group: &Group) -> Answer<()> {
        self.is_stream(&group.stream)?;
        self.has_registry(&group.keys.consumers)
    }

    /// Whether stream and group exist.
    pub(super) fn exists(&self, group: &Group) -> bool {
        self.streams.get(&group.stream).is_some_and(|stream| stream.groups.contains_key(&group.name))
    }

    /// Stream and routing for a session in force, on a group that exists.
    pub(super) fn admit(&mut self, group: &Group, session: &Session) -> Result<Place<'_>, Refusal> {
        let routing = self.routings.get_mut(&group.keys.consumers).ok_or(Refusal::Forgotten)?;
        routing.check(session)?;
        self.place(group)
    }

    /// The same, whoever asks.
    pub(super) fn place(&mut self, group: &Group) -> Result<Place<'_>, Refusal> {
        let routing = self.routings.get_mut(&group.keys.consumers).ok_or(Refusal::Forgotten)?;
        let stream = self.streams.get_mut(&group.stream).ok_or(Refusal::GroupLost)?;
        if !stream.groups.contains_key(&group.name) {
            return Err(Refusal::GroupLost);
        }
        Ok(Place { stream, routing })
    }

    /// Notes a sign of life of a group.
    pub(super) fn count_group(&mut self, group: &Group, now: Now) {
        self.counting.entry(group.stream.clone()).or_default().insert(group.name.clone(), now.wall_ms);
    }

    /// How many groups of a stream count for safe trimming.
    pub(super) fn groups_that_count(&self, stream: &Name) -> usize {
        self.counting.get(stream).map_or(0, BTreeMap::len)
    }

    /// Removes big bodies whose entries are gone: what these named, where it stands beside their stream.
    pub(super) fn drop_bodies(&mut self, stream: &str, keys: impl IntoIterator<Item = Bytes>) {
        for key in keys {
            if let Some(key) = std::str::from_utf8(&key).ok().filter(|key| is_body_key(stream, key)) {
                self.bodies.remove(key);
            }
        }
    }
}

impl Stream {
    /// A group and the entries it reads.
    pub(super) fn group(&mut self, name: &Name) -> Result<&mut GroupState, Refusal> {
        self.groups.get_mut(name).ok_or(Refusal::GroupLost)
    }
}
