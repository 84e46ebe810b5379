//! A transport that loses requests, loses replies, carries requests out late, and is slow.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Result, Stored};
use crate::policy::backoff::mix;
use crate::topology::Name;
use crate::transport::*;

/// Numbers that look random and are the same for the same seed.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(mix(seed)))
    }

    pub(crate) fn below(&self, n: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = mix(*state);
        *state % n.max(1)
    }

    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug)]
pub(crate) struct Faulty {
    pub inner: Arc<dyn Transport>,
    pub dice: Dice,
    /// Percent of requests that go wrong; 0 switches the faults off.
    pub percent: std::sync::atomic::AtomicU64,
    /// The next request finds a mistake of our own.
    pub broken: std::sync::atomic::AtomicBool,
    /// The process on this side is gone: no request leaves any more, and none ends.
    pub dead: std::sync::atomic::AtomicBool,
}

enum Fate {
    Fine,
    RequestLost,
    ReplyLost,
    Late,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Transport>, dice: Dice, percent: u64) -> Self {
        Self { inner, dice, percent: percent.into(), broken: false.into(), dead: false.into() }
    }

    async fn fate(&self) -> Fate {
        assert!(!self.broken.load(std::sync::atomic::Ordering::SeqCst), "broken, as the test wants it");
        if self.dead.load(std::sync::atomic::Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let percent = self.percent.load(std::sync::atomic::Ordering::SeqCst);
        if percent > 0 {
            tokio::time::sleep(Duration::from_millis(self.dice.below(20))).await;
        }
        if !self.dice.chance(percent) {
            return Fate::Fine;
        }
        match self.dice.below(3) {
            0 => Fate::RequestLost,
            1 => Fate::ReplyLost,
            _ => Fate::Late,
        }
    }

    fn lost() -> Error {
        Error::unavailable("the connection broke").with_stored(Stored::Unknown)
    }
}

macro_rules! carried {
    ($self:ident, $inner:ident, $call:expr) => {{
        let fate = $self.fate().await;
        let $inner = $self.inner.clone();
        match fate {
            Fate::Fine => $call.await,
            Fate::RequestLost => Err(Faulty::lost()),
            Fate::ReplyLost => {
                let _ = $call.await;
                Err(Faulty::lost())
            }
            Fate::Late => {
                let delay = Duration::from_millis(1 + $self.dice.below(800));
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = $call.await;
                });
                Err(Faulty::lost())
            }
        }
    }};
}

#[async_trait]
impl Transport for Faulty {
    async fn append(&self, batch: Vec<Append>) -> Vec<Result<Appended>> {
        self.inner.append(batch).await
    }

    async fn register(&self, group: &Group, identity: &Name, suffix: &str) -> Result<Result<Session, Refusal>> {
        let (group, identity, suffix) = (group.clone(), identity.clone(), suffix.to_owned());
        carried!(self, inner, inner.register(&group, &identity, &suffix))
    }

    async fn fetch(&self, group: &Group, session: &Session, request: &Fetch) -> Result<Result<Fetched, Refusal>> {
        let (group, session, request) = (group.clone(), session.clone(), *request);
        carried!(self, inner, inner.fetch(&group, &session, &request))
    }

    async fn settle(&self, group: &Group, session: &Session, batch: &[Settle]) -> Result<Result<Settled, Refusal>> {
        let (group, session, batch) = (group.clone(), session.clone(), batch.to_vec());
        carried!(self, inner, inner.settle(&group, &session, &batch))
    }

    async fn begin(
        &self,
        group: &Group,
        session: &Session,
        starts: &[(EntryId, Record)],
    ) -> Result<Result<(), Refusal>> {
        let (group, session, starts) = (group.clone(), session.clone(), starts.to_vec());
        carried!(self, inner, inner.begin(&group, &session, &starts))
    }

    async fn has_room(&self, group: &Group) -> Result<bool> {
        let group = group.clone();
        carried!(self, inner, inner.has_room(&group))
    }

    async fn renew(&self, group: &Group, sessions: &[Session]) -> Result<Vec<Result<u64, Refusal>>> {
        let (group, sessions) = (group.clone(), sessions.to_vec());
        carried!(self, inner, inner.renew(&group, &sessions))
    }

    async fn signs(&self, group: &Group) -> Result<Vec<Sign>> {
        let group = group.clone();
        carried!(self, inner, inner.signs(&group))
    }

