//! From a worker to a platform: something to be done in a channel.

mod action;

use bytes::Bytes;

pub use self::action::{Action, Button, Buttons, File, Message, Presence, Reaction, Rpc, Typing};
use super::codec::{Reader, Writer};
use super::member::{Field, field, map_head, read_one, write_fields, write_rest};
use super::schema::{Need, Shape, Side, Spec, Specs, unknown_value};
use super::serde_value::through_value;
use super::{Envelope, Head, Kind, Limits, Map};
use crate::error::Result;

/// Something to be done on a platform, told apart by `type`.
///
/// `channel_id`, `platform`, `type` and `message_key` are documented for the original; `trace_id`, `text` and the
/// fields of each type are inferred, and so are the spellings of the types but `message` and `presence`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outbound {
    /// Channel on the platform, the lane; may be empty where the whole platform is meant (presence, rpc).
    pub channel_id: String,
    /// The platform. Publishing fills it in when it is empty.
    pub platform: String,
    /// What is said: the text of a message, above buttons, of a status, beside a file; empty otherwise.
    pub text: String,
    /// What is to be done: `type` and its fields.
    pub action: Action,
    /// Key by which a platform recognises a doubled message; opaque.
    pub message_key: Option<String>,
    /// Trace id, `""` for none.
    pub trace_id: String,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

/// Name of the field that tells the types apart; written third.
const TYPE: &str = "type";

impl Outbound {
    /// The fields of every type. On the wire `type` stands behind the second and the type's own behind the third.
    const FIELDS: [Field<Self>; 5] = [
        field!(Optional "channel_id" => channel_id: String),
        field!(Optional "platform" => platform: String),
        field!(Optional "text" => text: String).unless(|e| e.text.is_empty() && !e.action.speaks()),
        field!(Optional "message_key" => message_key: Option<String>).unless(|e| e.message_key.is_none()),
        field!(Optional "trace_id" => trace_id: String),
    ];

    /// A text for a channel.
    pub fn message(channel: impl Into<String>, text: impl Into<String>) -> Self {
        Self::to(channel, text, Message::default().into())
    }

    /// A file for a channel.
    pub fn file(
        channel: impl Into<String>,
        filename: impl Into<String>,
        mimetype: impl Into<String>,
        data: impl Into<Bytes>,
    ) -> Self {
        let file = File { filename: filename.into(), mimetype: mimetype.into(), data: data.into() };
        Self::to(channel, "", file.into())
    }

    /// A text with buttons below it.
    pub fn buttons(
        channel: impl Into<String>,
        text: impl Into<String>,
        view: impl IntoIterator<Item = Button>,
    ) -> Self {
        Self::to(channel, text, Buttons { view: view.into_iter().collect() }.into())
    }

    /// A reaction to a message.
    pub fn reaction(channel: impl Into<String>, message_id: impl Into<String>, emoji: impl Into<String>) -> Self {
        Self::to(channel, "", Reaction { message_id: message_id.into(), emoji: emoji.into() }.into())
    }

    /// The sign that an answer is being written.
    pub fn typing(channel: impl Into<String>) -> Self {
        Self::to(channel, "", Typing {}.into())
    }

    /// A status of the bot on the whole platform.
    pub fn presence(status: impl Into<String>, emoji: Option<String>) -> Self {
        Self::to("", status, Presence { emoji }.into())
    }

    /// A call of the platform's adapter; its answer goes to `reply_to`.
    pub fn rpc(
        method: impl Into<String>,
        params: Map,
        reply_to: impl Into<String>,
        correlation_id: impl Into<String>,
    ) -> Self {
        let rpc = Rpc {
            method: method.into(),
            params,
            reply_to: reply_to.into(),
            correlation_id: correlation_id.into(),
            deadline_ms: None,
        };
        Self::to("", "", rpc.into())
    }

    /// The message key of the `n`th action of its type in a turn, the same whenever the turn runs again:
    /// `{trace_id}:{type}:{n}` (inferred; receivers take it as opaque).
    pub fn key_for(trace_id: &str, action: &str, n: u64) -> String {
        format!("{trace_id}:{action}:{n}")
    }

    /// Sets the channel.
    pub fn with_channel(mut self, channel: impl Into<String>) -> Self {
        self.channel_id = channel.into();
        self
    }

