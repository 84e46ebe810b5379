//! A file of an inbound message.

use bytes::Bytes;

use super::Map;
use super::member::{Field, field, from_map, to_map};
use crate::error::Result;

/// A file, already downloaded.
///
/// Its members are documented; that they stand in the envelope under the same names, `data` as base64 text, is
/// inferred. Read from base64 text or raw bytes, written as base64 text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Attachment {
    /// Its bytes.
    pub data: Bytes,
    /// Its type; `application/octet-stream` when nobody said.
    pub mimetype: String,
    /// Its name.
    pub filename: String,
    /// Where it came from, `""` for unknown.
    pub source_url: String,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

impl Attachment {
    const FIELDS: &'static [Field<Self>] = &[
        field!(Optional "data" => data: Bytes),
        field!(Optional "mimetype" => mimetype: String),
        field!(Optional "filename" => filename: String),
        field!(Optional "source_url" => source_url: String),
    ];

    /// A file from its bytes.
    pub fn new(data: impl Into<Bytes>, mimetype: impl Into<String>, filename: impl Into<String>) -> Self {
        Self { data: data.into(), mimetype: mimetype.into(), filename: filename.into(), ..Self::default() }
    }

    /// Says where it came from.
    pub fn with_source_url(mut self, url: impl Into<String>) -> Self {
        self.source_url = url.into();
        self
    }

    /// From its map in an envelope. `Malformed` naming the field.
    pub fn from_map(map: &Map) -> Result<Self> {
        let (mut attachment, rest) = from_map(map, "attachment", Self::FIELDS)?;
        attachment.rest = rest;
        Ok(attachment)
    }

    /// Its map in an envelope.
    pub fn to_map(&self) -> Result<Map> {
        to_map(self, Self::FIELDS, &self.rest)
    }
}

impl Default for Attachment {
    fn default() -> Self {
        Self {
            data: Bytes::new(),
            mimetype: "application/octet-stream".to_owned(),
            filename: String::new(),
            source_url: String::new(),
            rest: Map::new(),
        }
    }
}