    async fn adopt(&self, group: &Group, seen: &Sign, suffix: &str) -> Result<Option<Session>> {
        let (group, seen, suffix) = (group.clone(), seen.clone(), suffix.to_owned());
        carried!(self, inner, inner.adopt(&group, &seen, &suffix))
    }

    async fn retire(&self, group: &Group, session: &Session) -> Result<Result<bool, Refusal>> {
        let (group, session) = (group.clone(), session.clone());
        carried!(self, inner, inner.retire(&group, &session))
    }

    async fn stop(&self, group: &Group, sessions: &[Session]) -> Result<()> {
        let (group, sessions) = (group.clone(), sessions.to_vec());
        carried!(self, inner, inner.stop(&group, &sessions))
    }

    async fn recreate(&self, group: &Group) -> Result<Recreated> {
        let group = group.clone();
        carried!(self, inner, inner.recreate(&group))
    }

    async fn wait(&self, group: &Group, identity: &Name, hint: &Hint, timeout: Duration) -> Result<()> {
        self.inner.wait(group, identity, hint, timeout).await
    }

    async fn held(&self, group: &Group, identity: &Name, after: EntryId, count: usize) -> Result<Vec<EntryId>> {
        self.inner.held(group, identity, after, count).await
    }

    async fn sweep(&self, group: &Group, cursor: u64) -> Result<Option<u64>> {
        self.inner.sweep(group, cursor).await
    }

    async fn gather(&self, group: &Group, session: &Session, request: &Gather) -> Result<Result<Gathered, Refusal>> {
        let (group, session, request) = (group.clone(), session.clone(), request.clone());
        carried!(self, inner, inner.gather(&group, &session, &request))
    }

    async fn survey(&self, group: &Group) -> Result<Vec<Name>> {
        self.inner.survey(group).await
    }

    async fn refresh(
        &self,
        group: &Group,
        session: &Session,
        after: EntryId,
    ) -> Result<Result<Option<EntryId>, Refusal>> {
        self.inner.refresh(group, session, after).await
    }

    async fn lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        let (key, token) = (key.clone(), token.to_owned());
        carried!(self, inner, inner.lock(&key, &token, ttl))
    }

    async fn renew_lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        let (key, token) = (key.clone(), token.to_owned());
        carried!(self, inner, inner.renew_lock(&key, &token, ttl))
    }

    async fn unlock(&self, key: &Name, token: &str) -> Result<bool> {
        let (key, token) = (key.clone(), token.to_owned());
        carried!(self, inner, inner.unlock(&key, &token))
    }

    async fn trace(&self, steps: &[TraceStep]) -> Result<u64> {
        let steps = steps.to_vec();
        carried!(self, inner, inner.trace(&steps))
    }

    async fn read(&self, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>> {
        let (stream, ids) = (stream.clone(), ids.to_vec());
        carried!(self, inner, inner.read(&stream, &ids))
    }

    async fn range(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        self.inner.range(stream, from, to, count).await
    }

    async fn range_back(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        self.inner.range_back(stream, from, to, count).await
    }

    async fn replay(&self, replay: &Replay) -> Result<Replayed> {
        let replay = replay.clone();
        carried!(self, inner, inner.replay(&replay))
    }

    async fn discard(&self, letters: &Name, batch: &[Discard]) -> Result<Vec<bool>> {
        let (letters, batch) = (letters.clone(), batch.to_vec());
        carried!(self, inner, inner.discard(&letters, &batch))
    }

    async fn bodies(&self, keys: &[Name]) -> Result<Vec<Option<Bytes>>> {
        self.inner.bodies(keys).await
    }

    async fn stream_info(&self, stream: &Name) -> Result<StreamInfo> {
        self.inner.stream_info(stream).await
    }

    async fn pending(&self, stream: &Name, group: &Name) -> Result<PendingInfo> {
        self.inner.pending(stream, group).await
    }

    async fn delete_stream(&self, stream: &Name) -> Result<()> {
        self.inner.delete_stream(stream).await
    }

    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Answer>> {
        carried!(self, inner, inner.apply(ops.clone()))
    }

    async fn subscribe(&self, channels: &[Name]) -> Result<Subscription> {
        self.inner.subscribe(channels).await
    }

    async fn tail(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>> {
        self.inner.tail(stream, after, count, wait).await
    }

    async fn ping(&self) -> Result<ServerInfo> {
        self.inner.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