    /// Sets the platform.
    pub fn with_platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = platform.into();
        self
    }

    /// Sets the text: a caption where there was none.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Makes a message the answer to another one; other types carry it as a field of their own.
    pub fn with_reply_to(mut self, message_id: impl Into<String>) -> Self {
        let message_id = message_id.into();
        match &mut self.action {
            Action::Message(message) => message.reply_to = Some(message_id),
            Action::Rpc(rpc) => rpc.reply_to = message_id,
            _ => drop(self.rest.insert("reply_to", message_id)),
        }
        self
    }

    /// Sets the key by which a doubled message is recognised.
    pub fn with_message_key(mut self, key: impl Into<String>) -> Self {
        self.message_key = Some(key.into());
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    fn to(channel: impl Into<String>, text: impl Into<String>, action: Action) -> Self {
        Self {
            channel_id: channel.into(),
            platform: String::new(),
            text: text.into(),
            action,
            message_key: None,
            trace_id: String::new(),
            rest: Map::new(),
        }
    }

    /// The check of either side: finds the type first, since it decides about the others.
    pub(crate) fn head<'a>(bytes: &'a [u8], limits: &Limits, side: Side) -> Result<Head<'a>> {
        let name = Head::find(bytes, TYPE);
        let specs = name.and_then(OutboundSpecs::of);
        let unknown = specs.is_none();
        // Without a known type the rest is checked all the same: what is broken comes before what is unknown.
        let specs = specs.unwrap_or_else(OutboundSpecs::of_none);
        let head = Head::of(bytes, Kind::Outbound, &specs, limits, side)?;
        if unknown {
            let found = format!("{:?}", name.unwrap_or_default());
            return Err(unknown_value(TYPE, Kind::Outbound.as_str(), &found, Action::KNOWN, side));
        }
        Ok(head)
    }
}

/// What the fields must look like under one type.
struct OutboundSpecs {
    common: [Spec; 6],
    own: &'static [Spec],
}

impl OutboundSpecs {
    /// The fields of a type; `None` when there is no such type.
    fn of(name: &str) -> Option<Self> {
        let action = Action::empty(name)?;
        let channel = if action.in_channel() { Need::Required } else { Need::Optional };
        let text = if action.speaks() { Need::Written } else { Need::Optional };
        Some(Self { common: Self::common(channel, text), own: action.specs() })
    }

    /// What holds for every type.
    const fn of_none() -> Self {
        Self { common: Self::common(Need::Optional, Need::Optional), own: &[] }
    }

    const fn common(channel: Need, text: Need) -> [Spec; 6] {
        let [id, platform, said, key, trace] = &Outbound::FIELDS;
        [
            Spec { need: channel, ..id.spec },
            platform.spec,
            Spec { name: TYPE, shape: Shape::Text, need: Need::Required, nullable: false },
            Spec { need: text, ..said.spec },
            key.spec,
            trace.spec,
        ]
    }
}

impl Specs for OutboundSpecs {
    fn count(&self) -> usize {
        self.common.len() + self.own.len()
    }

    fn spec(&self, index: usize) -> &Spec {
        self.common.get(index).unwrap_or_else(|| &self.own[index - self.common.len()])
    }
}

impl Envelope for Outbound {
    const KIND: Kind = Kind::Outbound;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let head = Self::head(bytes, limits, Side::Read)?;
        let action = Action::empty(head.action.unwrap_or_default()).unwrap_or_default();
        let mut envelope = Self::to("", "", action);
        let mut reader = Reader::new(bytes);
        for _ in 0..map_head(&mut reader)? {
            let name = reader.key()?;
            if name == TYPE {
                reader.skip()?;
            } else if !read_one(&mut envelope, &Self::FIELDS, name, &mut reader)?
                && !envelope.action.read(name, &mut reader)?
            {
                envelope.rest.push(name.to_owned(), reader.value()?);
            }
        }
        Ok(envelope)
    }

    fn write(&self, limits: &Limits) -> Result<Bytes> {
        let mut writer = Writer::new(limits);
        let present = Self::FIELDS.iter().filter(|f| f.present(self)).count();
        writer.map(present + 1 + self.action.count() + self.rest.len());
        writer.inside(|writer| {
            write_fields(writer, self, &Self::FIELDS[..2]);
            writer.text(TYPE);
            writer.text(self.action.type_name());
            write_fields(writer, self, &Self::FIELDS[2..3]);
            self.action.write(writer);
            write_fields(writer, self, &Self::FIELDS[3..]);
            write_rest(writer, &self.rest);
        });
        writer.finish()
    }

    fn lane(&self) -> Option<&str> {
        Some(self.channel_id.as_str()).filter(|lane| !lane.is_empty())
    }

    fn trace_id(&self) -> &str {
        &self.trace_id
    }
}

through_value!(Outbound);
