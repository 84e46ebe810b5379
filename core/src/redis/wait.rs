//! Waiting for work: a blocking read for those who watch, a bell for those who rest (and for those who watch, since
//! a stop rings everybody).
//!
//! A blocking read has a connection of its own, one for each identity that watches. It is kept with the read that is
//! under way, so a dropped wait leaves nothing behind: the next one takes the same read up again.
//! Right behind it, in the same write, stands the fetch that is expected next ([`super::ahead`]), so that what came is there with the
//! news that something came.
//! Bells come over one subscribed connection for all. If it fails, nothing is lost but a poll: waits end by their
//! time-out, and the next one connects again after a pause.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::Notify;

use super::ahead::{Aheads, Asked};
use super::fetch;
use super::link::{Link, unwrapped};
use super::supervisor::{How, Opened};
use crate::error::{Error, Result};
use crate::topology::Name;
use crate::transport::{EntryId, Group, Hint};

/// The longest blocking read: ids that went back (a roll-back of the server) are noticed after it.
const BLOCK: Duration = Duration::from_secs(1);

/// The pause before the next attempt to subscribe.
const PAUSE: Duration = Duration::from_secs(1);

type Read = Pin<Box<dyn Future<Output = Result<Vec<Value>, RedisError>> + Send>>;

/// What waits need to be kept between two of them.
#[derive(Default)]
pub(super) struct Waits {
    /// By bell channel, which is unique for group and identity.
    watches: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Watch>>>>,
    bells: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
    subscriber: tokio::sync::Mutex<Subscriber>,
    pub(super) ahead: Aheads,
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waits").field("watches", &locked(&self.watches).len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Watch {
    connection: Option<Opened>,
    read: Option<Read>,
    /// The fetch that stands behind it.
    behind: Option<Asked>,
    /// When the read must have ended, unless its connection is dead.
    overdue: Duration,
}

#[derive(Default)]
struct Subscriber {
    connection: Option<Opened>,
    subscribed: HashSet<String>,
    /// Set by the connection when it ends.
    lost: Arc<std::sync::atomic::AtomicBool>,
    not_before: Duration,
}

