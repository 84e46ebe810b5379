//! From a platform to the workers: one message that somebody wrote.

use bytes::Bytes;

use super::codec::{Reader, Writer};
use super::member::{Field, field, read_map, write_map};
use super::schema::Side;
use super::serde_value::through_value;
use super::{Envelope, Head, Kind, Limits, MAX_LANE_BYTES, Map, now_seconds};
use crate::error::Result;

/// A message from a platform.
///
/// The 23 fields of the original's `InboundEnvelopeModel` in its order; names and types are documented, which are
/// required and what the defaults are is inferred. All of them are always written. `extra` stands behind them when
/// it holds something (inferred: the original's model does not show it, its Redis platform needs it).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inbound {
    /// `{platform}:{channel_id}` (inferred), the lane. A reader fills it in when it is missing.
    pub channel_key: String,
    /// `discord`, `matrix`, `redis`, `web`, …
    pub platform: String,
    /// Channel on the platform; on the Redis platform the instance's id.
    pub channel_id: String,
    /// Who wrote it.
    pub user_id: String,
    /// Name of who wrote it.
    pub username: String,
    /// Name as shown on the platform.
    pub display_name: Option<String>,
    /// The text; empty where only a file was sent.
    pub content: String,
    /// Id of the message on the platform.
    pub message_id: String,
    /// When it was written, epoch seconds UTC (inferred).
    pub timestamp: f64,
    /// Files, as maps (see [`super::Attachment`]).
    pub attachments: Vec<Map>,
    /// Id of the message it answers.
    pub reply_to: Option<String>,
    /// Embedded cards of the platform.
    pub embeds: Option<Vec<Map>>,
    /// Name of the channel.
    pub room_name: Option<String>,
    /// Whether only the writer and the bot are in the channel.
    pub is_dm: bool,
    /// Server (guild) the channel belongs to.
    pub guild_id: Option<String>,
    /// Roles of the writer.
    pub member_roles: Vec<String>,
    /// Trace id, `""` for none; also in the entry's own field.
    pub trace_id: String,
    /// When it was published, epoch seconds; 0 for unknown.
    pub enqueued_at: f64,
    /// Whether the bot is meant: such messages of a channel run one after the other. Missing counts as yes.
    pub is_addressed: bool,
    /// Retired routing; `microservice`.
    pub strangler_route: String,
    /// Every name of the writer, such as `discord:12345`.
    pub user_aliases: Vec<String>,
    /// Id of the writer across platforms.
    pub unified_user_id: Option<String>,
    /// Summary of the reactions, such as `👍×3, 🔥×1`.
    pub reactions: String,
    /// What the adapter added (inferred).
    pub extra: Map,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl Inbound {
    pub(crate) const FIELDS: &'static [Field<Self>] = &[
        field!(Written "channel_key" => channel_key: String),
        field!(Required "platform" => platform: String),
        field!(Required "channel_id" => channel_id: String),
        field!(Required "user_id" => user_id: String),
        field!(Required "username" => username: String),
        field!(Optional "display_name" => display_name: Option<String>),
        field!(Required "content" => content: String),
        field!(Required "message_id" => message_id: String),
        field!(Required "timestamp" => timestamp: f64),
        field!(Optional "attachments" => attachments: Vec<Map>),
        field!(Optional "reply_to" => reply_to: Option<String>),
        field!(Optional "embeds" => embeds: Option<Vec<Map>>),
        field!(Optional "room_name" => room_name: Option<String>),
        field!(Optional "is_dm" => is_dm: bool),
        field!(Optional "guild_id" => guild_id: Option<String>),
        field!(Optional "member_roles" => member_roles: Vec<String>),
        field!(Optional "trace_id" => trace_id: String),
        field!(Optional "enqueued_at" => enqueued_at: f64),
        field!(Optional "is_addressed" => is_addressed: bool),
        field!(Optional "strangler_route" => strangler_route: String),
        field!(Optional "user_aliases" => user_aliases: Vec<String>),
        field!(Optional "unified_user_id" => unified_user_id: Option<String>),
        field!(Optional "reactions" => reactions: String),
        field!(Optional "extra" => extra: Map).unless(|e| e.extra.is_empty()),
    ];

    /// A message written now: see [`Inbound::new_at`].
    pub fn new(
        platform: impl Into<String>,
        channel: impl Into<String>,
        user: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self::new_at(platform, channel, user, text, now_seconds())
    }

    /// A message written at the given epoch seconds, addressed to the bot. Makes up a message id and a trace id,
    /// derives the channel key, and takes the user's id as the name until [`Inbound::with_username`].
    pub fn new_at(
        platform: impl Into<String>,
        channel: impl Into<String>,
        user: impl Into<String>,
        text: impl Into<String>,
        seconds: f64,
    ) -> Self {
        let (platform, channel_id, user_id) = (platform.into(), channel.into(), user.into());
        Self {
            channel_key: channel_key(&platform, &channel_id),
            username: user_id.clone(),
            content: text.into(),
            message_id: uuid::Uuid::new_v4().to_string(),
            timestamp: seconds,
            trace_id: uuid::Uuid::new_v4().simple().to_string(),
            enqueued_at: seconds,
            platform,
            channel_id,
            user_id,
            ..Self::default()
        }
    }

    /// Sets the writer's name.
    pub fn with_username(mut self, name: impl Into<String>) -> Self {
        self.username = name.into();
        self
    }

    /// Sets the message id.
    pub fn with_message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = id.into();
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    /// Says whether the bot is meant.
    pub fn with_addressed(mut self, is_addressed: bool) -> Self {
        self.is_addressed = is_addressed;
        self
    }

    /// Makes it an answer to another message.
    pub fn with_reply_to(mut self, message_id: impl Into<String>) -> Self {
        self.reply_to = Some(message_id.into());
        self
    }

    /// Sets the channel's name.
    pub fn with_room_name(mut self, name: impl Into<String>) -> Self {
        self.room_name = Some(name.into());
        self
    }

    /// Sets the summary of reactions.
    pub fn with_reactions(mut self, reactions: impl Into<String>) -> Self {
        self.reactions = reactions.into();
        self
    }

    /// Replaces what the adapter added.
    pub fn with_extra(mut self, extra: Map) -> Self {
        self.extra = extra;
        self
    }
}

