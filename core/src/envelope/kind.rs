//! The kinds of envelopes, and the check of bytes against one of them.

use std::fmt;
use std::str::FromStr;

use super::codec::{Reader, Token, as_invalid, scan};
use super::schema::{Side, Specs, check};
use super::{Envelope, Inbound, LifecycleEvent, Limits, MAX_LANE_BYTES, Outbound, ToolReply, ToolRequest};
use crate::error::{Error, Result};

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// From a platform to the workers: [`Inbound`].
    Inbound,
    /// From a worker to a platform: [`Outbound`].
    Outbound,
    /// A tool to be run: [`ToolRequest`].
    ToolRequest,
    /// What a tool gave: [`ToolReply`].
    ToolReply,
    /// Something that happened, as JSON: [`super::LifecycleEvent`].
    LifecycleEvent,
    /// Anything of the user's own.
    Plain,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Inbound, Self::Outbound, Self::ToolRequest, Self::ToolReply, Self::LifecycleEvent, Self::Plain];

    /// Its name in vectors, in error contexts and at the border to other languages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::ToolRequest => "tool_request",
            Self::ToolReply => "tool_reply",
            Self::LifecycleEvent => "lifecycle_event",
            Self::Plain => "plain",
        }
    }

    /// Checks bytes that are about to be published, without building anything. `Invalid` naming the field when they
    /// are not such an envelope, `TooLarge` when they exceed the limits.
    pub fn validate(self, bytes: &[u8], limits: &Limits) -> Result<()> {
        self.inspect(bytes, limits).map(drop)
    }

    /// Checks bytes that came from a stream: `Malformed` naming the field, or `TooLarge`.
    pub fn check(self, bytes: &[u8], limits: &Limits) -> Result<()> {
        self.head(bytes, limits, Side::Read).map(drop)
    }

    /// [`Kind::validate`], giving what a publisher needs to know of the envelope.
    pub fn inspect<'a>(self, bytes: &'a [u8], limits: &Limits) -> Result<Head<'a>> {
        let head = self.head(bytes, limits, Side::Write)?;
        match head.lane(self) {
            Some(lane) if lane.len() > MAX_LANE_BYTES => {
                let field = if head.channel_key == Some(lane) { "channel_key" } else { "channel_id" };
                Err(Error::invalid(format!(
                    "`{field}` of {self} orders the messages and may have {MAX_LANE_BYTES} bytes, found {}",
                    lane.len()
                ))
                .with_context("field", field)
                .with_context("kind", self))
            }
            _ => Ok(head),
        }
    }

    /// The check of either side.
    pub(crate) fn head<'a>(self, bytes: &'a [u8], limits: &Limits, side: Side) -> Result<Head<'a>> {
        match self {
            Self::Inbound => Head::of(bytes, self, &Inbound::FIELDS, limits, side),
            Self::Outbound => Outbound::head(bytes, limits, side),
            Self::ToolRequest => Head::of(bytes, self, &ToolRequest::FIELDS, limits, side),
            Self::ToolReply => ToolReply::head(bytes, limits, side),
            Self::LifecycleEvent => LifecycleEvent::decode_with(bytes, limits).map(|_| Head::default()),
            Self::Plain => scan(bytes, limits).and_then(|()| Head::peek(bytes)),
        }
        .map_err(|e| if side == Side::Write { as_invalid(e) } else { e })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| Error::invalid(format!("no envelope kind is called {name:?}")).with_context("field", "kind"))
    }
}

/// What a publisher or router needs to know of an envelope, borrowed from its bytes. A field that is absent, nil or
/// not of its type is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Head<'a> {
    /// `channel_key`.
    pub channel_key: Option<&'a str>,
    /// `channel_id`.
    pub channel_id: Option<&'a str>,
    /// `platform`.
    pub platform: Option<&'a str>,
    /// `type` of an outbound envelope.
    pub action: Option<&'a str>,
    /// `message_id`.
    pub message_id: Option<&'a str>,
    /// `message_key`.
    pub message_key: Option<&'a str>,
    /// `trace_id`.
    pub trace_id: Option<&'a str>,
    /// `reply_to`.
    pub reply_to: Option<&'a str>,
    /// `correlation_id`.
    pub correlation_id: Option<&'a str>,
    /// `is_addressed`.
    pub is_addressed: Option<bool>,
}

impl<'a> Head<'a> {
    /// Checks a body against fields and notes what it sees.
    pub(crate) fn of(bytes: &'a [u8], kind: Kind, specs: &dyn Specs, limits: &Limits, side: Side) -> Result<Self> {
        let mut head = Self::default();
        check(bytes, kind.as_str(), specs, limits, side, |name, token| head.note(name, token))?;
        Ok(head)
    }

    /// The text under a key of the outer map, if it can be found: bytes that are damaged before it have none.
    pub(crate) fn find(bytes: &'a [u8], key: &str) -> Option<&'a str> {
        let mut reader = Reader::new(bytes);
        let Ok(Token::Map(n)) = reader.token() else { return None };
        for _ in 0..n {
            if reader.key().ok()? == key {
                return text(&reader.token().ok()?);
            }
            reader.skip().ok()?;
        }
        None
    }

    /// What the outer map of scanned bytes says; nothing when it is no map.
    pub(crate) fn peek(bytes: &'a [u8]) -> Result<Self> {
        let mut head = Self::default();
        let mut reader = Reader::new(bytes);
        if let Token::Map(n) = reader.token()? {
            for _ in 0..n {
                let name = reader.key()?;
                head.note(name, &reader.clone().token()?);
                reader.skip()?;
            }
        }
        Ok(head)
    }

    /// The ordering key that such an envelope has by itself: that of its channel. Tools are not ordered.
    pub fn lane(&self, kind: Kind) -> Option<&'a str> {
        let channel_key = self.channel_key.filter(|lane| !lane.is_empty());
        let channel_id = self.channel_id.filter(|lane| !lane.is_empty());
        match kind {
            Kind::Inbound | Kind::Plain => channel_key.or(channel_id),
            Kind::Outbound => channel_id,
            Kind::ToolRequest | Kind::ToolReply | Kind::LifecycleEvent => None,
        }
    }

    /// Whether it says of itself that it is not addressed to the bot.
    pub fn unaddressed(&self) -> bool {
        self.is_addressed == Some(false)
    }

    pub(crate) fn note(&mut self, name: &str, token: &Token<'a>) {
        match name {
            "channel_key" => self.channel_key = text(token),
            "channel_id" => self.channel_id = text(token),
            "platform" => self.platform = text(token),
            "type" => self.action = text(token),
            "message_id" => self.message_id = text(token),
            "message_key" => self.message_key = text(token),
            "trace_id" => self.trace_id = text(token),
            "reply_to" => self.reply_to = text(token),
            "correlation_id" => self.correlation_id = text(token),
            "is_addressed" => {
                self.is_addressed = match token {
                    Token::Bool(b) => Some(*b),
                    Token::Int(n @ (0 | 1)) => Some(*n == 1),
                    _ => None,
                }
            }
            _ => {}
        }
    }
}

/// The text that a token holds, as text or as bytes.
fn text<'a>(token: &Token<'a>) -> Option<&'a str> {
    match *token {
        Token::Text(text) => Some(text),
        Token::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
