//! Notifications: one subscribed connection for all subscriptions of a transport, opened for the first one.
//!
//! A task keeps it: a connection that ends, stands still or leads to another server than the primary is replaced, all
//! channels are subscribed again, and whoever listens is told that something may have been missed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Pipeline, PushInfo, PushKind, Value};
use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::link::Link;
use super::supervisor::{How, Opened};
use crate::error::{Error, Result};
use crate::topology::Name;
use crate::transport::{Ear, Heard, Subscription};

/// How often a silent connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(5);

/// The pause after a refused attempt, on top of the supervisor's.
const PAUSE: Duration = Duration::from_millis(200);

/// All subscriptions of a transport.
#[derive(Debug)]
pub(super) struct Ears {
    shared: Arc<Shared>,
    kept: AtomicBool,
    closed: watch::Sender<bool>,
}

struct Shared {
    link: Arc<Link>,
    ears: Mutex<HashMap<Name, Vec<(u64, Ear)>>>,
    next: AtomicU64,
    line: tokio::sync::Mutex<Line>,
    /// A connection ended, or nobody listens on some channel any more.
    stir: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("channels", &locked(&self.ears).len()).finish_non_exhaustive()
    }
}

/// The connection in use.
#[derive(Default)]
struct Line {
    opened: Option<Opened>,
    subscribed: HashSet<Name>,
    /// Set by the connection when it ends.
    lost: Arc<AtomicBool>,
}

/// Ends a subscription when it is dropped.
struct End {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.forget(self.number);
        self.shared.stir.notify_one();
    }
}

impl Ears {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let shared = Shared {
            link,
            ears: Mutex::default(),
            next: AtomicU64::new(0),
            line: tokio::sync::Mutex::default(),
            stir: Notify::new(),
        };
        Self { shared: Arc::new(shared), kept: AtomicBool::new(false), closed: watch::Sender::new(false) }
    }

    /// Listens on channels.
    pub(super) async fn subscribe(&self, channels: &[Name]) -> Result<Subscription> {
        let shared = &self.shared;
        shared.link.check_open()?;
        let number = shared.next.fetch_add(1, Ordering::AcqRel);
        // Dropped together with the subscription, also when it is never handed out.
        let (subscription, ear) = Subscription::new(End { shared: shared.clone(), number });
        {
            let mut ears = locked(&shared.ears);
            for channel in channels {
                ears.entry(channel.clone()).or_default().push((number, ear.clone()));
            }
        }
        if !self.kept.swap(true, Ordering::AcqRel) {
            tokio::spawn(keep(shared.clone(), self.closed.subscribe()));
        }
        shared.tune(&mut *shared.line.lock().await, Some(number)).await?;
        // What was open when the transport closed has been ended; what came after it is ended here.
        if *self.closed.borrow() {
            return Err(Error::closed("transport"));
        }
        Ok(subscription)
    }

    /// Ends all subscriptions.
    pub(super) async fn close(&self) {
        self.closed.send_replace(true);
        locked(&self.shared.ears).clear();
        *self.shared.line.lock().await = Line::default();
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.closed.send_replace(true);
        locked(&self.shared.ears).clear();
    }
}

