//! What a caller may say of an instance beside its name: texts under names of its own.
//!
//! The original keeps them as fields of the hash that also holds the key and the time of creation. So the names of
//! those fields are refused, and what is not a text or a plain value has no form there.

use crate::envelope::{Map, Value, json};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::redis_platform::member;

/// Fields of an instance's hash that no metadata may touch.
pub const RESERVED: [&str; 4] = [member::API_KEY, member::CREATED_AT, member::DISPLAY_NAME, member::INSTANCE_ID];

/// The fields that metadata become. Texts as they are, other plain values as Python's `str` has them. `Invalid` naming
/// the field for a reserved or empty name and for anything else, `TooLarge` beyond `limit` bytes.
pub(super) fn fields(metadata: &Map, limit: usize) -> Result<Vec<(String, String)>> {
    let mut bytes = 0;
    let mut out: Vec<(String, String)> = Vec::with_capacity(metadata.len());
    for (name, value) in metadata {
        if name.is_empty() || RESERVED.contains(&name.as_str()) {
            let what = if name.is_empty() { "an empty name" } else { "reserved; choose another name" };
            return Err(refused(name, what));
        }
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(_) | Value::UInt(_) => json::encode(value),
            Value::Float(x) if x.is_finite() => json::encode(value),
            other => {
                let what = format!("{}; give text, a number or a truth value", other.type_name());
                return Err(refused(name, &what));
            }
        };
        bytes += name.len() + text.len();
        out.push((name.clone(), text));
    }
    check_size(bytes, limit)?;
    Ok(out)
}

/// `TooLarge` when metadata of so many bytes are beyond the limit.
pub(super) fn check_size(bytes: usize, limit: usize) -> Result<()> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TooLarge, format!("metadata of {bytes} bytes exceed the limit of {limit}"))
        .with_context("field", "metadata")
        .with_context("limit", "max_metadata_bytes"))
}

fn refused(name: &str, what: &str) -> Error {
    Error::invalid(format!("the metadata's {name:?} is {what}"))
        .with_context("field", "metadata")
        .with_context("name", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_become_text_as_in_python() {
        let map = Map::from([
            ("city", Value::from("Oslo")),
            ("n", 7.into()),
            ("x", 1.5.into()),
            ("whole", 2.0.into()),
            ("on", true.into()),
        ]);
        let texts: Vec<String> = fields(&map, 1000).unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["Oslo", "7", "1.5", "2.0", "True"]);
    }

    #[test]
    fn reserved_fields_and_nested_values_are_refused() {
        for name in RESERVED.into_iter().chain([""]) {
            let error = fields(&Map::from([(name, "x")]), 1000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.context().contains(&("field", "metadata".to_owned())), "{error}");
        }
        let nested =
            [Value::Nil, Value::List(Vec::new()), Value::Map(Map::new()), f64::NAN.into(), Value::from(&b"x"[..])];
        for value in nested {
            assert_eq!(fields(&Map::from([("a", value)]), 1000).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn metadata_are_bounded() {
        let map = Map::from([("name", "x".repeat(97))]);
        assert_eq!(fields(&map, 100).unwrap_err().kind(), ErrorKind::TooLarge);
        assert!(fields(&map, 101).is_ok());
    }
}
