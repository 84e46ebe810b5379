//! Fetching ahead: the fetch that a consumer makes when something has come is known before, so it is sent behind the blocking
//! read that waits for it, and answered together with it. That saves a round trip between an entry and its handler.
//!
//! Only where entries are in no order: one that comes to a process which stands still waits there until its lease is over, and
//! behind it a lane would wait, too.
//!
//! It is a guess, and nothing rests on it. A fetch is repeatable: what it handed out and nobody took is handed out again
//! by the next one, whose cursor lies before it. So an answer is given only to the very fetch that was guessed, right after it came;
//! any other one asks the server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::Value;

use super::fetch::handed_out;
use crate::topology::Name;
use crate::transport::{Fetch, Fetched, Group, Hint, Ordering, Refusal, Session};

/// How long an answer may lie: no longer than one is on its way.
const LIES: Duration = Duration::from_millis(100);

/// Whose fetch, and what it asks for.
pub(super) type Asked = (Session, Fetch);

/// The fetches of all sessions that wait.
#[derive(Debug, Default)]
pub(super) struct Aheads(Mutex<HashMap<(Name, Name), Ahead>>);

#[derive(Debug, Default)]
struct Ahead {
    /// What is going to be asked when something has come.
    next: Option<Asked>,
    /// What was answered already, and when.
    came: Option<(Asked, Fetched, Duration)>,
}

impl Aheads {
    /// A fetch was answered: if it says to watch, the next one will ask for what comes behind it.
    pub(super) fn note(&self, group: &Group, session: &Session, request: &Fetch, answer: &Result<Fetched, Refusal>) {
        let next = answer.as_ref().ok().and_then(|fetched| {
            let watches =
                request.new && group.ordering == Ordering::None && matches!(fetched.hint, Some(Hint::Watch(_)));
            let room = request.count.saturating_sub(fetched.entries.len());
            let last = fetched.entries.last().map_or(request.cursor, |entry| entry.id.max(request.cursor));
            (watches && room > 0).then(|| (session.clone(), Fetch { cursor: last, count: room, ..*request }))
        });
        let mut all = self.all();
        match (all.get_mut(&key(group, &session.identity)), next) {
            (Some(ahead), next) => *ahead = Ahead { next, came: None },
            (None, Some(next)) => {
                all.insert(key(group, &session.identity), Ahead { next: Some(next), came: None });
            }
            (None, None) => {}
        }
    }

    /// What to ask behind the read that begins now.
    pub(super) fn next(&self, group: &Group, identity: &Name) -> Option<Asked> {
        let mut all = self.all();
        let ahead = all.get_mut(&key(group, identity))?;
        ahead.came = None;
        ahead.next.take()
    }

    /// What was asked so was answered.
    pub(super) fn came(&self, group: &Group, asked: Asked, reply: Value, now: Duration) {
        // Whatever else it says, the fetch that is to come will be told.
        let Ok(Ok(fetched)) = handed_out(group, reply) else { return };
        if matches!(fetched.hint, Some(Hint::Gather | Hint::Back(_))) {
            return;
        }
        if let Some(ahead) = self.all().get_mut(&key(group, &asked.0.identity)) {
            ahead.came = Some((asked, fetched, now));
        }
    }

    /// The answer to a fetch, where it is there.
    pub(super) fn take(&self, group: &Group, session: &Session, request: &Fetch, now: Duration) -> Option<Fetched> {
        let ((of, asked), fetched, at) = self.all().get_mut(&key(group, &session.identity))?.came.take()?;
        // There may be more room by now.
        let suits = of == *session
            && request.new
            && (asked.cursor, asked.wary) == (request.cursor, request.wary)
            && asked.count <= request.count
            && asked.max_bytes <= request.max_bytes;
        (suits && now <= at.saturating_add(LIES)).then_some(fetched)
    }

    /// Forgets a session that has gone.
    pub(super) fn forget(&self, group: &Group, identity: &Name) {
        self.all().remove(&key(group, identity));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(Name, Name), Ahead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An identity is unique in its group.
fn key(group: &Group, identity: &Name) -> (Name, Name) {
    (group.keys.bell.clone(), identity.clone())
}
