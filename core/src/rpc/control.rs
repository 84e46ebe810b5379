//! What reaches a server beside its requests: which of them nobody waits for any more.
//!
//! Callers tell it on the control channel of the stream, and leave a mark for requests that are read later. A server looks
//! for marks only where a notification may have passed it by: at requests that were there before it listened, and at those
//! that come again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cancel::Cancel;
use crate::clock::Clock;
use crate::error::Result;
use crate::publish::Publisher;
use crate::store::{EntryId, Heard, Op, Store, Subscription};
use crate::topology::{self, Name};

/// Cancelled calls that are remembered until their requests come; the deadline ends those that are forgotten.
const EARLY: usize = 10_000;

/// Marks that are looked for together.
const TOGETHER: usize = 500;

pub(crate) struct Control {
    store: Store,
    clock: Arc<dyn Clock>,
    stream: Name,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: HashMap<String, Vec<Cancel>>,
    early: HashSet<String>,
    order: VecDeque<String>,
    /// Of requests after this one every cancellation is heard; of which ones is not known when `None`.
    since: Option<EntryId>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn new(bus: &Publisher, stream: Name) -> Arc<Self> {
        Arc::new(Self { store: bus.store(), clock: bus.clock().clone(), stream, state: Mutex::default() })
    }

    /// Begins to listen; waits as long as a bus waits for its server.
    pub(crate) async fn subscribe(&self, patience: Duration) -> Result<Subscription> {
        let give_up = self.clock.now() + patience;
        let mut pause = Duration::from_millis(20);
        loop {
            match self.store.subscribe([topology::control_channel(&self.stream)]).await {
                Err(error) if error.retryable() && self.clock.now() + pause < give_up => {
                    self.clock.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                done => return done,
            }
        }
    }

    /// Listens until the bus closes.
    pub(crate) async fn listen(&self, mut ear: Subscription) {
        self.catch_up().await;
        loop {
            match ear.next().await {
                Ok(Heard::Notification { payload, .. }) => {
                    // An empty one asks how many there are.
                    if let Some(id) = std::str::from_utf8(&payload).ok().filter(|id| !id.is_empty()) {
                        self.cancelled(id);
                    }
                }
                Ok(Heard::Resubscribed | Heard::Missed(_)) => self.catch_up().await,
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Finds out what was told while nobody listened.
    async fn catch_up(&self) {
        self.state().since = None;
        let mut pause = Duration::from_millis(50);
        while let Err(error) = self.look().await {
            tracing::debug!(stream = &*self.stream, %error, "which calls were cancelled cannot be seen; trying again");
            self.clock.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn look(&self) -> Result<()> {
        let last = self.store.log_last(&self.stream).await?;
        let running: Vec<String> = self.state().running.keys().cloned().collect();
        for ids in running.chunks(TOGETHER) {
            let exists = |id: &String| Op::Exists { key: topology::cancelled_key(&self.stream, id) };
            let marks = self.store.apply(ids.iter().map(exists).collect()).await?;
            for (id, mark) in ids.iter().zip(marks) {
                if mark.flag()? {
                    self.cancelled(id);
                }
            }
        }
        self.state().since = Some(last);
        Ok(())
    }

    fn cancelled(&self, id: &str) {
        let mut state = self.state();
        if let Some(running) = state.running.get(id) {
            running.iter().for_each(Cancel::cancel);
            return;
        }
        if state.early.insert(id.to_owned()) {
            state.order.push_back(id.to_owned());
            if state.order.len() > EARLY
                && let Some(oldest) = state.order.pop_front()
            {
                state.early.remove(&oldest);
            }
        }
    }

    /// A request is about to be run, until what this gives is dropped.
    pub(crate) fn enter(self: &Arc<Self>, id: &str) -> Entered {
        let cancel = Cancel::new();
        let mut state = self.state();
        state.running.entry(id.to_owned()).or_default().push(cancel.clone());
        if state.early.contains(id) {
            cancel.cancel();
        }
        drop(state);
        Entered { control: self.clone(), id: id.to_owned(), cancel }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in hand.
pub(crate) struct Entered {
    control: Arc<Control>,
    id: String,
    pub(crate) cancel: Cancel,
}

impl Entered {
    /// Looks for the mark of a caller that cancelled, where that may not have been heard.
    pub(crate) async fn look(&self, entry: EntryId, again: bool) -> Result<()> {
        let heard = !again && self.control.state().since.is_some_and(|since| entry > since);
        if !heard && self.control.store.exists(&topology::cancelled_key(&self.control.stream, &self.id)).await? {
            self.cancel.cancel();
        }
        Ok(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.control.state();
        if let Some(running) = state.running.get_mut(&self.id) {
            running.pop();
            if running.is_empty() {
                state.running.remove(&self.id);
            }
        }
    }
}
