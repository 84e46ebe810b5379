//! Locks with a token and a time to live.

use std::collections::HashMap;
use std::time::Duration;

use crate::topology::Name;

/// Locks by key: who holds each, and until when.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(HashMap<Name, (String, Duration)>);

impl Locks {
    fn held(&self, key: &Name, token: &str, now: Duration) -> Option<bool> {
        self.0.get(key).filter(|(_, end)| now < *end).map(|(holder, _)| holder == token)
    }

    /// Forgets a lock, whoever holds it.
    pub(super) fn forget(&mut self, key: &Name) -> bool {
        self.0.remove(key).is_some()
    }

    /// Takes a lock that nobody else holds.
    pub(super) fn take(&mut self, key: &Name, token: &str, ttl: Duration, now: Duration) -> bool {
        let free = self.held(key, token, now).unwrap_or(true);
        if free {
            self.0.insert(key.clone(), (token.to_owned(), now.saturating_add(ttl)));
        }
        free
    }

    /// Prolongs a lock that is held.
    pub(super) fn renew(&mut self, key: &Name, token: &str, ttl: Duration, now: Duration) -> bool {
        self.held(key, token, now) == Some(true) && self.take(key, token, ttl, now)
    }

    /// Gives a lock up that is held.
    pub(super) fn release(&mut self, key: &Name, token: &str, now: Duration) -> bool {
        let held = self.held(key, token, now);
        if held != Some(false) {
            // Also one that has lapsed: nobody asks for it any more.
            self.0.remove(key);
        }
        held == Some(true)
    }
}