/// The key of a channel across platforms: `{platform}:{channel_id}` (inferred).
pub(crate) fn channel_key(platform: &str, channel_id: &str) -> String {
    format!("{platform}:{channel_id}")
}

impl Default for Inbound {
    /// Empty fields with the defaults that a reader fills in: addressed, route `microservice`.
    fn default() -> Self {
        Self {
            channel_key: String::new(),
            platform: String::new(),
            channel_id: String::new(),
            user_id: String::new(),
            username: String::new(),
            display_name: None,
            content: String::new(),
            message_id: String::new(),
            timestamp: 0.0,
            attachments: Vec::new(),
            reply_to: None,
            embeds: None,
            room_name: None,
            is_dm: false,
            guild_id: None,
            member_roles: Vec::new(),
            trace_id: String::new(),
            enqueued_at: 0.0,
            is_addressed: true,
            strangler_route: "microservice".to_owned(),
            user_aliases: Vec::new(),
            unified_user_id: None,
            reactions: String::new(),
            extra: Map::new(),
            rest: Map::new(),
        }
    }
}

impl Envelope for Inbound {
    const KIND: Kind = Kind::Inbound;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Kind::Inbound.head(bytes, limits, Side::Read)?;
        Self::decode_checked(bytes, limits)
    }

    fn decode_checked(bytes: &[u8], _limits: &Limits) -> Result<Self> {
        let mut envelope = Self::default();
        envelope.rest = read_map(&mut Reader::new(bytes), &mut envelope, Self::FIELDS)?;
        if envelope.channel_key.is_empty() {
            envelope.channel_key = channel_key(&envelope.platform, &envelope.channel_id);
        }
        Ok(envelope)
    }

    fn write(&self, limits: &Limits) -> Result<Bytes> {
        let mut writer = Writer::new(limits);
        write_map(&mut writer, self, Self::FIELDS, &self.rest);
        writer.finish()
    }

    fn known_head(&self, limits: &Limits) -> Option<Head<'_>> {
        // Fields of its own type are as a reader wants them. What else it holds could name a key twice, nest too deep,
        // or be too much.
        let plain = self.rest.is_empty()
            && self.extra.is_empty()
            && self.attachments.is_empty()
            && self.embeds.is_none()
            && limits.max_depth() >= 2
            && 1 + Self::FIELDS.len() + self.member_roles.len() + self.user_aliases.len() <= limits.max_values()
            && self.channel_key.len() <= MAX_LANE_BYTES
            && self.channel_id.len() <= MAX_LANE_BYTES;
        plain.then(|| Head {
            channel_key: Some(&self.channel_key),
            channel_id: Some(&self.channel_id),
            platform: Some(&self.platform),
            message_id: Some(&self.message_id),
            trace_id: Some(&self.trace_id),
            reply_to: self.reply_to.as_deref(),
            is_addressed: Some(self.is_addressed),
            ..Head::default()
        })
    }

    fn lane(&self) -> Option<&str> {
        Some(self.channel_key.as_str()).filter(|lane| !lane.is_empty())
    }

    fn trace_id(&self) -> &str {
        &self.trace_id
    }

    fn unaddressed(&self) -> bool {
        !self.is_addressed
    }
}

through_value!(Inbound);
