//! A message of a channel's past, as an adapter's `fetch_history` gives it.

use super::Map;
use super::member::{Field, field, from_map, to_map};
use crate::error::Result;

/// A message of the past. Members and defaults are documented; that they travel under the same names is inferred.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct HistoricalMessage {
    /// Who wrote it.
    pub user_id: String,
    /// Name of who wrote it.
    pub user_name: String,
    /// The text.
    pub text: String,
    /// When it was written, epoch seconds UTC.
    pub timestamp: f64,
    /// Its id on the platform.
    pub message_id: String,
    /// Whether a bot wrote it.
    pub is_bot: bool,
    /// Id of the message it answers, `""` for none.
    pub reply_to_id: String,
    /// Summary of the reactions.
    pub reactions: String,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl HistoricalMessage {
    const FIELDS: &'static [Field<Self>] = &[
        field!(Required "user_id" => user_id: String),
        field!(Required "user_name" => user_name: String),
        field!(Required "text" => text: String),
        field!(Required "timestamp" => timestamp: f64),
        field!(Optional "message_id" => message_id: String),
        field!(Optional "is_bot" => is_bot: bool),
        field!(Optional "reply_to_id" => reply_to_id: String),
        field!(Optional "reactions" => reactions: String),
    ];

    /// A message by a user, written at the given epoch seconds.
    pub fn new(
        user_id: impl Into<String>,
        user_name: impl Into<String>,
        text: impl Into<String>,
        timestamp: f64,
    ) -> Self {
        Self { user_id: user_id.into(), user_name: user_name.into(), text: text.into(), timestamp, ..Self::default() }
    }

    /// From a plain map. `Malformed` naming the field.
    pub fn from_map(map: &Map) -> Result<Self> {
        let (mut message, rest) = from_map(map, "historical_message", Self::FIELDS)?;
        message.rest = rest;
        Ok(message)
    }

    /// As a plain map.
    pub fn to_map(&self) -> Result<Map> {
        to_map(self, Self::FIELDS, &self.rest)
    }
}
