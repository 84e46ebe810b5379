//! The platform `webchat`: what is posted over HTTP becomes a message, what workers say is collected for the turn.
//!
//! A message posted here opens a *turn*: its id is the message's trace id, which everything that is said for it carries,
//! and the nonce that the end of the turn names (see [`stargazer_core::platform::NONCE`]). The turn is opened before the message
//! is published, and its lane brings the end behind everything else, so a turn that is complete holds all of its
//! replies, in order. It does not matter how many workers answer, but turns live in the memory of this process: with
//! several gateways of this platform on one bus, what another one reads is not seen by those who wait here, and a
//! restart forgets them.

mod turns;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stargazer_core::envelope::{Attachment, Button, File, IncomingMessage, Map, Outbound};
use stargazer_core::platform::{Adapter, Intake, NONCE, SendContext, TurnEnd};
use stargazer_core::{Error, ErrorKind, Result};
use tracing::debug;
use uuid::Uuid;

pub use turns::{Status, Turn, TurnState};

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
    running: AtomicBool,
    /// While messages are taken.
    intake: Mutex<Option<Intake>>,
    turns: Turns,
}

impl WebChat {
    /// The platform with these instances.
    pub fn new(instances: Vec<String>) -> Self {
        Self { instances, running: AtomicBool::new(false), intake: Mutex::default(), turns: Turns::default() }
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
        let intake = self.intake().clone().ok_or_else(|| Error::closed("gateway"))?;
        let (turn, message) = message(instance, post);
        let turn = self.turns.open(&turn, &message.message_id);
        match intake.message(message).await {
            Ok(_) => Ok(turn),
            Err(error) => {
                self.turns.forget(&turn.id);
                Err(error)
            }
        }
    }

    fn intake(&self) -> std::sync::MutexGuard<'_, Option<Intake>> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something to the turn that it belongs to. What is repeated has the key of the first time, by which the turn
    /// knows it.
    fn reply(&self, mut reply: Outbound, context: &SendContext) {
        reply.trace_id.clone_from(&context.trace_id);
        reply.message_key.clone_from(&context.message_key);
        if let Some(message_id) = &context.reply_to {
            reply = reply.with_reply_to(message_id);
        }
        if !self.turns.reply(&context.trace_id, &reply) {
            debug!(trace_id = context.trace_id, "nobody here asked for this");
        }
    }
}

/// The turn of a post and its message. The channel on the platform is `{instance}:{channel}`.
fn message(instance: &str, post: Post) -> (String, IncomingMessage) {
    let channel = format!("{instance}:{}", post.channel.as_deref().unwrap_or(&post.user));
    let name = post.user_name.unwrap_or_else(|| post.user.clone());
    // Written when it is taken in.
    let mut message = IncomingMessage::new_at(PLATFORM, channel, post.user, name, post.text, 0.0);
    let turn = Uuid::new_v4().simple().to_string();
    message.extra = Map::from([("instance_id", instance), (NONCE, turn.as_str()), ("trace_id", turn.as_str())]);
    message.extra.insert("is_dm", post.channel.is_none());
    message.message_id = Uuid::new_v4().to_string();
    message.reply_to_id = post.reply_to.unwrap_or_default();
    message.attachments = post.attachments;
    (turn, message)
}

#[async_trait]
impl Adapter for WebChat {
    fn name(&self) -> &str {
        PLATFORM
    }

    async fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    async fn start(&self, intake: Intake) -> Result<()> {
        *self.intake() = Some(intake);
        self.running.store(true, Ordering::Release);
        Ok(())
    }

    async fn drain(&self) {
        *self.intake() = None;
        self.turns.unwatched().await;
    }

    async fn stop(&self) -> Result<()> {
        *self.intake() = None;
        self.running.store(false, Ordering::Release);
        Ok(())
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        self.reply(Outbound::message(channel_id, text), context);
        Ok(String::new())
    }

    async fn send_file(&self, channel_id: &str, file: &File, context: &SendContext) -> Result<String> {
        let sent = Outbound::file(channel_id, &file.filename, &file.mimetype, file.data.clone());
        self.reply(sent.with_text(&context.caption), context);
        Ok(String::new())
    }

    async fn send_with_buttons(
        &self,
        channel_id: &str,
        text: &str,
        buttons: &[Button],
        context: &SendContext,
    ) -> Result<String> {
        self.reply(Outbound::buttons(channel_id, text, buttons.to_vec()), context);
        Ok(String::new())
    }

    async fn react(&self, channel_id: &str, message_id: &str, emoji: &str, context: &SendContext) -> Result<()> {
        self.reply(Outbound::reaction(channel_id, message_id, emoji), context);
        Ok(())
    }

    async fn turn_complete(&self, _channel_id: &str, end: &TurnEnd) -> Result<()> {
        self.turns.end(&end.nonce, end.error.clone());
        Ok(())
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        Ok(channel_id.split_once(':').is_some_and(|(instance, _)| self.has_instance(instance)))
    }

    /// Nobody is there to read what was not asked for.
    async fn should_skip_channel_heartbeat(&self, _channel_id: &str) -> Result<bool> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
