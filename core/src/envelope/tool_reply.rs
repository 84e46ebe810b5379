//! What a tool gave, from the tools service back to the worker that asked.

use bytes::Bytes;

use super::codec::{Reader, Token, Writer};
use super::member::{Field, Member, field, read_map, specs, write_map};
use super::schema::{Need, Shape, Side, Spec, check};
use super::serde_value::through_value;
use super::{Envelope, Head, Kind, Limits, Map, Value};
use crate::error::{Error, Result};

/// The answer to a [`super::ToolRequest`].
///
/// On the wire it has either `result` or `error` (names inferred, as is the error's shape `{code, message}`; that
/// there is one or the other, `correlation_id` and `writeback` are documented).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolReply {
    /// The request's.
    pub correlation_id: String,
    /// What the tool gave (the original's tools give text), or why it gave nothing.
    pub result: std::result::Result<Value, ToolError>,
    /// What is merged into the caller's context: `sent_files` (media as raw bytes), `injected_tools`,
    /// `sent_rich_messages`.
    pub writeback: Map,
    /// Trace id, `""` for none.
    pub trace_id: String,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

/// Why a tool gave nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolError {
    /// A word for programs; the original's only known one is `CATALOG_STALE`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl ToolError {
    const FIELDS: [Field<Self>; 2] =
        [field!(Optional "code" => code: String), field!(Optional "message" => message: String)];

    /// An error of that code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), rest: Map::new() }
    }
}

impl ToolReply {
    const FIELDS: &'static [Field<Self>] = &[
        field!(Required "correlation_id" => correlation_id: String),
        Field {
            spec: Spec { name: "result", shape: Shape::Any, need: Need::Optional, nullable: true },
            read: Self::read_result,
            write: |r, writer| r.result.iter().for_each(|value| writer.value(value)),
            absent: Some(|r| r.result.is_err()),
        },
        Field {
            spec: Spec {
                name: "error",
                shape: Shape::Described(&specs(&ToolError::FIELDS)),
                need: Need::Optional,
                nullable: true,
            },
            read: Self::read_error,
            write: |r, writer| {
                if let Err(error) = &r.result {
                    writer.inside(|writer| write_map(writer, error, &ToolError::FIELDS, &error.rest));
                }
            },
            absent: Some(|r| r.result.is_ok()),
        },
        field!(Optional "writeback" => writeback: Map),
        field!(Optional "trace_id" => trace_id: String),
    ];

    /// A result.
    pub fn ok(correlation_id: impl Into<String>, result: impl Into<Value>) -> Self {
        Self::with_result(correlation_id, Ok(result.into()))
    }

    /// An error.
    pub fn error(correlation_id: impl Into<String>, error: ToolError) -> Self {
        Self::with_result(correlation_id, Err(error))
    }

    fn with_result(correlation_id: impl Into<String>, result: std::result::Result<Value, ToolError>) -> Self {
        Self {
            correlation_id: correlation_id.into(),
            result,
            writeback: Map::new(),
            trace_id: String::new(),
            rest: Map::new(),
        }
    }

    /// Sets what is merged into the caller's context.
    pub fn with_writeback(mut self, writeback: Map) -> Self {
        self.writeback = writeback;
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    fn read_result(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let value = reader.value()?;
        // An error wins whatever stands first.
        if let Ok(result) = &mut self.result {
            *result = value;
        }
        Ok(())
    }

    fn read_error(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let mut error = ToolError::default();
        match reader.clone().token()? {
            Token::Nil => return reader.skip(),
            Token::Map(_) => error.rest = read_map(reader, &mut error, &ToolError::FIELDS)?,
            _ => error.message.read(reader)?,
        }
        self.result = Err(error);
        Ok(())
    }

    /// The check of either side: it must hold a result or an error.
    pub(crate) fn head<'a>(bytes: &'a [u8], limits: &Limits, side: Side) -> Result<Head<'a>> {
        let (mut head, mut answered) = (Head::default(), false);
        check(bytes, Kind::ToolReply.as_str(), &Self::FIELDS, limits, side, |name, token| {
            answered |= name == "result" || (name == "error" && *token != Token::Nil);
            head.note(name, token);
        })?;
        if answered {
            return Ok(head);
        }
        Err(Error::malformed("`result` or `error` of tool_reply is missing; it must have one of them")
            .with_context("field", "result")
            .with_context("kind", Kind::ToolReply)
            .with_context("found", "nothing"))
    }
}

impl Envelope for ToolReply {
    const KIND: Kind = Kind::ToolReply;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        Kind::ToolReply.head(bytes, limits, Side::Read)?;
        let mut envelope = Self::ok("", Value::Nil);
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

through_value!(ToolReply);
