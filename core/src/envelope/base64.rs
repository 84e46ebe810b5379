//! Base64 text as attachments carry it: written with padding, read with or without, line breaks ignored.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The text of the bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Whether [`decode`] will take the text.
pub(crate) fn is_valid(text: &str) -> bool {
    let mut count = 0_usize;
    let known = unpadded(text).bytes().filter(|b| !b.is_ascii_whitespace()).all(|b| {
        count += 1;
        b.is_ascii_alphanumeric() || b == b'+' || b == b'/'
    });
    known && count % 4 != 1
}

/// The bytes of the text.
pub(crate) fn decode(text: &str) -> Option<Bytes> {
    let text = unpadded(text);
    let decoded = if text.bytes().any(|b| b.is_ascii_whitespace()) {
        let solid: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        ENGINE.decode(solid)
    } else {
        ENGINE.decode(text)
    };
    decoded.ok().map(Bytes::from)
}

fn unpadded(text: &str) -> &str {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix('=').unwrap_or(text);
    text.strip_suffix('=').unwrap_or(text)
}
