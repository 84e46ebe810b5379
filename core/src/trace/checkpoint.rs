//! Checkpoints: JSON, compressed with zlib, under the original's version of their form.

use crate::envelope::{Limits, Map, Value, json};
use crate::error::{Error, Result};

/// The version of the form (the original's `CHECKPOINT_SCHEMA_VERSION`).
const VERSION: u64 = 1;

/// How hard to compress: zlib's own default.
const LEVEL: u8 = 6;

/// The bytes of a checkpoint. How the original wraps a value is not documented (inferred: beside its version).
pub(super) fn pack(value: &Value) -> Vec<u8> {
    let wrapped = Map::from([("schema_version", Value::from(VERSION)), ("data", value.clone())]);
    miniz_oxide::deflate::compress_to_vec_zlib(json::encode(&Value::Map(wrapped)).as_bytes(), LEVEL)
}

/// The value; whatever JSON it is, where somebody wrapped it otherwise.
pub(super) fn unpack(bytes: &[u8], limits: &Limits) -> Result<Value> {
    let text = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, limits.max_bytes())
        .map_err(|error| Error::malformed(format!("a checkpoint is no zlib, or too large: {error}")))?;
    let value = json::decode(&text, limits)?;
    Ok(match &value {
        Value::Map(wrapped) => wrapped.get("data").cloned().unwrap_or(value),
        _ => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_comes_back_and_bombs_do_not() {
        let limits = Limits::default();
        let value = Value::Map(Map::from([("turn", Value::from(3)), ("text", "ü".into())]));
        let packed = pack(&value);
        assert_eq!(&packed[..1], b"x", "zlib");
        assert_eq!(unpack(&packed, &limits).unwrap(), value);
        let other = miniz_oxide::deflate::compress_to_vec_zlib(b"[1]", LEVEL);
        assert_eq!(unpack(&other, &limits).unwrap(), Value::List(vec![1.into()]));
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; limits.max_bytes() + 1], LEVEL);
        assert_eq!(unpack(&bomb, &limits).unwrap_err().code(), "malformed");
        assert_eq!(unpack(b"none", &limits).unwrap_err().code(), "malformed");
    }
}
