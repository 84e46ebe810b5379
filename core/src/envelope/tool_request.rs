//! A tool to be run, from a worker to the tools service.

use bytes::Bytes;

use super::codec::{Reader, Writer};
use super::member::{Field, field, read_map, write_map};
use super::schema::Side;
use super::serde_value::through_value;
use super::{Envelope, Kind, Limits, Map};
use crate::error::Result;

/// A call of a tool.
///
/// `reply_to` and `correlation_id` are documented and required; that tool, arguments, `schema_hash` and the caller's
/// identity travel along is documented too, under which names is inferred.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ToolRequest {
    /// Stream that the reply goes to.
    pub reply_to: String,
    /// What the reply names, so that the caller finds it.
    pub correlation_id: String,
    /// The tool (name of the field inferred).
    pub tool_name: String,
    /// Its arguments by name (name of the field inferred).
    pub arguments: Map,
    /// Hash of the catalog that the caller has loaded, `""` when it has none.
    pub schema_hash: String,
    /// Platform of the caller's message.
    pub platform: String,
    /// Channel of the caller's message.
    pub channel_id: String,
    /// Who wrote the caller's message.
    pub user_id: String,
    /// Name of who wrote it.
    pub user_name: String,
    /// Server (guild) of the channel.
    pub guild_id: Option<String>,
    /// The caller's message.
    pub message_id: String,
    /// Id under which the original's observability files the call.
    pub observability_request_id: String,
    /// Trace id, `""` for none.
    pub trace_id: String,
    /// Milliseconds since 1970 after which nobody waits any more; ours, left out when there is none.
    pub deadline_ms: Option<u64>,
    /// Name under which the answer is remembered; ours, left out when it is not.
    pub memo: Option<String>,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl ToolRequest {
    pub(crate) const FIELDS: &'static [Field<Self>] = &[
        field!(Required "reply_to" => reply_to: String),
        field!(Required "correlation_id" => correlation_id: String),
        field!(Written "tool_name" => tool_name: String),
        field!(Optional "arguments" => arguments: Map),
        field!(Optional "schema_hash" => schema_hash: String),
        field!(Optional "platform" => platform: String),
        field!(Optional "channel_id" => channel_id: String),
        field!(Optional "user_id" => user_id: String),
        field!(Optional "user_name" => user_name: String),
        field!(Optional "guild_id" => guild_id: Option<String>),
        field!(Optional "message_id" => message_id: String),
        field!(Optional "observability_request_id" => observability_request_id: String),
        field!(Optional "trace_id" => trace_id: String),
        field!(Optional "deadline_ms" => deadline_ms: Option<u64>).unless(|r| r.deadline_ms.is_none()),
        field!(Optional "memo" => memo: Option<String>).unless(|r| r.memo.is_none()),
    ];

    /// A call under a new correlation id.
    pub fn new(tool: impl Into<String>, arguments: Map, reply_to: impl Into<String>) -> Self {
        Self {
            reply_to: reply_to.into(),
            correlation_id: uuid::Uuid::new_v4().simple().to_string(),
            tool_name: tool.into(),
            arguments,
            ..Self::default()
        }
    }

    /// Sets the correlation id.
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Says which message the call is made for: its channel, writer and trace.
    pub fn with_caller(mut self, message: &super::Inbound) -> Self {
        self.platform.clone_from(&message.platform);
        self.channel_id.clone_from(&message.channel_id);
        self.user_id.clone_from(&message.user_id);
        self.user_name.clone_from(&message.username);
        self.guild_id.clone_from(&message.guild_id);
        self.message_id.clone_from(&message.message_id);
        self.trace_id.clone_from(&message.trace_id);
        self
    }

    /// Sets the hash of the loaded catalog.
    pub fn with_schema_hash(mut self, hash: impl Into<String>) -> Self {
        self.schema_hash = hash.into();
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    /// Says until when somebody waits, milliseconds since 1970.
    pub fn with_deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.deadline_ms = Some(deadline_ms);
        self
    }
}

impl Envelope for ToolRequest {
    const KIND: Kind = Kind::ToolRequest;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Kind::ToolRequest.head(bytes, limits, Side::Read)?;
        let mut envelope = Self::default();
        envelope.rest = read_map(&mut Reader::new(bytes), &mut envelope, Self::FIELDS)?;
        Ok(envelope)
    }

    fn write(&self, limits: &Limits) -> Result<Bytes> {
        let mut writer = Writer::new(limits);
        write_map(&mut writer, self, Self::FIELDS, &self.rest);
        writer.finish()
    }

    fn trace_id(&self) -> &str {
        &self.trace_id
    }
}

through_value!(ToolRequest);
