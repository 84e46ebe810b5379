//! The in-process server: the same answers as Redis, with nothing installed.
//!
//! It lives as long as somebody holds a connection to it and keeps nothing on disk. All time comes from its clock,
//! so a test that owns the clock owns leases, due times and ids. An operation holds one lock for as long as it
//! takes to look at the entries it names, never for the length of a stream. Two differences from the server:
//! `max_len` trims exactly, and what a group has not read is always known.

mod append;
mod ears;
mod faults;
mod fetch;
mod gather;
mod group;
mod keys;
mod lane;
mod letters;
mod lock;
mod look;
mod marker;
mod routing;
mod session;
mod settle;
mod snapshot;
mod state;
mod store;
mod stream;
mod tail;
mod torn;
mod trace;
mod upkeep;
mod wait;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;

pub use faults::PendingEntry;
pub use snapshot::Snapshot;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result, Stored};
use crate::topology::{Name, lock_channel};
use crate::transport::{
    Answer, Append, Appended, Discard, Entry, EntryId, Fetch, Fetched, Gather, Gathered, Group, Hint, Op, PendingInfo,
    Record, Recreated, Refusal, Replay, Replayed, ServerInfo, Session, Settle, Settled, Sign, StreamInfo, Subscription,
    TraceStep, Transport, check,
};
use ears::Ears;
use state::{Now, State};

/// Servers that have a name in this process, while somebody holds them.
static SHARED: LazyLock<Mutex<HashMap<String, Weak<Server>>>> = LazyLock::new(Mutex::default);

/// Connections so far.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// What connections share.
#[derive(Debug)]
struct Server {
    clock: Arc<dyn Clock>,
    run_id: Mutex<String>,
    state: Mutex<State>,
    ears: Ears,
}

impl Server {
    fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, run_id: Mutex::new(run_id()), state: Mutex::default(), ears: Ears::default() })
    }
}

fn run_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A connection to an in-process server.
#[derive(Debug)]
pub struct Engine {
    server: Arc<Server>,
    /// Tells connections apart.
    number: u64,
    closed: AtomicBool,
    closing: Notify,
}

impl Engine {
    /// A server of its own (`memory://`).
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::open(Server::new(clock))
    }

    /// The server of this name in this process (`memory://name`), made when nobody holds it.
    pub fn shared(name: &str) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, server| server.strong_count() > 0);
        let server = shared.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let server = Server::new(SystemClock::shared());
            shared.insert(name.to_owned(), Arc::downgrade(&server));
            server
        });
        Self::open(server)
    }

    fn open(server: Arc<Server>) -> Arc<Self> {
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { server, number, closed: AtomicBool::new(false), closing: Notify::new() })
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The server's data, locked; `Closed` after [`Transport::close`].
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        self.at().map(|(state, _)| state)
    }

    /// The server's data, locked, and the moment.
    fn at(&self) -> Result<(MutexGuard<'_, State>, Now)> {
        if self.is_closed() {
            return Err(Error::closed("connection"));
        }
        let mut state = self.server.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Now::of(&*self.server.clock);
        state.expire(now);
        Ok((state, now))
    }
}

#[async_trait]
impl Transport for Engine {
    async fn append(&self, batch: Vec<Append>) -> Vec<Result<Appended>> {
        match self.at() {
            Ok((mut state, now)) => batch.into_iter().map(|entry| append::append(&mut state, entry, now)).collect(),
            Err(closed) => batch.iter().map(|_| Err(closed.clone().with_stored(Stored::No))).collect(),
        }
    }

    async fn register(&self, group: &Group, identity: &Name, suffix: &str) -> Result<Result<Session, Refusal>> {
        check::identity(identity)?;
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        session::register(&mut state, group, identity, suffix, now)
    }

    async fn fetch(&self, group: &Group, session: &Session, request: &Fetch) -> Result<Result<Fetched, Refusal>> {
        check::fetch(request)?;
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(fetch::fetch(&mut state, group, session, request, now))
    }

