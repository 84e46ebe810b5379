//! Keys of instances: made, hashed and compared here only.
//!
//! A key is kept as its SHA-256; it can be checked and never read back. Comparing takes the same time whatever is
//! compared, since digests have one length.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::id;
use crate::error::{Error, Result};

/// The longest key that a caller may choose, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// A new key: 32 random bytes as URL-safe text, 43 characters.
pub(super) fn new() -> Result<String> {
    let mut bytes = [0; 32];
    id::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// `Invalid` unless the text may be a key: 1 to [`MAX_KEY_BYTES`] bytes.
pub(super) fn check(key: &str) -> Result<()> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(Error::invalid(format!("api_key must have 1 to {MAX_KEY_BYTES} bytes; it has {}", key.len()))
        .with_context("field", "api_key"))
}

/// What is kept of a key: its SHA-256 in hexadecimal digits.
pub(super) fn hashed(key: &[u8]) -> String {
    id::hex(digest(&SHA256, key).as_ref())
}

/// Whether `presented` is one of the keys kept as `hashes`, or, only where there are none, the one kept in `clear`.
pub(super) fn is_valid<'a>(presented: &str, hashes: impl IntoIterator<Item = &'a [u8]>, clear: Option<&[u8]>) -> bool {
    let presented = hashed(presented.as_bytes());
    let mut found = Choice::from(0);
    let mut kept = 0;
    for hash in hashes {
        found |= presented.as_bytes().ct_eq(hash);
        kept += 1;
    }
    if let Some(clear) = clear.filter(|clear| kept == 0 && !clear.is_empty()) {
        found |= presented.as_bytes().ct_eq(hashed(clear).as_bytes());
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_url_safe_and_new() {
        let key = new().unwrap();
        assert_eq!(key.len(), 43);
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        assert_ne!(key, new().unwrap());
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hashed(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_what_is_kept_is_valid() {
        let hash = hashed(b"right");
        let hashes = [hash.as_bytes()];
        assert!(is_valid("right", hashes, None));
        assert!(!is_valid("wrong", hashes, None) && !is_valid("", hashes, None));
        // The hash itself opens nothing.
        assert!(!is_valid(&hash, hashes, None));
        assert!(!is_valid("right", [], None) && !is_valid("", [], Some(b"")));
    }

    #[test]
    fn a_key_in_clear_counts_only_where_none_is_hashed() {
        assert!(is_valid("old", [], Some(b"old")));
        assert!(!is_valid("other", [], Some(b"old")));
        let hash = hashed(b"right");
        assert!(!is_valid("planted", [hash.as_bytes()], Some(b"planted")));
    }
}
