//! What happened to a message that was received before: edited, deleted, reactions changed.
//!
//! How these travel in the original is not documented. Here each is an inbound envelope that is not addressed to the bot,
//! of the channel and with the id of the message it is about; `extra` says what it is, under the key [`UPDATE`]. A worker
//! that does not know the key sees an unaddressed message. Unaddressed entries keep no order beside those of their channel
//! unless the consumer is set so (`order_unaddressed`).

use std::str::FromStr;

use crate::envelope::{Inbound, IncomingMessage, Map};
use crate::error::{Error, Result};

/// Key of an inbound message's `extra` that tells an update from a message.
pub const UPDATE: &str = "_update";

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateKind {
    /// It has another text now.
    Edited,
    /// It is gone.
    Deleted,
    /// Its reactions are others now.
    Reactions,
}

impl UpdateKind {
    const ALL: [Self; 3] = [Self::Edited, Self::Deleted, Self::Reactions];

    /// `edited`, `deleted` or `reactions`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Reactions => "reactions",
        }
    }
}

/// From its word. `Invalid` for another one.
impl FromStr for UpdateKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("the kind of an update must be one of {known}, found {text:?}"))
                .with_context("field", "kind")
        })
    }
}

/// A change of a message that was received before.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MessageUpdate {
    /// What happened.
    pub kind: UpdateKind,
    /// Channel on the platform.
    pub channel_id: String,
    /// Id of the message on the platform.
    pub message_id: String,
    /// Who did it, `""` for unknown.
    pub user_id: String,
    /// Name of who did it, `""` for unknown.
    pub user_name: String,
    /// The text that it has now, `""` unless edited.
    pub text: String,
    /// Summary of the reactions that it has now, such as `👍×3, 🔥×1`.
    pub reactions: String,
    /// When it happened, epoch seconds UTC; 0 for now.
    pub timestamp: f64,
    /// What the adapter added.
    pub extra: Map,
}

impl MessageUpdate {
    /// The message has another text.
    pub fn edited(channel: impl Into<String>, message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::of(UpdateKind::Edited, channel.into(), message_id.into()) }
    }

    /// The message is gone.
    pub fn deleted(channel: impl Into<String>, message_id: impl Into<String>) -> Self {
        Self::of(UpdateKind::Deleted, channel.into(), message_id.into())
    }

    /// The message has these reactions.
    pub fn reactions(channel: impl Into<String>, message_id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self { reactions: summary.into(), ..Self::of(UpdateKind::Reactions, channel.into(), message_id.into()) }
    }

    /// Sets who did it.
    pub fn by(mut self, user_id: impl Into<String>, user_name: impl Into<String>) -> Self {
        (self.user_id, self.user_name) = (user_id.into(), user_name.into());
        self
    }

    /// Sets when it happened, epoch seconds UTC.
    pub fn at(mut self, seconds: f64) -> Self {
        self.timestamp = seconds;
        self
    }

    fn of(kind: UpdateKind, channel_id: String, message_id: String) -> Self {
        Self {
            kind,
            channel_id,
            message_id,
            user_id: String::new(),
            user_name: String::new(),
            text: String::new(),
            reactions: String::new(),
            timestamp: 0.0,
            extra: Map::new(),
        }
    }

    /// The update as a message of the platform. `Invalid` without the id of the message it is about.
    pub fn to_message(&self, platform: &str) -> Result<IncomingMessage> {
        if self.message_id.is_empty() {
            let text = "an update must name the message it is about";
            return Err(Error::invalid(text).with_context("field", "message_id"));
        }
        let (user, name) = (self.user_id.as_str(), self.user_name.as_str());
        let mut message = IncomingMessage::new_at(platform, &self.channel_id, user, name, &self.text, self.timestamp);
        message.is_addressed = false;
        message.message_id.clone_from(&self.message_id);
        message.reactions.clone_from(&self.reactions);
        message.extra = self.extra.clone();
        message.extra.insert(UPDATE, self.kind.as_str());
        Ok(message)
    }

    /// The update that an envelope is; `None` when it is a message. `Malformed` when it is an update that we do not know.
    pub fn of_inbound(envelope: &Inbound) -> Option<Result<Self>> {
        let said = envelope.extra.get(UPDATE)?;
        let kind = UpdateKind::ALL.into_iter().find(|kind| said.as_str() == Some(kind.as_str()));
        let Some(kind) = kind else {
            let known = UpdateKind::ALL.map(UpdateKind::as_str).join(", ");
            let text = format!("`{UPDATE}` of inbound must be one of {known}");
            return Some(Err(Error::malformed(text).with_context("field", UPDATE)));
        };
        let mut extra = envelope.extra.clone();
        extra.remove(UPDATE);
        Some(Ok(Self {
            user_id: envelope.user_id.clone(),
            user_name: envelope.username.clone(),
            text: envelope.content.clone(),
            reactions: envelope.reactions.clone(),
            timestamp: envelope.timestamp,
            extra,
            ..Self::of(kind, envelope.channel_id.clone(), envelope.message_id.clone())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_travels_as_an_unaddressed_message_and_comes_back() {
        let updates = [
            MessageUpdate::edited("c", "m", "better").by("u", "Ann").at(7.5),
            MessageUpdate::deleted("c", "m").at(8.0),
            MessageUpdate::reactions("c", "m", "👍×3").at(9.0),
        ];
        for update in updates {
            let envelope = update.to_message("web").unwrap().to_inbound_envelope().unwrap();
            assert!(!envelope.is_addressed);
            assert_eq!(MessageUpdate::of_inbound(&envelope).unwrap().unwrap(), update);
        }
        assert!(MessageUpdate::of_inbound(&Inbound::new("web", "c", "u", "hi")).is_none());
    }

    #[test]
    fn what_is_no_update_is_refused() {
        assert_eq!(MessageUpdate::deleted("c", "").to_message("web").unwrap_err().code(), "invalid");
        let odd = Inbound::new("web", "c", "u", "").with_extra(Map::from([(UPDATE, "moved")]));
        assert_eq!(MessageUpdate::of_inbound(&odd).unwrap().unwrap_err().code(), "malformed");
    }
}