impl Waits {
    /// Waits as a hint says.
    pub(super) async fn wait(
        &self,
        link: &Link,
        group: &Group,
        identity: &Name,
        hint: &Hint,
        timeout: Duration,
    ) -> Result<()> {
        link.check_open()?;
        let channel = channel(group, identity);
        let bell = locked(&self.bells).entry(channel.clone()).or_default().clone();
        let rung = async {
            let new = self.subscribe(link, &channel).await;
            // A bell may have rung before we heard: look once more before resting.
            if !(new && *hint == Hint::Rest) {
                bell.notified().await;
            }
        };
        let watched = async {
            match hint {
                Hint::Watch(after) => self.watch(link, (group, identity), &channel, *after, timeout).await,
                Hint::Rest | Hint::Gather | Hint::Back(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = link.closed() => Err(Error::closed("transport")),
            () = rung => Ok(()),
            result = watched => result,
            () = link.clock().sleep(timeout) => Ok(()),
        }
    }

    /// Forgets an identity that has gone.
    pub(super) fn forget(&self, group: &Group, identity: &Name) {
        let channel = channel(group, identity);
        locked(&self.watches).remove(&channel);
        locked(&self.bells).remove(&channel);
        self.ahead.forget(group, identity);
    }

    /// Ends all connections.
    pub(super) async fn close(&self) {
        locked(&self.watches).clear();
        locked(&self.bells).clear();
        *self.subscriber.lock().await = Subscriber::default();
    }

    async fn watch(
        &self,
        link: &Link,
        (group, identity): (&Group, &Name),
        channel: &str,
        after: EntryId,
        timeout: Duration,
    ) -> Result<()> {
        let watch = locked(&self.watches).entry(channel.to_owned()).or_default().clone();
        let mut watch = watch.lock().await;
        let moved = |opened: &Opened| opened.primary != link.supervisor.primary();
        let overdue = watch.read.is_some() && link.clock().now() >= watch.overdue;
        if overdue || watch.connection.as_ref().is_some_and(moved) {
            *watch = Watch::default();
        }
        let read = if let Some(read) = watch.read.take() {
            read
        } else {
            // What was handed out before this wait is to be on its way first.
            tokio::task::yield_now().await;
            watch.behind = self.ahead.next(group, identity);
            watch.start(link, group, after, timeout.min(BLOCK)).await?
        };
        let result = watch.read.insert(read).await;
        watch.read = None;
        let mut replies = match result {
            Ok(replies) => replies.into_iter(),
            Err(error) => {
                watch.connection = None;
                return Err(link.explain(&error));
            }
        };
        if let Err(error) = unwrapped(replies.next().unwrap_or_default()) {
            watch.connection = None;
            return Err(link.explain(&error));
        }
        if let (Some(asked), Some(Ok(reply))) = (watch.behind.take(), replies.next().map(unwrapped)) {
            self.ahead.came(group, asked, reply, link.clock().now());
        }
        Ok(())
    }

    /// Makes sure that the bell of a channel is heard; gives up quietly when it cannot be. Whether it is heard from
    /// now on only.
    async fn subscribe(&self, link: &Link, channel: &str) -> bool {
        let mut subscriber = self.subscriber.lock().await;
        let moved = subscriber.connection.as_ref().is_some_and(|opened| opened.primary != link.supervisor.primary());
        if moved || subscriber.lost.load(std::sync::atomic::Ordering::Acquire) {
            *subscriber = Subscriber { not_before: subscriber.not_before, ..Subscriber::default() };
        }
        if subscriber.subscribed.contains(channel) || link.clock().now() < subscriber.not_before {
            return false;
        }
        let Err(error) = self.listen(link, &mut subscriber, channel).await else { return true };
        tracing::debug!(%error, "no bells for now; resting consumers poll");
        let not_before = link.clock().now() + PAUSE;
        *subscriber = Subscriber { not_before, ..Subscriber::default() };
        false
    }

    async fn listen(&self, link: &Link, subscriber: &mut Subscriber, channel: &str) -> Result<()> {
        let mut connection = if let Some(opened) = &subscriber.connection {
            opened.connection.clone()
        } else {
            let (bells, lost) = (self.bells.clone(), subscriber.lost.clone());
            let hear = move |push: PushInfo| {
                heard(&bells, &lost, &push);
                Ok::<(), Error>(())
            };
            let timeout = Some(link.target().options.response_timeout);
            let opened = link.supervisor.open(How::default(), timeout, hear, &Pipeline::new()).await?;
            subscriber.connection.insert(opened).connection.clone()
        };
        connection.subscribe(channel).await.map_err(|error| link.explain(&error))?;
        subscriber.subscribed.insert(channel.to_owned());
        // Channels of identities that have gone.
        let gone: Vec<String> = {
            let bells = locked(&self.bells);
            subscriber.subscribed.iter().filter(|known| !bells.contains_key(*known)).cloned().collect()
        };
        for known in gone {
            connection.unsubscribe(&known).await.map_err(|error| link.explain(&error))?;
            subscriber.subscribed.remove(&known);
        }
        Ok(())
    }
}

impl Watch {
    /// Starts a blocking read for entries after an id.
    async fn start(&mut self, link: &Link, group: &Group, after: EntryId, block: Duration) -> Result<Read> {
        let mut connection = if let Some(opened) = &self.connection {
            opened.connection.clone()
        } else {
            let deaf = |_: PushInfo| Ok::<(), Error>(());
            // No time limit of the client: the read ends by its own, and `overdue` looks after one that does not.
            let opened = link.supervisor.open(How::default(), None, deaf, &Pipeline::new()).await?;
            self.connection.insert(opened).connection.clone()
        };
        let mut pipeline = Pipeline::with_capacity(2);
        // Nothing would block for ever.
        let block_ms = u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1);
        pipeline.cmd("XREAD").arg("COUNT").arg(1).arg("BLOCK").arg(block_ms);
        pipeline.arg("STREAMS").arg(&*group.stream).arg(after.to_string());
        if let Some((session, request)) = &self.behind {
            pipeline.add_command(fetch::command(group, session, request));
        }
        self.overdue = link.clock().now() + block + link.target().options.response_timeout;
        Ok(Box::pin(async move { connection.send_packed_commands(&pipeline, 0, pipeline.len()).await }))
    }
}

fn heard(bells: &Mutex<HashMap<String, Arc<Notify>>>, lost: &std::sync::atomic::AtomicBool, push: &PushInfo) {
    match push.kind {
        PushKind::Message => {
            let channel = match push.data.first() {
                Some(Value::BulkString(channel)) => std::str::from_utf8(channel).unwrap_or_default(),
                Some(Value::SimpleString(channel)) => channel,
                _ => return,
            };
            if let Some(bell) = locked(bells).get(channel) {
                bell.notify_one();
            }
        }
        PushKind::Disconnection => lost.store(true, std::sync::atomic::Ordering::Release),
        _ => {}
    }
}

fn channel(group: &Group, identity: &Name) -> String {
    format!("{}:{identity}", group.keys.bell)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
