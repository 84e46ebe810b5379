//! Whether anybody serves: asked where an answer is slow to come, never before a request is sent.
//!
//! Servers of ours listen on the control channel of their stream for as long as they are connected, so a notification
//! tells how many there are. Where nobody listens, a server may be registered and lost its connection for a moment, which is
//! waited for; a consumer of the original's gives no such sign, and where there is one, nobody can say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Clock;
use crate::error::{ErrorKind, Result};
use crate::store::Store;
use crate::topology::{self, Name};
use crate::transport::{Group, Transport};

/// How long a call waits for its answer before it asks.
const FIRST: Duration = Duration::from_millis(100);

/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Somebody serves, or nobody can say.
    Perhaps,
    /// A server is registered and does not listen.
    Silent,
    /// Nobody is there.
    Nobody,
}

pub(super) struct Presence {
    store: Store,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    seen: Mutex<HashMap<Name, Arc<Look>>>,
}

/// The last look at a stream, one at a time.
type Look = tokio::sync::Mutex<Option<(Duration, Seen)>>;

impl Presence {
    pub(super) fn new(store: Store, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { store, transport, clock, seen: Mutex::default() }
    }

    /// Ends when nobody has served the group for `patience`; never where somebody does, or nobody can say. Whether who
    /// serves it `listens` is known of servers, not of gateways.
    pub(super) async fn nobody(&self, group: &Group, listens: bool, patience: Duration) {
        let mut since = self.clock.now();
        let give_up = since.saturating_add(patience);
        self.clock.sleep(FIRST.min(patience)).await;
        loop {
            match self.look(group, since).await {
                Seen::Perhaps => std::future::pending().await,
                Seen::Silent if !listens => std::future::pending().await,
                Seen::Nobody | Seen::Silent if self.clock.now() >= give_up => return,
                Seen::Nobody | Seen::Silent => {}
            }
            since = self.clock.now();
            self.clock.sleep(PAUSE.min(give_up.saturating_sub(since))).await;
        }
    }

    /// What is seen at some moment after `since`.
    async fn look(&self, group: &Group, since: Duration) -> Seen {
        let look = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(group.stream.clone()).or_default().clone()
        };
        // Those who come meanwhile take what this one sees.
        let mut last = look.lock().await;
        if let Some((at, seen)) = *last
            && at > since
        {
            return seen;
        }
        let now = self.clock.now();
        let seen = self.ask(group).await.unwrap_or_else(|error| {
            tracing::debug!(stream = &*group.stream, %error, "who serves cannot be seen");
            Seen::Perhaps
        });
        *last = Some((now, seen));
        seen
    }

    async fn ask(&self, group: &Group) -> Result<Seen> {
        let channel = topology::control_channel(&group.stream);
        if self.store.notify(&channel, Bytes::new()).await? > 0 {
            return Ok(Seen::Perhaps);
        }
        let strangers = match self.transport.survey(group).await {
            Ok(strangers) => strangers,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        if !strangers.is_empty() {
            return Ok(Seen::Perhaps);
        }
        let signs = self.transport.signs(group).await?;
        Ok(if signs.iter().any(|sign| !sign.fence.has_left()) { Seen::Silent } else { Seen::Nobody })
    }
}
