//! Messages that are given to an instance through an API: checked against the roster, then handed to the workers.

use std::time::Duration;

use super::access::{bytes, is_registered, unknown};
use super::users::readable;
use super::{PLATFORM, RedisPlatform, id};
use crate::envelope::{Attachment, IncomingMessage, Map};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::platform::{NONCE, UPDATE};
use crate::publish::Receipt;
use crate::store::Op;

/// Keys of `extra` that decide what becomes of a message or tell who wrote it, and are not the caller's to set.
pub const RESERVED_EXTRA: [&str; 7] =
    ["channel_key", "trace_id", "enqueued_at", "strangler_route", "display_name", "member_roles", UPDATE];

/// A message for an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Injection {
    /// The instance.
    pub instance_id: String,
    /// The text.
    pub text: String,
    /// Who writes it.
    pub user_id: String,
    /// Name of who writes it. An instance with a roster takes the name from there.
    pub user_name: String,
    /// Whether the bot is meant; only then an answer is sure. Yes.
    pub is_addressed: bool,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Name of the conversation, `""` for none.
    pub channel_name: String,
    /// Its id; one is made up when it is empty. The same id for the same instance is taken once within the dedupe window.
    pub message_id: String,
    /// Id of the message it answers, `""` for none.
    pub reply_to_id: String,
    /// Whatever else the workers are to know, under other keys than [`RESERVED_EXTRA`].
    pub extra: Map,
    /// Summary of the reactions.
    pub reactions: String,
    /// What the end of the turn is to name; without one (`""`) the end is not told.
    pub response_nonce: String,
}

impl Injection {
    /// An addressed text for an instance.
    pub fn new(instance_id: impl Into<String>, text: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self {
            instance_id: instance_id.into(),
            text: text.into(),
            user_id: user_id.into(),
            user_name: String::new(),
            is_addressed: true,
            attachments: Vec::new(),
            channel_name: String::new(),
            message_id: String::new(),
            reply_to_id: String::new(),
            extra: Map::new(),
            reactions: String::new(),
            response_nonce: String::new(),
        }
    }

    /// Sets the writer's name.
    pub fn with_user_name(mut self, name: impl Into<String>) -> Self {
        self.user_name = name.into();
        self
    }

    /// Sets the id.
    pub fn with_message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = id.into();
        self
    }

    /// Sets what the end of the turn is to name.
    pub fn with_response_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.response_nonce = nonce.into();
        self
    }
}

/// What became of an injected message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Injected {
    /// Its id.
    pub message_id: String,
    /// Trace id of its turn, under which everything that is said for it is found. Empty for a double: the first has it.
    pub trace_id: String,
    /// Where it is stored. `duplicate`: a message of this id was taken before.
    pub receipt: Receipt,
}

impl RedisPlatform {
    /// Gives a message to the workers.
    ///
    /// `NotFound` without such an instance; `Rejected` when the instance has a roster and the writer is not on it (or its
    /// record cannot be read); `Invalid` without a name where there is no roster, or naming what else is wrong; `Closed`
    /// once the platform has been drained; else as publishing fails. All of it but the publishing is decided in one step,
    /// so that a roster that is made meanwhile counts wholly or not at all.
    pub async fn inject_message(&self, injection: Injection) -> Result<Injected> {
        let intake = self.intake()?;
        let mut message = self.incoming(injection).await.map_err(|error| error.with_stored(Stored::No))?;
        let trace_id = id::new();
        message.extra.insert("trace_id", trace_id.as_str());
        let message_id = message.message_id.clone();
        let receipt = intake.message(message).await?;
        let trace_id = if receipt.duplicate { String::new() } else { trace_id };
        Ok(Injected { message_id, trace_id, receipt })
    }

    /// The message that an injection is, checked as [`RedisPlatform::inject_message`] does and given to nobody.
    pub async fn incoming(&self, injection: Injection) -> Result<IncomingMessage> {
        let Injection { instance_id, user_id, .. } = &injection;
        id::check("instance_id", instance_id)?;
        id::check("user_id", user_id)?;
        if !injection.message_id.is_empty() {
            id::check("message_id", &injection.message_id)?;
        }
        if let Some(key) = injection.extra.keys().find(|key| RESERVED_EXTRA.contains(key)) {
            let text =
                format!("extra may not hold {key:?}: it decides what becomes of the message, or tells who wrote it");
            return Err(Error::invalid(text).with_context("field", "extra").with_context("name", key));
        }
        let user_name = self.sender_name(instance_id, user_id, &injection.user_name).await?;
        let wall = Duration::from_millis(self.publisher.clock().wall_ms()).as_secs_f64();
        let mut message = IncomingMessage::new_at(PLATFORM, instance_id, user_id, user_name, &injection.text, wall);
        message.is_addressed = injection.is_addressed;
        message.attachments = injection.attachments;
        message.channel_name = injection.channel_name;
        message.message_id = injection.message_id;
        if message.message_id.is_empty() {
            message.message_id = uuid::Uuid::new_v4().to_string();
        }
        message.reply_to_id = injection.reply_to_id;
        message.reactions = injection.reactions;
        message.extra = injection.extra;
        if !injection.response_nonce.is_empty() {
            message.extra.insert(NONCE, injection.response_nonce.as_str());
        }
        Ok(message)
    }

    /// The roster rule.
    async fn sender_name(&self, instance_id: &str, user_id: &str, given: &str) -> Result<String> {
        let users = self.config.names.users(instance_id);
        let ops = vec![
            is_registered(instance_id),
            Op::HashLen { key: users.clone() },
            Op::HashGet { key: users, field: bytes(user_id) },
        ];
        let mut answers = self.apply_again(ops).await?;
        if !answers.flag()? {
            return Err(unknown(instance_id));
        }
        let (closed, record) = (answers.count()? > 0, answers.next()?.value()?);
        if closed {
            let user = record.and_then(|record| readable(instance_id, user_id, &record));
            return user.map(|user| user.display_name).ok_or_else(|| {
                let text = format!(
                    "instance {instance_id:?} has a roster and {user_id:?} is not on it; register the user first"
                );
                Error::new(ErrorKind::Rejected, text)
                    .with_context("instance_id", instance_id)
                    .with_context("user_id", user_id)
            });
        }
        if given.trim().is_empty() {
            let text = "user_name must be given: the instance has no roster that knows it";
            return Err(Error::invalid(text).with_context("field", "user_name"));
        }
        Ok(given.to_owned())
    }
}
