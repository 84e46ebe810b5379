//! What an operator or an accident can do to a server, for tests; and the look inside that they compare.

use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::routing::Routing;
use super::state::Now;
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{EntryId, Group};

/// A pending entry as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Its id.
    pub id: EntryId,
    /// Who holds it.
    pub consumer: String,
    /// Time since it was handed out last.
    pub idle: Duration,
    /// How often it was handed out.
    pub deliveries: u64,
}

impl Engine {
    /// Deletes entries as `XDEL` does: pending lists keep their ids, and what stands beside them stays.
    pub fn delete_entries(&self, stream: &Name, ids: &[EntryId]) -> Result<usize> {
        let mut state = self.state()?;
        let Some(entries) = state.streams.get_mut(stream) else { return Ok(0) };
        Ok(ids.iter().filter(|id| entries.remove(**id).existed).count())
    }

    /// Destroys a group as `XGROUP DESTROY` does: what routing knows of it stays behind.
    pub fn destroy_group(&self, group: &Group) -> Result<bool> {
        let mut state = self.state()?;
        let stream = state.streams.get_mut(&group.stream);
        Ok(stream.is_some_and(|stream| stream.groups.remove(&group.name).is_some()))
    }

    /// Reads new entries as a consumer that knows nothing of registrations does.
    pub fn read_as(&self, group: &Group, consumer: &Name, count: usize) -> Result<Vec<EntryId>> {
        let now = Now::of(&*self.server.clock);
        let mut state = self.state()?;
        let Some(stream) = state.streams.get_mut(&group.stream) else { return Ok(Vec::new()) };
        let Some(found) = stream.groups.get_mut(&group.name) else { return Ok(Vec::new()) };
        found.touch(consumer, now.mono);
        let after = found.last_delivered;
        let ids: Vec<_> = stream.entries.range((Excluded(after), Unbounded)).take(count).map(|(id, _)| *id).collect();
        for id in &ids {
            found.deliver(*id, consumer, now.mono);
        }
        Ok(ids)
    }

    /// Lets the server's memory be full, or no longer: what is new is refused, what was taken is carried on.
    pub fn fill_memory(&self, full: bool) -> Result<()> {
        self.state()?.full = full;
        Ok(())
    }

    /// Puts a text where a key of ours stands (a stream, or the registrations of a group), as `SET` does: what stood
    /// there is gone, and whatever needs the key is refused.
    pub fn usurp(&self, key: &Name) -> Result<()> {
        let mut state = self.state()?;
        state.drop_stream(key);
        if let Some(routing) = state.routings.get_mut(key) {
            routing.forget_registrations();
        }
        if !state.usurped.contains(key) {
            state.usurped.push(key.clone());
        }
        Ok(())
    }

    /// Removes such a text; whether there was one.
    pub fn give_back(&self, key: &Name) -> Result<bool> {
        let usurped = &mut self.state()?.usurped;
        let before = usurped.len();
        usurped.retain(|other| other != key);
        Ok(usurped.len() < before)
    }

    /// Acknowledges entries as somebody does who knows nothing of registrations: whoever holds them; how many were
    /// pending.
    pub fn ack_as(&self, group: &Group, ids: &[EntryId]) -> Result<usize> {
        let mut state = self.state()?;
        let stream = state.streams.get_mut(&group.stream);
        let Some(found) = stream.and_then(|stream| stream.groups.get_mut(&group.name)) else { return Ok(0) };
        Ok(ids.iter().filter(|id| found.ack(**id)).count())
    }

    /// Deletes a consumer as `XGROUP DELCONSUMER` does: what it held is pending for nobody.
    pub fn delete_consumer(&self, group: &Group, consumer: &str) -> Result<()> {
        let mut state = self.state()?;
        let stream = state.streams.get_mut(&group.stream);
        if let Some(found) = stream.and_then(|stream| stream.groups.get_mut(&group.name)) {
            found.remove_consumer(consumer);
        }
        Ok(())
    }

    /// Forgets who is registered, as the loss of that one key does.
    pub fn forget_registrations(&self, group: &Group) -> Result<()> {
        let mut state = self.state()?;
        if let Some(routing) = state.routings.get_mut(&group.keys.consumers) {
            routing.forget_registrations();
        }
        Ok(())
    }

    /// Deletes a stream as `DEL` does: what stands beside it stays behind.
    pub fn drop_stream(&self, stream: &Name) -> Result<bool> {
        Ok(self.state()?.drop_stream(stream))
    }

    /// Forgets everything, as `FLUSHALL` does.
    pub fn flush(&self) -> Result<()> {
        let before = std::mem::take(&mut *self.state()?);
        before.ring_all();
        Ok(())
    }

    /// The pending list of a group, oldest first, with hand-outs and idle times.
    pub fn pending_entries(&self, group: &Group) -> Result<Vec<PendingEntry>> {
        let now = Now::of(&*self.server.clock);
        let state = self.state()?;
        let found = state.streams.get(&group.stream).and_then(|stream| stream.groups.get(&group.name));
        let entry = |(id, pending): (EntryId, &super::group::Pending)| PendingEntry {
            id,
            consumer: pending.consumer.to_string(),
            idle: now.mono.saturating_sub(pending.delivered_at),
            deliveries: pending.deliveries,
        };
        Ok(found.into_iter().flat_map(|group| group.all_pending().map(entry)).collect())
    }

    /// Lets a group's last sign of life lie that far back.
    pub fn age_group(&self, group: &Group, by: Duration) -> Result<()> {
        let mut state = self.state()?;
        let seen = state.counting.get_mut(&group.stream).and_then(|groups| groups.get_mut(&group.name));
        if let Some(seen) = seen {
            *seen = seen.saturating_sub(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Deletes a lock behind the back of whoever holds it; whether it was held.
    pub fn break_lock(&self, key: &Name) -> Result<bool> {
        Ok(self.state()?.locks.forget(key))
    }

    /// How many groups of a stream count for safe trimming.
    pub fn groups_that_count(&self, stream: &Name) -> Result<usize> {
        Ok(self.state()?.groups_that_count(stream))
    }

    /// How many lanes and records of starts routing keeps for a group: both are 0 when all is finished.
    pub fn kept(&self, group: &Group) -> Result<(usize, usize)> {
        let state = self.state()?;
        Ok(state.routings.get(&group.keys.consumers).map_or((0, 0), Routing::kept))
    }

    /// Another connection to the same server.
    pub fn reconnect(&self) -> Arc<Self> {
        Self::open(self.server.clone())
    }
}
