//! Turns: what was said for a message, and whether it is all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stargazer_core::envelope::{Action, Outbound};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long a turn is remembered after it was opened.
const KEPT_FOR: Duration = Duration::from_secs(15 * 60);
/// How many turns are remembered.
const KEPT: usize = 10_000;
/// Bytes of replies that are remembered.
const KEPT_BYTES: usize = 64 * 1024 * 1024;

/// How far a turn is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// More may come.
    Running,
    /// Everything was said.
    Completed,
    /// It was given up, with the reason.
    Failed(String),
}

/// A turn now.
#[derive(Debug, Clone)]
pub struct TurnState {
    /// How far it is.
    pub status: Status,
    /// What was said, in order.
    pub replies: Vec<Outbound>,
    /// How long it took, or has been going on.
    pub elapsed: Duration,
}

/// The turn of one message.
#[derive(Debug)]
pub struct Turn {
    /// Its id, which is the trace id.
    pub id: String,
    /// Id of the message.
    pub message_id: String,
    opened: Instant,
    state: watch::Sender<State>,
    watchers: Arc<Watchers>,
}

#[derive(Debug)]
struct State {
    status: Status,
    replies: Vec<Outbound>,
    ended: Option<Instant>,
}

impl Turn {
    /// How it stands.
    pub fn now(&self) -> TurnState {
        let state = self.state.borrow();
        let elapsed = state.ended.unwrap_or_else(Instant::now) - self.opened;
        TurnState { status: state.status.clone(), replies: state.replies.clone(), elapsed }
    }

    /// Ends when the turn is complete or has failed. Draining waits for those who wait here.
    pub async fn ended(&self) {
        let _watching = self.watchers.enter();
        let mut state = self.state.subscribe();
        // We hold the sender, so it cannot close.
        let _ = state.wait_for(|state| state.status != Status::Running).await;
    }
}

/// The turns of a process.
#[derive(Debug, Default)]
pub(super) struct Turns {
    kept: Mutex<Kept>,
    watchers: Arc<Watchers>,
}

#[derive(Debug, Default)]
struct Kept {
    turns: HashMap<String, Arc<Turn>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Turns {
    pub(super) fn open(&self, id: &str, message_id: &str) -> Arc<Turn> {
        let state = State { status: Status::Running, replies: Vec::new(), ended: None };
        let turn = Arc::new(Turn {
            id: id.to_owned(),
            message_id: message_id.to_owned(),
            opened: Instant::now(),
            state: watch::Sender::new(state),
            watchers: self.watchers.clone(),
        });
        let mut kept = self.kept();
        kept.turns.insert(id.to_owned(), turn.clone());
        kept.order.push_back(id.to_owned());
        kept.tidy();
        turn
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Turn>> {
        let mut kept = self.kept();
        kept.tidy();
        kept.turns.get(id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        let mut kept = self.kept();
        kept.order.retain(|known| known != id);
        kept.remove(id);
    }

    /// Adds a reply; whether there is such a turn. One whose message key the turn holds already is the same one.
    pub(super) fn reply(&self, id: &str, action: &Outbound) -> bool {
        let mut kept = self.kept();
        let Some(turn) = kept.turns.get(id).cloned() else { return false };
        let new = turn.state.send_if_modified(|state| {
            let key = action.message_key.as_deref();
            let doubled = key.is_some() && state.replies.iter().any(|reply| reply.message_key.as_deref() == key);
            if !doubled {
                state.replies.push(action.clone());
            }
            !doubled
        });
        if new {
            kept.bytes += size(action);
            kept.tidy();
        }
        true
    }

    /// Ends a turn; an end that comes later changes nothing.
    pub(super) fn end(&self, id: &str, error: Option<String>) {
        let Some(turn) = self.get(id) else { return };
        turn.state.send_if_modified(|state| {
            let running = state.status == Status::Running;
            if running {
                state.status = error.map_or(Status::Completed, Status::Failed);
                state.ended = Some(Instant::now());
            }
            running
        });
    }

    /// Ends when nobody waits for a turn.
    pub(super) async fn unwatched(&self) {
        self.watchers.none().await;
    }

    #[cfg(test)]
    pub(super) fn watched(&self) -> bool {
        *self.watchers.count.lock().unwrap_or_else(PoisonError::into_inner) > 0
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets the oldest turns until what is kept is within the limits.
    fn tidy(&mut self) {
        while let Some(oldest) = self.order.front() {
            let old = self.turns.get(oldest).is_none_or(|turn| turn.opened.elapsed() > KEPT_FOR);
            if !old && self.order.len() <= KEPT && self.bytes <= KEPT_BYTES {
                return;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.remove(&oldest);
            }
        }
    }

    fn remove(&mut self, id: &str) {
        if let Some(turn) = self.turns.remove(id) {
            self.bytes -= turn.state.borrow().replies.iter().map(size).sum::<usize>();
        }
    }
}

/// About how many bytes a reply holds.
fn size(action: &Outbound) -> usize {
    let data = if let Action::File(file) = &action.action { file.data.len() } else { 0 };
    action.text.len() + data
}

/// Counts those who wait.
#[derive(Debug, Default)]
struct Watchers {
    count: Mutex<usize>,
    none: Notify,
}

struct Watching(Arc<Watchers>);

impl Watchers {
    fn enter(self: &Arc<Self>) -> Watching {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Watching(self.clone())
    }

    async fn none(&self) {
        loop {
            let notified = self.none.notified();
            if *self.count.lock().unwrap_or_else(PoisonError::into_inner) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        if *count == 0 {
            self.0.none.notify_waiters();
        }
    }
}
