//! `MessagePack`: the only folder that knows the format.
//!
//! What is written equals what msgpack-python writes with `use_bin_type=True` for the same insertion order: whole
//! numbers in their shortest form, floats always with 64 bits, text and bytes apart, maps in the order given. (That
//! the original uses these options is inferred: raw media next to text survives its round trip.)
//!
//! What is read is walked once before anything is built ([`scan`]): size, nesting and number of values are within
//! the [`Limits`], every declared length is backed by bytes, all text is UTF-8, every key is text (bytes that are
//! UTF-8 will do), nothing stands behind the value. The walk uses a list of its own instead of the stack, so no
//! input can overflow it, and reserves nothing on the word of a length.

mod read;
mod scan;
mod typed;
mod write;

use bytes::Bytes;

use super::{Limits, Map, Value};
use crate::error::Result;
pub use read::{Reader, Token};
pub use scan::scan;
pub(crate) use scan::{Scan, empty};
pub(crate) use typed::as_invalid;
pub use typed::{from_slice, from_value, to_bytes, to_value};
pub use write::Writer;

/// Encodes a value. `TooLarge` when it exceeds the limits.
pub fn encode(value: &Value, limits: &Limits) -> Result<Bytes> {
    let mut writer = Writer::new(limits);
    writer.value(value);
    writer.finish()
}

/// Encodes a map without putting it into a [`Value`] first. `TooLarge` when it exceeds the limits.
pub fn encode_map(map: &Map, limits: &Limits) -> Result<Bytes> {
    let mut writer = Writer::new(limits);
    writer.map_value(map);
    writer.finish()
}

/// Decodes a value. `Malformed` when the bytes are not one, `TooLarge` when they exceed the limits.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Value> {
    scan(bytes, limits)?;
    Reader::new(bytes).value()
}
