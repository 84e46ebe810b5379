//! JSON as Python writes and reads it: for lifecycle events, replies on pub/sub and records of the registry.
//!
//! [`encode`] gives the bytes of `json.dumps` with its defaults: `", "` and `": "`, everything outside ASCII
//! escaped, floats as `repr` has them, `NaN` and `Infinity` as they are. What JSON cannot hold becomes text as with
//! `default=str`. [`decode`] takes all that, refuses what would not survive in a [`Value`] (whole numbers beyond 64
//! bits, half surrogates), and keeps to the [`Limits`].

mod read;
mod write;

use super::{Limits, Value};
use crate::error::{Error, Result};

/// The text of a value. Nesting is the caller's care: this is recursive.
pub fn encode(value: &Value) -> String {
    let mut out = String::with_capacity(256);
    write::value(&mut out, value);
    out
}

/// The value of a text. `Malformed` with the byte where it went wrong, or `TooLarge`.
pub fn decode(text: &[u8], limits: &Limits) -> Result<Value> {
    let text = std::str::from_utf8(text)
        .map_err(|e| Error::malformed("JSON must be UTF-8").with_context("at", e.valid_up_to()))?;
    read::document(text, limits)
}

#[cfg(test)]
mod tests;
