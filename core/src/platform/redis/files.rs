//! Files that the bot sends: kept for a day as bytes, fetched by id.
//!
//! The original keeps base64 text; it is read too, and written where the settings say so.

use bytes::Bytes;

use super::access::{bytes, hash_set};
use super::{RedisPlatform, id};
use crate::envelope::{File, base64_of, base64_to};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Op;
use crate::topology::redis_platform::member;

/// The longest name of a file, in bytes.
const MAX_FILENAME_BYTES: usize = 1024;

/// A file that was sent to an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredFile {
    /// Its id.
    pub file_id: String,
    /// Its name.
    pub filename: String,
    /// Its type.
    pub mimetype: String,
    /// When it was stored: UTC, ISO 8601.
    pub timestamp: String,
    /// The instance it was sent to.
    pub channel_id: String,
    /// Its bytes.
    pub data: Bytes,
}

impl RedisPlatform {
    /// A file; `None` when there is none (any more). `Malformed` when its record is broken.
    pub async fn get_file(&self, file_id: &str) -> Result<Option<StoredFile>> {
        if id::check("file_id", file_id).is_err() {
            return Ok(None);
        }
        let ops = vec![Op::HashGetAll { key: self.config.names.file(file_id) }];
        let fields = self.apply_again(ops).await?.next()?.pairs()?;
        if fields.is_empty() {
            return Ok(None);
        }
        self.read_file(file_id, &fields).map(Some).map_err(|error| error.with_context("file_id", file_id))
    }

    /// Under which address a file is fetched, relative to the server of the REST API.
    pub fn file_url(&self, file_id: &str, filename: &str) -> String {
        format!("{}/{}/{}", self.config.file_url, segment(file_id), segment(filename))
    }

    /// `Invalid` or `TooLarge` unless the file may be kept.
    pub(super) fn check_file(&self, file: &File) -> Result<()> {
        if file.filename.is_empty() || file.filename.len() > MAX_FILENAME_BYTES {
            let text = format!("a file's name has 1 to {MAX_FILENAME_BYTES} bytes, not {}", file.filename.len());
            return Err(Error::invalid(text).with_context("field", "filename"));
        }
        let (size, limit) = (file.data.len(), self.config.max_file_bytes);
        if size > limit {
            let text =
                format!("a file of {size} bytes exceeds the limit of {limit}; send it smaller, or widen the limit");
            return Err(Error::new(ErrorKind::TooLarge, text)
                .with_context("field", "data")
                .with_context("limit", "max_file_bytes"));
        }
        Ok(())
    }

    /// What keeps the file.
    pub(super) fn file_op(&self, instance_id: &str, file_id: &str, file: &File, now: &str) -> Op {
        let names = &self.config.names;
        let data = if self.config.legacy_writes {
            (names.file_field.clone(), Bytes::from(base64_of(&file.data)))
        } else {
            (member::BYTES.to_owned(), file.data.clone())
        };
        let fields = vec![
            data,
            (member::FILENAME.to_owned(), bytes(&file.filename)),
            (member::MIMETYPE.to_owned(), bytes(&file.mimetype)),
            (member::SIZE.to_owned(), file.data.len().to_string().into()),
            (member::TIMESTAMP.to_owned(), bytes(now)),
            (member::CHANNEL_ID.to_owned(), bytes(instance_id)),
        ];
        hash_set(names.file(file_id), fields, Some(self.config.file_ttl))
    }

    fn read_file(&self, file_id: &str, fields: &[(Bytes, Bytes)]) -> Result<StoredFile> {
        let field = |name: &str| fields.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value);
        let text = |name: &'static str, missing: &str| match field(name).map(|value| std::str::from_utf8(value)) {
            Some(Ok(text)) => Ok(text.to_owned()),
            Some(Err(_)) => {
                Err(Error::malformed(format!("`{name}` of a file is not text")).with_context("field", name))
            }
            None => Ok(missing.to_owned()),
        };
        let data = match (field(member::BYTES), field(&self.config.names.file_field)) {
            (Some(data), _) => data.clone(),
            (None, Some(coded)) => {
                let data = std::str::from_utf8(coded).ok().and_then(base64_to);
                data.ok_or_else(|| Error::malformed("a file's base64 text cannot be read"))?
            }
            (None, None) => return Err(Error::malformed("a file's record holds no bytes")),
        };
        Ok(StoredFile {
            file_id: file_id.to_owned(),
            filename: text(member::FILENAME, "")?,
            mimetype: text(member::MIMETYPE, "application/octet-stream")?,
            timestamp: text(member::TIMESTAMP, "")?,
            channel_id: text(member::CHANNEL_ID, "")?,
            data,
        })
    }
}

/// A text as one part of a path, as Python's `quote` writes it; dots alone would be another folder.
fn segment(text: &str) -> String {
    use std::fmt::Write;
    let dots = matches!(text, "." | "..");
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"_-~".contains(&byte) || (byte == b'.' && !dots) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(segment("report-1.pdf"), "report-1.pdf");
        assert_eq!(segment("a b/c?é"), "a%20b%2Fc%3F%C3%A9");
        assert_eq!((segment(".."), segment(".")), ("%2E%2E".into(), "%2E".into()));
    }
}