    async fn settle(&self, group: &Group, session: &Session, batch: &[Settle]) -> Result<Result<Settled, Refusal>> {
        check::settle(batch)?;
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(settle::settle(&mut state, group, session, batch, now))
    }

    async fn begin(
        &self,
        group: &Group,
        session: &Session,
        starts: &[(EntryId, Record)],
    ) -> Result<Result<(), Refusal>> {
        check::batch(starts.len())?;
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(settle::begin(&mut state, group, session, starts, now))
    }

    async fn has_room(&self, _group: &Group) -> Result<bool> {
        Ok(!self.state()?.full)
    }

    async fn renew(&self, group: &Group, sessions: &[Session]) -> Result<Vec<Result<u64, Refusal>>> {
        check::batch(sessions.len())?;
        let (mut state, now) = self.at()?;
        state.has_registry(&group.keys.consumers)?;
        Ok(session::renew(&mut state, group, sessions, now))
    }

    async fn signs(&self, group: &Group) -> Result<Vec<Sign>> {
        let state = self.state()?;
        state.has_registry(&group.keys.consumers)?;
        Ok(session::signs(&state, group))
    }

    async fn adopt(&self, group: &Group, seen: &Sign, suffix: &str) -> Result<Option<Session>> {
        let mut state = self.state()?;
        state.has_registry(&group.keys.consumers)?;
        Ok(session::adopt(&mut state, group, seen, suffix))
    }

    async fn retire(&self, group: &Group, session: &Session) -> Result<Result<bool, Refusal>> {
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(session::retire(&mut state, group, session, now))
    }

    async fn stop(&self, group: &Group, sessions: &[Session]) -> Result<()> {
        check::batch(sessions.len())?;
        let mut state = self.state()?;
        state.has_registry(&group.keys.consumers)?;
        session::stop(&mut state, group, sessions);
        Ok(())
    }

    async fn recreate(&self, group: &Group) -> Result<Recreated> {
        let (mut state, now) = self.at()?;
        state.is_stream(&group.stream)?;
        Ok(upkeep::recreate(&mut state, group, now))
    }

    async fn wait(&self, group: &Group, identity: &Name, hint: &Hint, timeout: Duration) -> Result<()> {
        wait::wait(self, group, identity, hint, timeout).await
    }

    async fn held(&self, group: &Group, identity: &Name, after: EntryId, count: usize) -> Result<Vec<EntryId>> {
        let state = self.state()?;
        state.is_stream(&group.stream)?;
        look::held(&state, group, identity, after, count)
    }

    /// Lanes and records take one page; trimming may take more.
    async fn sweep(&self, group: &Group, cursor: u64) -> Result<Option<u64>> {
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        let more = upkeep::sweep(&mut state, group, now);
        Ok(more.then_some(cursor + 1))
    }