/// Looks after the connection until the transport is closed.
async fn keep(shared: Arc<Shared>, mut closed: watch::Receiver<bool>) {
    let kept = async {
        loop {
            let primary = shared.line.lock().await.opened.as_ref().map(|opened| opened.primary);
            let moved = async {
                match primary {
                    Some(primary) => shared.link.supervisor.moved_from(primary).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.stir.notified() => {}
                () = moved => {}
                () = shared.link.clock().sleep(PING) => {}
            }
            if let Err(error) = shared.look().await {
                tracing::debug!(%error, "no notifications for now");
                shared.link.clock().sleep(PAUSE).await;
                shared.stir.notify_one();
            }
        }
    };
    tokio::select! {
        () = kept => {}
        // The sender's end is a close as well.
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

impl Shared {
    fn forget(&self, number: u64) {
        locked(&self.ears).retain(|_, ears| {
            ears.retain(|(known, _)| *known != number);
            !ears.is_empty()
        });
    }

    /// Makes sure that what is wanted is heard, and that the connection is there.
    async fn look(self: &Arc<Self>) -> Result<()> {
        let mut line = self.line.lock().await;
        if line.opened.is_none() && locked(&self.ears).is_empty() {
            return Ok(());
        }
        self.tune(&mut line, None).await?;
        let Some(opened) = &line.opened else { return Ok(()) };
        let mut connection = opened.connection.clone();
        let answer = connection.send_packed_command(&::redis::cmd("PING")).await;
        answer.map(drop).map_err(|error| self.give_up(&mut line, &error))
    }

    /// Subscribes what is wanted and is not subscribed yet, on a new connection if need be. Everybody but the one who
    /// asks is told of a new one.
    async fn tune(self: &Arc<Self>, line: &mut Line, asks: Option<u64>) -> Result<()> {
        let moved = line.opened.as_ref().is_some_and(|opened| opened.primary != self.link.supervisor.primary());
        if moved || line.lost.load(Ordering::Acquire) {
            *line = Line::default();
        }
        let renewed = line.opened.is_none();
        let mut connection = self.connection(line).await?;
        let (wanted, gone): (Vec<Name>, Vec<Name>) = {
            let ears = locked(&self.ears);
            let wanted = ears.keys().filter(|channel| !line.subscribed.contains(*channel)).cloned().collect();
            (wanted, line.subscribed.iter().filter(|channel| !ears.contains_key(*channel)).cloned().collect())
        };
        for channels in wanted.chunks(100) {
            let names: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
            connection.subscribe(&names[..]).await.map_err(|error| self.give_up(line, &error))?;
            line.subscribed.extend(channels.iter().cloned());
        }
        for channels in gone.chunks(100) {
            let names: Vec<&str> = channels.iter().map(|channel| &**channel).collect();
            connection.unsubscribe(&names[..]).await.map_err(|error| self.give_up(line, &error))?;
            line.subscribed.retain(|channel| !channels.contains(channel));
        }
        if renewed {
            let mut told = HashSet::new();
            for (number, ear) in locked(&self.ears).values().flatten() {
                if Some(*number) != asks && told.insert(*number) {
                    ear.tell(Heard::Resubscribed);
                }
            }
        }
        Ok(())
    }

    async fn connection(self: &Arc<Self>, line: &mut Line) -> Result<MultiplexedConnection> {
        if let Some(opened) = &line.opened {
            return Ok(opened.connection.clone());
        }
        let (shared, lost) = (Arc::downgrade(self), line.lost.clone());
        let hear = move |push: PushInfo| {
            if let Some(shared) = shared.upgrade() {
                shared.heard(&lost, &push);
            }
            Ok::<(), Error>(())
        };
        let timeout = Some(self.link.target().options.response_timeout);
        let opened = self.link.supervisor.open(How::default(), timeout, hear, &Pipeline::new()).await?;
        Ok(line.opened.insert(opened).connection.clone())
    }

    fn heard(&self, lost: &AtomicBool, push: &PushInfo) {
        match (push.kind.clone(), &push.data[..]) {
            (PushKind::Message, [channel, payload]) => {
                let (Some(channel), Some(payload)) = (bytes(channel), bytes(payload)) else { return };
                let Ok(channel) = std::str::from_utf8(&channel) else { return };
                let ears = locked(&self.ears);
                let Some((channel, ears)) = ears.get_key_value(channel) else { return };
                for (_, ear) in ears {
                    ear.tell(Heard::Notification { channel: channel.clone(), payload: payload.clone() });
                }
            }
            (PushKind::Disconnection, _) => {
                lost.store(true, Ordering::Release);
                self.stir.notify_one();
            }
            _ => {}
        }
    }

    fn give_up(&self, line: &mut Line, error: &::redis::RedisError) -> Error {
        *line = Line::default();
        self.stir.notify_one();
        self.link.explain(error)
    }
}

fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::BulkString(data) => Some(Bytes::copy_from_slice(data)),
        Value::SimpleString(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        _ => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
