//! The message as adapters and message handlers know it, and its way into an envelope and back.

use super::inbound::channel_key;
use super::{Attachment, Inbound, Map, Value};
use crate::error::Result;

/// A message inside a process: the original's `IncomingMessage` (members and defaults documented).
///
/// What an envelope holds beyond these members travels in `extra` under the envelope's names (inferred): see
/// [`IncomingMessage::to_inbound_envelope`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IncomingMessage {
    /// `discord`, `matrix`, `redis`, `web`, …
    pub platform: String,
    /// Channel on the platform.
    pub channel_id: String,
    /// Who wrote it.
    pub user_id: String,
    /// Name of who wrote it.
    pub user_name: String,
    /// The text.
    pub text: String,
    /// Whether the bot is meant.
    pub is_addressed: bool,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Name of the channel, `""` for none.
    pub channel_name: String,
    /// When it was written, epoch seconds UTC.
    pub timestamp: f64,
    /// Its id on the platform.
    pub message_id: String,
    /// Id of the message it answers, `""` for none.
    pub reply_to_id: String,
    /// What the adapter added, `_response_nonce` among it.
    pub extra: Map,
    /// Summary of the reactions.
    pub reactions: String,
    /// Id of the writer across platforms.
    pub unified_user_id: Option<String>,
    /// Every name of the writer.
    pub user_aliases: Vec<String>,
}

impl IncomingMessage {
    /// An addressed message written at the given epoch seconds.
    pub fn new_at(
        platform: impl Into<String>,
        channel_id: impl Into<String>,
        user_id: impl Into<String>,
        user_name: impl Into<String>,
        text: impl Into<String>,
        seconds: f64,
    ) -> Self {
        Self {
            platform: platform.into(),
            channel_id: channel_id.into(),
            user_id: user_id.into(),
            user_name: user_name.into(),
            text: text.into(),
            is_addressed: true,
            attachments: Vec::new(),
            channel_name: String::new(),
            timestamp: seconds,
            message_id: String::new(),
            reply_to_id: String::new(),
            extra: Map::new(),
            reactions: String::new(),
            unified_user_id: None,
            user_aliases: Vec::new(),
        }
    }

    /// The envelope of this message.
    ///
    /// `extra` goes along whole, but for keys that name a field of the envelope and hold what it may hold
    /// (`display_name`, `embeds`, `is_dm`, `guild_id`, `member_roles`, `trace_id`, `enqueued_at`, `strangler_route`,
    /// `channel_key`): those become the field. [`IncomingMessage::from_inbound_envelope`] takes them back.
    pub fn to_inbound_envelope(&self) -> Result<Inbound> {
        let mut envelope = Inbound {
            channel_key: channel_key(&self.platform, &self.channel_id),
            platform: self.platform.clone(),
            channel_id: self.channel_id.clone(),
            user_id: self.user_id.clone(),
            username: self.user_name.clone(),
            content: self.text.clone(),
            message_id: self.message_id.clone(),
            timestamp: self.timestamp,
            attachments: self.attachments.iter().map(Attachment::to_map).collect::<Result<_>>()?,
            reply_to: filled(&self.reply_to_id),
            room_name: filled(&self.channel_name),
            is_addressed: self.is_addressed,
            user_aliases: self.user_aliases.clone(),
            unified_user_id: self.unified_user_id.clone(),
            reactions: self.reactions.clone(),
            ..Inbound::default()
        };
        for (key, value) in &self.extra {
            if !lift(&mut envelope, key, value) {
                envelope.extra.push(key.clone(), value.clone());
            }
        }
        Ok(envelope)
    }

    /// The message of an envelope. `Malformed` when an attachment is not one. Keys that the envelope did not know
    /// stay with the envelope.
    pub fn from_inbound_envelope(envelope: &Inbound) -> Result<Self> {
        let mut extra = envelope.extra.clone();
        lower(envelope, &mut extra);
        Ok(Self {
            platform: envelope.platform.clone(),
            channel_id: envelope.channel_id.clone(),
            user_id: envelope.user_id.clone(),
            user_name: envelope.username.clone(),
            text: envelope.content.clone(),
            is_addressed: envelope.is_addressed,
            attachments: envelope.attachments.iter().map(Attachment::from_map).collect::<Result<_>>()?,
            channel_name: envelope.room_name.clone().unwrap_or_default(),
            timestamp: envelope.timestamp,
            message_id: envelope.message_id.clone(),
            reply_to_id: envelope.reply_to.clone().unwrap_or_default(),
            extra,
            reactions: envelope.reactions.clone(),
            unified_user_id: envelope.unified_user_id.clone(),
            user_aliases: envelope.user_aliases.clone(),
        })
    }
}

/// Puts a value of `extra` into the field that it names. Not done (`false`) where the type is wrong or the value is
/// what the field says anyway: then the way back would lose it.
fn lift(envelope: &mut Inbound, key: &str, value: &Value) -> bool {
    match (key, value) {
        ("display_name", Value::Text(text)) => envelope.display_name = Some(text.clone()),
        ("guild_id", Value::Text(text)) => envelope.guild_id = Some(text.clone()),
        ("channel_key", Value::Text(text)) if *text != envelope.channel_key => envelope.channel_key.clone_from(text),
        ("trace_id", Value::Text(text)) if !text.is_empty() => envelope.trace_id.clone_from(text),
        ("strangler_route", Value::Text(text)) if *text != envelope.strangler_route => {
            envelope.strangler_route.clone_from(text);
        }
        ("is_dm", Value::Bool(true)) => envelope.is_dm = true,
        ("enqueued_at", Value::Float(seconds)) if *seconds != 0.0 => envelope.enqueued_at = *seconds,
        ("embeds", Value::List(items)) => match items.iter().map(|item| item.as_map().cloned()).collect() {
            Some(maps) => envelope.embeds = Some(maps),
            None => return false,
        },
        ("member_roles", Value::List(items)) if !items.is_empty() => {
            match items.iter().map(|item| item.as_str().map(str::to_owned)).collect() {
                Some(roles) => envelope.member_roles = roles,
                None => return false,
            }
        }
        _ => return false,
    }
    true
}

/// Puts the fields that a message has no member for into `extra`, where they say something.
fn lower(envelope: &Inbound, extra: &mut Map) {
    let plain = Inbound::default();
    let mut put = |key: &str, says_something: bool, value: Value| {
        if says_something {
            extra.insert(key, value);
        }
    };
    put("display_name", envelope.display_name.is_some(), envelope.display_name.clone().into());
    put("guild_id", envelope.guild_id.is_some(), envelope.guild_id.clone().into());
    let derived = channel_key(&envelope.platform, &envelope.channel_id);
    put("channel_key", envelope.channel_key != derived, envelope.channel_key.as_str().into());
    put("trace_id", !envelope.trace_id.is_empty(), envelope.trace_id.as_str().into());
    let route = &envelope.strangler_route;
    put("strangler_route", *route != plain.strangler_route, route.as_str().into());
    put("is_dm", envelope.is_dm, true.into());
    put("enqueued_at", envelope.enqueued_at != 0.0, envelope.enqueued_at.into());
    put("embeds", envelope.embeds.is_some(), envelope.embeds.clone().into());
    put("member_roles", !envelope.member_roles.is_empty(), envelope.member_roles.clone().into());
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
