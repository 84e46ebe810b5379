//! The transport on Redis or Valkey, 6.2 or newer. The only folder that knows the client library.
//!
//! Every operation is one round trip; what must be one step is one script, or one transaction. Connections: one for commands
//! ([`RedisTransport`] makes it again when it breaks), one for each identity that watches a stream, one for bells, one for notifications, one for tails. One
//! supervisor for each address opens them all, so that an outage is one streak of attempts in the whole process.

mod address;
mod ahead;
mod along;
mod append;
mod connect;
mod doctor;
mod ears;
mod error;
mod fetch;
mod gather;
mod group;
mod inspect;
mod letters;
mod link;
mod lock;
mod parse;
mod plain;
#[cfg(feature = "proving")]
#[doc(hidden)]
pub mod replies;
mod rights;
mod script;
mod sentinel;
mod settle;
mod store;
mod supervisor;
mod tail;
mod trace;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::connect::ConnectOptions;
use self::ears::Ears;
use self::link::Link;
use self::supervisor::Supervisor;
use self::tail::Tails;
use self::wait::Waits;
use crate::clock::Clock;
use crate::error::{Error, Result, Stored};
use crate::topology::Name;
use crate::transport::{
    Answer, Append, Appended, Discard, Entry, EntryId, Fetch, Fetched, Finding, Gather, Gathered, Group, Hint, Op,
    PendingInfo, Record, Recreated, Refusal, Replay, Replayed, ServerInfo, Session, Settle, Settled, Sign, StreamInfo,
    Subscription, TraceStep, Transport,
};

/// The oldest server whose commands suffice.
const OLDEST: (u32, u32) = (6, 2);

/// A Redis or Valkey server as a [`Transport`].
#[derive(Debug)]
pub struct RedisTransport {
    link: Arc<Link>,
    /// For what waits for replicas: the server holds such a connection up, and nobody else's requests should wait with it.
    replicating: Arc<Link>,
    waits: Waits,
    ears: Ears,
    tails: Tails,
}

impl RedisTransport {
    /// Connects to `redis://`, `rediss://`, `unix://`, or to what sentinels name: `redis+sentinel://`.
    ///
    /// Waits for a server that cannot be reached as long as `options.wait` says, then fails with `Unavailable`. A
    /// wrong password is `Auth` at once, an address that cannot be used or a server that is too old `Invalid`.
    pub async fn connect(url: &str, options: ConnectOptions, clock: Arc<dyn Clock>) -> Result<Self> {
        let (wait, options) = (options.wait, options.with_wait(Duration::ZERO));
        let supervisor = Supervisor::of(url, options)?;
        let replicating = Link::new(supervisor.clone(), wait, clock.clone());
        let link = Link::new(supervisor, wait, clock);
        let (ears, tails) = (Ears::new(link.clone()), Tails::new(link.clone()));
        let transport = Self { link, replicating, waits: Waits::default(), ears, tails };
        transport.link.open().await?;
        let server = inspect::ping(&transport.link).await?;
        if !server.version.is_empty() && too_old(&server.version) {
            return Err(Error::invalid(format!(
                "{} {} is too old; Redis {}.{} is needed",
                server.name, server.version, OLDEST.0, OLDEST.1
            ))
            .with_context("server", transport.link.target().shown()));
        }
        Ok(transport)
    }
}

impl RedisTransport {
    /// A refused identity is never used again: what it waited with goes.
    fn seen<T>(&self, group: &Group, session: &Session, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        if answer.is_err() {
            self.waits.forget(group, &session.identity);
        }
        answer
    }

    /// Whether nobody in this process has looked at this server before; only the first one is told so.
    pub fn first_look(&self) -> bool {
        self.link.supervisor.first_look()
    }

    /// Host and port, or the path of a socket; never a password.
    pub fn server(&self) -> &str {
        self.link.target().shown()
    }
}

/// Name and hash of every script, to know what a request is about when it passes by.
#[cfg(feature = "proving")]
pub fn script_hashes() -> impl Iterator<Item = (&'static str, String)> {
    script::SCRIPTS.all().into_iter().map(|script| (script.name, script.hash.clone()))
}

fn too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version < OLDEST
}

#[async_trait]
impl Transport for RedisTransport {
    async fn append(&self, batch: Vec<Append>) -> Vec<Result<Appended>> {
        if let Err(error) = self.link.check_open() {
            return batch.iter().map(|_| Err(error.clone().with_stored(Stored::No))).collect();
        }
        let replicating = batch.iter().any(|entry| entry.replicas.is_some());
        append::append(if replicating { &self.replicating } else { &self.link }, &batch).await
    }

    async fn register(&self, group: &Group, identity: &Name, suffix: &str) -> Result<Result<Session, Refusal>> {
        group::register(&self.link, group, identity, suffix).await
    }

    async fn fetch(&self, group: &Group, session: &Session, request: &Fetch) -> Result<Result<Fetched, Refusal>> {
        let now = self.link.clock().now();
        let answer = match self.waits.ahead.take(group, session, request, now) {
            Some(fetched) => Ok(fetched),
            None => fetch::fetch(&self.link, group, session, request).await?,
        };
        self.waits.ahead.note(group, session, request, &answer);
        Ok(self.seen(group, session, answer))
    }

    async fn settle(&self, group: &Group, session: &Session, batch: &[Settle]) -> Result<Result<Settled, Refusal>> {
        let answer = settle::settle(&self.link, group, session, batch).await?;
        Ok(self.seen(group, session, answer))
    }

