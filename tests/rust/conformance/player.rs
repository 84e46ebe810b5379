//! A session as a case plays it: it keeps its cursor and says what it wants in one line.

use std::sync::Arc;

use stargazer_core::topology::Name;
use stargazer_core::transport::{
    EntryId, Fetch, Fetched, Group, Handed, Hint, Lane, Record, Refusal, Session, Settle, SettleResult, Settled, Sign,
    Transport, Verdict,
};

use super::lab::Lab;

/// One session of a group.
pub(super) struct Player {
    /// Its own way to the server.
    pub(super) transport: Arc<dyn Transport>,
    /// Its group.
    pub(super) group: Group,
    /// Identity and fence.
    pub(super) session: Session,
    /// The largest id received.
    pub(super) cursor: EntryId,
    /// What it fetches need not be weighed.
    unweighed: bool,
}

impl Player {
    /// Registers under a name.
    pub(super) async fn join(lab: &Lab, group: &Group, name: &str) -> Self {
        let session = lab.transport.register(group, &name.into(), name).await.unwrap().unwrap();
        let (transport, group) = (lab.transport.clone(), group.clone());
        Self { transport, group, session, cursor: EntryId::ZERO, unweighed: lab.unweighed }
    }

    /// The same session in another pair of hands, with nothing received.
    pub(super) fn twin(&self, session: Session) -> Self {
        let (transport, group) = (self.transport.clone(), self.group.clone());
        Self { transport, group, session, cursor: EntryId::ZERO, unweighed: self.unweighed }
    }

    /// Its identity.
    pub(super) fn name(&self) -> &Name {
        &self.session.identity
    }

    /// What a fetch of up to `count` answers; the cursor moves.
    pub(super) async fn fetch(&mut self, count: usize) -> Vec<Handed> {
        let entries = self.try_fetch(count).await.unwrap().entries;
        self.cursor = entries.last().map_or(self.cursor, |last| last.id);
        entries
    }

    /// As [`Player::fetch`], only the ids.
    pub(super) async fn ids(&mut self, count: usize) -> Vec<EntryId> {
        self.fetch(count).await.iter().map(|entry| entry.id).collect()
    }

    /// A fetch whose answer is lost on the way: the cursor stays.
    pub(super) async fn try_fetch(&self, count: usize) -> Result<Fetched, Refusal> {
        let (cursor, unweighed) = (self.cursor, self.unweighed);
        self.fetch_as(Fetch { cursor, count, max_bytes: 1 << 20, unweighed, new: true, wary: true }).await
    }

    /// What a fetch that hands out nothing says; the cursor stays.
    pub(super) async fn hint(&self, count: usize) -> Option<Hint> {
        let fetched = self.try_fetch(count).await.unwrap();
        assert!(fetched.entries.is_empty(), "{:?}", fetched.entries);
        fetched.hint
    }

    /// Any fetch.
    pub(super) async fn fetch_as(&self, request: Fetch) -> Result<Fetched, Refusal> {
        self.transport.fetch(&self.group, &self.session, &request).await.unwrap()
    }

    /// Settles.
    pub(super) async fn settle(&self, batch: &[Settle]) -> Result<Settled, Refusal> {
        self.transport.settle(&self.group, &self.session, batch).await.unwrap()
    }

    /// Acknowledges one entry of a lane.
    pub(super) async fn ack(&self, id: EntryId, lane: &'static str) -> SettleResult {
        self.settle(&[ack(id, lane)]).await.unwrap().results[0]
    }

    /// Its own sign of life.
    pub(super) async fn sign(&self) -> Sign {
        let signs = self.transport.signs(&self.group).await.unwrap();
        signs.into_iter().find(|sign| sign.identity == self.session.identity).unwrap()
    }

    /// Somebody takes this identity over.
    pub(super) async fn adopted_by(&self, suffix: &str) -> Self {
        let sign = self.sign().await;
        self.twin(self.transport.adopt(&self.group, &sign, suffix).await.unwrap().unwrap())
    }

    /// How many entries it holds.
    pub(super) async fn holds(&self) -> usize {
        self.transport.held(&self.group, self.name(), EntryId::ZERO, 1000).await.unwrap().len()
    }
}

/// An outcome `ack` for an entry of a lane.
pub(super) fn ack(id: EntryId, lane: &'static str) -> Settle {
    outcome(id, Some(lane), Verdict::Ack)
}

/// An outcome `retry`.
pub(super) fn retry(id: EntryId, lane: &'static str, record: Record) -> Settle {
    outcome(id, Some(lane), Verdict::Retry(record))
}

/// Any outcome.
pub(super) fn outcome(id: EntryId, lane: Option<&'static str>, verdict: Verdict) -> Settle {
    Settle { id, lane: lane.map(|lane| Lane::from_static(lane.as_bytes())), verdict, body: None }
}