    async fn lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        check::lock(ttl)?;
        let (mut state, now) = self.at()?;
        Ok(state.locks.take(key, token, ttl, now.mono))
    }

    async fn renew_lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        check::lock(ttl)?;
        let (mut state, now) = self.at()?;
        Ok(state.locks.renew(key, token, ttl, now.mono))
    }

    async fn unlock(&self, key: &Name, token: &str) -> Result<bool> {
        let (mut state, now) = self.at()?;
        let held = state.locks.release(key, token, now.mono);
        drop(state);
        if held {
            self.server.ears.tell(&lock_channel(key), &Bytes::new());
        }
        Ok(held)
    }

    async fn trace(&self, steps: &[TraceStep]) -> Result<u64> {
        let (mut state, now) = self.at()?;
        trace::add(&mut state, steps, now)
    }

    async fn gather(&self, group: &Group, session: &Session, request: &Gather) -> Result<Result<Gathered, Refusal>> {
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(gather::gather(&mut state, group, session, request, now))
    }

    async fn survey(&self, group: &Group) -> Result<Vec<Name>> {
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(gather::survey(&mut state, group, now))
    }

    async fn refresh(
        &self,
        group: &Group,
        session: &Session,
        after: EntryId,
    ) -> Result<Result<Option<EntryId>, Refusal>> {
        let (mut state, now) = self.at()?;
        state.has_both(group)?;
        Ok(gather::refresh(&mut state, group, session, after, now))
    }

    async fn read(&self, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>> {
        let state = self.state()?;
        if !ids.is_empty() {
            state.is_stream(stream)?;
        }
        Ok(look::read(&state, stream, ids))
    }

    async fn range(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        let state = self.state()?;
        state.is_stream(stream)?;
        Ok(look::range(&state, stream, from, to, count))
    }

    async fn range_back(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        let state = self.state()?;
        state.is_stream(stream)?;
        Ok(look::range_back(&state, stream, from, to, count))
    }

    async fn replay(&self, replay: &Replay) -> Result<Replayed> {
        let (mut state, now) = self.at()?;
        letters::replay(&mut state, replay, now)
    }

    async fn discard(&self, letters: &Name, batch: &[Discard]) -> Result<Vec<bool>> {
        check::batch(batch.len())?;
        Ok(letters::discard(&mut *self.state()?, letters, batch))
    }

    async fn bodies(&self, keys: &[Name]) -> Result<Vec<Option<Bytes>>> {
        let state = self.state()?;
        Ok(keys.iter().map(|key| state.bodies.get(key).cloned()).collect())
    }

    async fn stream_info(&self, stream: &Name) -> Result<StreamInfo> {
        let state = self.state()?;
        state.is_stream(stream)?;
        look::stream_info(&state, stream)
    }

    async fn pending(&self, stream: &Name, group: &Name) -> Result<PendingInfo> {
        let state = self.state()?;
        state.is_stream(stream)?;
        look::pending(&state, stream, group)
    }

    async fn delete_stream(&self, stream: &Name) -> Result<()> {
        upkeep::delete_stream(&mut *self.state()?, stream);
        Ok(())
    }

    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Answer>> {
        let (mut state, now) = self.at()?;
        store::apply(self, &mut state, ops, now)
    }

    async fn subscribe(&self, channels: &[Name]) -> Result<Subscription> {
        ears::subscribe(self, channels)
    }

    async fn tail(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>> {
        tail::tail(self, stream, after, count, wait).await
    }

    async fn ping(&self) -> Result<ServerInfo> {
        drop(self.state()?);
        Ok(ServerInfo {
            name: "memory".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            run_id: self.server.run_id.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            primary: Some(true),
        })
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.notify_waiters();
        // A subscription that is being made holds this lock.
        drop(self.server.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.server.ears.close(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_one_server_while_somebody_holds_it() {
        let entry = || vec![Append::new("s".into(), vec![("f".into(), "v".into())])];
        let len = async |engine: &Engine| engine.stream_info(&"s".into()).await.map(|info| info.length).ok();
        let (a, b, other) = (Engine::shared("one"), Engine::shared("one"), Engine::shared("two"));
        a.append(entry()).await.remove(0).unwrap();
        assert_eq!((len(&b).await, len(&other).await), (Some(1), None));
        a.close().await;
        assert_eq!(len(&b).await, Some(1), "a close ends one connection, not the server");
        drop(a);
        assert_eq!(len(&Engine::shared("one")).await, Some(1));
        drop(b);
        assert_eq!(len(&Engine::shared("one")).await, None, "nobody held it");
        let clock = SystemClock::shared();
        let (mine, yours) = (Engine::new(clock.clone()), Engine::new(clock));
        mine.append(entry()).await.remove(0).unwrap();
        assert_eq!((len(&mine).await, len(&yours).await), (Some(1), None));
    }
}
