//! The platform `webchat`: what is posted over HTTP becomes a message, what workers say is collected for the turn.
//!
//! A message posted here opens a *turn*: its id is the message's trace id, which everything that is said for it carries,
//! and the nonce that the end of the turn names (see [`crate::processor::Proxy`]). The turn is opened before the message
//! is published, and its lane brings the end behind everything else, so a turn that is complete holds all of its
//! replies, in order. It does not matter how many workers answer, but turns live in the memory of this process: with
//! several gateways of this platform on one bus, what another one reads is not seen by those who wait here, and a
//! restart forgets them.

mod turns;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stargazer_core::envelope::{Action, Attachment, Inbound, Map, Outbound};
use stargazer_core::{Error, ErrorKind, Result};
use tracing::debug;
use uuid::Uuid;

pub use turns::{Status, Turn, TurnState};

use crate::processor::{NONCE, TURN_COMPLETE};
use crate::roles::gateway::{Adapter, Inbox};
use turns::Turns;

/// Name of the platform.
pub const PLATFORM: &str = "webchat";

/// A message as it was posted.
#[derive(Debug, Clone, Default)]
pub struct Post {
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub user: String,
    /// The name of who wrote it.
    pub user_name: Option<String>,
    /// Channel of the instance; without one it is the user's own.
    pub channel: Option<String>,
    /// Id of the message it answers.
    pub reply_to: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// The adapter.
#[derive(Debug)]
pub struct WebChat {
    instances: Vec<String>,
    drain_timeout: Duration,
    inbox: Mutex<Option<Inbox>>,
    turns: Turns,
}

impl WebChat {
    /// The platform with these instances. Draining waits for open turns as long as `drain_timeout`.
    pub fn new(instances: Vec<String>, drain_timeout: Duration) -> Self {
        Self { instances, drain_timeout, inbox: Mutex::default(), turns: Turns::default() }
    }

    /// Whether there is such an instance.
    pub fn has_instance(&self, id: &str) -> bool {
        self.instances.iter().any(|known| known == id)
    }

    /// The instances.
    pub fn instances(&self) -> &[String] {
        &self.instances
    }

    /// A turn by its id, while it is remembered.
    pub fn turn(&self, id: &str) -> Option<Arc<Turn>> {
        self.turns.get(id)
    }

    /// Publishes a message and opens its turn. `NotFound` without such an instance, `Closed` when nothing is taken.
    pub async fn post(&self, instance: &str, post: Post) -> Result<Arc<Turn>> {
        if !self.has_instance(instance) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no instance {instance:?}")));
        }
        let inbox = self.inbox().clone().ok_or_else(|| Error::closed("gateway"))?;
        let message = message(instance, post)?;
        let turn = self.turns.open(&message.trace_id, &message.message_id);
        match inbox.put(&message).await {
            Ok(_) => Ok(turn),
            Err(error) => {
                self.turns.forget(&message.trace_id);
                Err(error)
            }
        }
    }

    fn inbox(&self) -> std::sync::MutexGuard<'_, Option<Inbox>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The envelope of a post. The channel on the platform is `{instance}:{channel}`.
fn message(instance: &str, post: Post) -> Result<Inbound> {
    let channel = format!("{instance}:{}", post.channel.as_deref().unwrap_or(&post.user));
    let name = post.user_name.unwrap_or_else(|| post.user.clone());
    let mut message = Inbound::new(PLATFORM, channel, post.user, post.text).with_username(name);
    let turn = Uuid::new_v4().simple().to_string();
    message.extra = Map::from([("instance_id", instance), (NONCE, turn.as_str())]);
    message.trace_id = turn;
    message.is_dm = post.channel.is_none();
    message.reply_to = post.reply_to;
    message.attachments = post.attachments.iter().map(Attachment::to_map).collect::<Result<_>>()?;
    Ok(message)
}

#[async_trait]
impl Adapter for WebChat {
    fn platform(&self) -> &str {
        PLATFORM
    }

    async fn start(&self, inbox: Inbox) -> Result<()> {
        *self.inbox() = Some(inbox);
        Ok(())
    }

    async fn drain(&self) {
        *self.inbox() = None;
        if tokio::time::timeout(self.drain_timeout, self.turns.unwatched()).await.is_err() {
            debug!("some turns did not end in time; who waits for them is told so");
        }
    }

    async fn stop(&self) -> Result<()> {
        *self.inbox() = None;
        Ok(())
    }

    async fn perform(&self, action: &Outbound) -> Result<()> {
        match &action.action {
            Action::Message(_) | Action::File(_) | Action::Buttons(_) | Action::Reaction(_) => {
                if !self.turns.reply(&action.trace_id, action) {
                    debug!(trace_id = action.trace_id, "nobody here asked for this");
                }
                Ok(())
            }
            // Nobody is shown these while answers are collected.
            Action::Typing(_) | Action::Presence(_) => Ok(()),
            Action::Rpc(rpc) if rpc.method == TURN_COMPLETE => {
                let error = (rpc.params.text("status") == Some("failed"))
                    .then(|| rpc.params.text("error").unwrap_or("no reason was given").to_owned());
                self.turns.end(rpc.params.text("nonce").unwrap_or_default(), error);
                Ok(())
            }
            Action::Rpc(rpc) => {
                let what = format!("webchat has no call {:?}", rpc.method);
                Err(Error::new(ErrorKind::Rejected, what))
            }
            other => Err(Error::new(ErrorKind::Rejected, format!("webchat cannot do {:?}", other.type_name()))),
        }
    }
}

#[cfg(test)]
mod tests;