    async fn begin(
        &self,
        group: &Group,
        session: &Session,
        starts: &[(EntryId, Record)],
    ) -> Result<Result<(), Refusal>> {
        let answer = fetch::begin(&self.link, group, session, starts).await?;
        Ok(self.seen(group, session, answer))
    }

    async fn renew(&self, group: &Group, sessions: &[Session]) -> Result<Vec<Result<u64, Refusal>>> {
        let answers = group::renew(&self.link, group, sessions).await?;
        Ok(sessions.iter().zip(answers).map(|(session, answer)| self.seen(group, session, answer)).collect())
    }

    async fn signs(&self, group: &Group) -> Result<Vec<Sign>> {
        group::signs(&self.link, group).await
    }

    async fn adopt(&self, group: &Group, seen: &Sign, suffix: &str) -> Result<Option<Session>> {
        group::adopt(&self.link, group, seen, suffix).await
    }

    async fn retire(&self, group: &Group, session: &Session) -> Result<Result<bool, Refusal>> {
        let retired = group::retire(&self.link, group, session).await?;
        if retired == Ok(true) {
            self.waits.forget(group, &session.identity);
        }
        Ok(retired)
    }

    async fn stop(&self, group: &Group, sessions: &[Session]) -> Result<()> {
        group::stop(&self.link, group, sessions).await?;
        for session in sessions {
            self.waits.forget(group, &session.identity);
        }
        Ok(())
    }

    async fn recreate(&self, group: &Group) -> Result<Recreated> {
        group::recreate(&self.link, group).await
    }

    async fn wait(&self, group: &Group, identity: &Name, hint: &Hint, timeout: Duration) -> Result<()> {
        self.waits.wait(&self.link, group, identity, hint, timeout).await
    }

    async fn held(&self, group: &Group, identity: &Name, after: EntryId, count: usize) -> Result<Vec<EntryId>> {
        group::held(&self.link, group, identity, after, count).await
    }

    async fn sweep(&self, group: &Group, cursor: u64) -> Result<Option<u64>> {
        group::sweep(&self.link, group, cursor).await
    }

    async fn lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        lock::lock(&self.link, key, token, ttl).await
    }

    async fn renew_lock(&self, key: &Name, token: &str, ttl: Duration) -> Result<bool> {
        lock::renew(&self.link, key, token, ttl).await
    }

    async fn unlock(&self, key: &Name, token: &str) -> Result<bool> {
        lock::unlock(&self.link, key, token).await
    }

    async fn trace(&self, steps: &[TraceStep]) -> Result<u64> {
        trace::add(&self.link, steps).await
    }

    async fn gather(&self, group: &Group, session: &Session, request: &Gather) -> Result<Result<Gathered, Refusal>> {
        gather::gather(&self.link, group, session, request).await
    }

    async fn survey(&self, group: &Group) -> Result<Vec<Name>> {
        gather::survey(&self.link, group).await
    }

    async fn refresh(
        &self,
        group: &Group,
        session: &Session,
        after: EntryId,
    ) -> Result<Result<Option<EntryId>, Refusal>> {
        gather::refresh(&self.link, group, session, after).await
    }

    async fn read(&self, stream: &Name, ids: &[EntryId]) -> Result<Vec<Option<Entry>>> {
        inspect::read(&self.link, stream, ids).await
    }

    async fn range(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        inspect::range(&self.link, stream, from, to, count).await
    }

    async fn range_back(&self, stream: &Name, from: EntryId, to: EntryId, count: usize) -> Result<Vec<Entry>> {
        inspect::range_back(&self.link, stream, from, to, count).await
    }

    async fn replay(&self, replay: &Replay) -> Result<Replayed> {
        letters::replay(&self.link, replay).await
    }

    async fn discard(&self, letters: &Name, batch: &[Discard]) -> Result<Vec<bool>> {
        letters::discard(&self.link, letters, batch).await
    }

    async fn bodies(&self, keys: &[Name]) -> Result<Vec<Option<Bytes>>> {
        inspect::bodies(&self.link, keys).await
    }

    async fn stream_info(&self, stream: &Name) -> Result<StreamInfo> {
        inspect::stream_info(&self.link, stream).await
    }

    async fn pending(&self, stream: &Name, group: &Name) -> Result<PendingInfo> {
        inspect::pending(&self.link, stream, group).await
    }

    async fn delete_stream(&self, stream: &Name) -> Result<()> {
        inspect::delete_stream(&self.link, stream).await
    }

    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Answer>> {
        store::apply(&self.link, &ops).await
    }

    async fn subscribe(&self, channels: &[Name]) -> Result<Subscription> {
        self.ears.subscribe(channels).await
    }

    async fn tail(&self, stream: &Name, after: EntryId, count: usize, wait: Duration) -> Result<Vec<Entry>> {
        self.tails.tail(stream, after, count, wait).await
    }

    async fn has_room(&self, group: &Group) -> Result<bool> {
        inspect::has_room(&self.link, &group.stream).await
    }

    fn connections(&self) -> u64 {
        self.link.connections()
    }

    async fn ping(&self) -> Result<ServerInfo> {
        inspect::ping(&self.link).await
    }

    async fn examine(&self, probe: Option<&Name>) -> Result<Vec<Finding>> {
        doctor::examine(&self.link, probe).await
    }

    async fn close(&self) {
        self.link.close();
        self.replicating.close();
        self.tails.close();
        self.ears.close().await;
        self.waits.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::too_old;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(too_old("6.0.16") && too_old("5.0.14") && too_old(""));
        assert!(!too_old("6.2.0") && !too_old("7.0.15") && !too_old("10.0.0"));
    }
}
