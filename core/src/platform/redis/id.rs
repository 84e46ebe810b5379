//! Ids: what may be one, and new ones.

use std::borrow::Cow;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result};

/// The longest id, in bytes: it still fits into the lane of a message.
pub const MAX_ID_BYTES: usize = 200;

/// `Invalid` naming `field` unless the text may be an id: 1 to [`MAX_ID_BYTES`] bytes without control characters.
pub(super) fn check(field: &'static str, id: &str) -> Result<()> {
    let found = if id.is_empty() {
        "it is empty".to_owned()
    } else if id.len() > MAX_ID_BYTES {
        format!("it has {} bytes", id.len())
    } else if id.chars().any(char::is_control) {
        "it holds a control character".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!(
        "{field} must be 1 to {MAX_ID_BYTES} bytes of text without control characters; {found}"
    ))
    .with_context("field", field))
}

/// The longest text of somebody else's that stands in a key as it is.
const MAX_IN_KEY: usize = 512;

/// Whether there may be something of this id: a longer one fits into no key. Ids of the original's own are taken as they are.
pub(super) fn may_exist(id: &str) -> bool {
    id.len() <= MAX_IN_KEY
}

/// A text of somebody else's as it stands in a key: hashed when it is long.
pub(super) fn in_key(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_IN_KEY { Cow::Borrowed(text) } else { Cow::Owned(super::key::hashed(text.as_bytes())) }
}

/// `Invalid` naming `field` unless the text may be a name that people read.
pub(super) fn check_name(field: &'static str, name: &str, limit: usize) -> Result<()> {
    if name.len() > limit {
        return Err(Error::invalid(format!("{field} must be at most {limit} bytes; it has {}", name.len()))
            .with_context("field", field));
    }
    Ok(())
}

/// A new instance's id: 16 random hexadecimal digits.
pub(super) fn new_instance() -> Result<String> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// An id for anything else: 32 random hexadecimal digits.
pub(super) fn new() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Bytes that nobody can guess.
pub(super) fn fill(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::internal("the operating system gave no random bytes"))
}

/// Hexadecimal digits of the bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn an_id_is_bounded_text() {
        for id in ["a", "team:1", "two words", "*", "é", &"x".repeat(MAX_ID_BYTES)] {
            check("instance_id", id).unwrap();
        }
        for id in ["", "a\nb", "a\0", &"x".repeat(MAX_ID_BYTES + 1)] {
            let error = check("instance_id", id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.context(), [("field", "instance_id".to_owned())]);
        }
    }

    #[test]
    fn new_ids_differ() {
        let id = new_instance().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(id, new_instance().unwrap());
    }
}
