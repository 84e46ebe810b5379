//! Those who listen on channels.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Engine, Server};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Ear, Heard, Subscription};

/// All who listen on one server.
#[derive(Debug, Default)]
pub(super) struct Ears(Mutex<Listeners>);

#[derive(Debug, Default)]
struct Listeners {
    next: u64,
    all: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    number: u64,
    /// The connection it came over.
    connection: u64,
    channels: HashSet<Name>,
    ear: Ear,
}

/// Ends a subscription when it is dropped.
struct End {
    server: Arc<Server>,
    number: u64,
}

impl Drop for End {
    fn drop(&mut self) {
        self.server.ears.listeners().all.retain(|listener| listener.number != self.number);
    }
}

impl Ears {
    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever listens on a channel; how many there are. A connection counts once, as on a server.
    pub(super) fn tell(&self, channel: &Name, payload: &Bytes) -> usize {
        let listeners = self.listeners();
        let mut connections = HashSet::new();
        for listener in listeners.all.iter().filter(|listener| listener.channels.contains(channel)) {
            connections.insert(listener.connection);
            listener.ear.tell(Heard::Notification { channel: channel.clone(), payload: payload.clone() });
        }
        connections.len()
    }

    /// Ends what came over a connection.
    pub(super) fn close(&self, connection: u64) {
        self.listeners().all.retain(|listener| listener.connection != connection);
    }
}

/// Listens on channels.
pub(super) fn subscribe(engine: &Engine, channels: &[Name]) -> Result<Subscription> {
    // A connection that closes meanwhile waits for this lock, and then ends the subscription.
    let _open = engine.state()?;
    let mut listeners = engine.server.ears.listeners();
    let number = listeners.next;
    listeners.next += 1;
    let (subscription, ear) = Subscription::new(End { server: engine.server.clone(), number });
    let channels = channels.iter().cloned().collect();
    listeners.all.push(Listener { number, connection: engine.number, channels, ear });
    Ok(subscription)
}
