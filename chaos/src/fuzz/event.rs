//! JSON in Python's form, as lifecycle events have it.

use stargazer_core::ErrorKind;
use stargazer_core::envelope::{Envelope, LifecycleEvent, Limits, Value, json};

/// A JSON text.
///
/// Holds: whatever is read is written in the form of `json.dumps`, reads back the same, and is then written the same;
/// another JSON library gives the same verdict and reads the same (where it can: it knows no `NaN`, and takes whole
/// numbers of any size for floats); an event comes back with what it had.
pub fn event(text: &[u8]) -> bool {
    let limits = Limits::default();
    let other: Result<serde_json::Value, _> = serde_json::from_slice(text);
    let value = match json::decode(text, &limits) {
        Ok(value) => value,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{error}");
            let whole = error.message().contains("64 bits");
            assert!(error.kind() == ErrorKind::TooLarge || whole || other.is_err(), "refused without need: {error}");
            return false;
        }
    };
    match other {
        Ok(other) => assert!(alike(&value, &other), "{value:?} is {other:?} to others"),
        // They call a number too large that rounds down to the largest.
        Err(error) if error.to_string().starts_with("number out of range") => {}
        Err(error) => assert!(!all_finite(&value), "taken, but not JSON: {error}"),
    }
    let written = json::encode(&value);
    in_form(&written);
    match json::decode(written.as_bytes(), &limits) {
        Ok(back) => assert_eq!(json::encode(&back), written, "written twice, it is another text"),
        Err(error) => panic!("what was written cannot be read: {error}"),
    }
    let Ok(event) = LifecycleEvent::decode_with(text, &limits) else { return true };
    let Ok(bytes) = event.encode_with(&limits) else { return true };
    match LifecycleEvent::decode_with(&bytes, &limits) {
        Ok(back) => assert_eq!(back.encode_with(&limits).ok(), Some(bytes), "an event changes as it is written"),
        Err(error) => panic!("an event that was written cannot be read: {error}"),
    }
    true
}

/// Whether there is nothing in it that only Python writes.
fn all_finite(value: &Value) -> bool {
    match value {
        Value::Float(x) => x.is_finite(),
        Value::List(items) => items.iter().all(all_finite),
        Value::Map(map) => map.iter().all(|(_, value)| all_finite(value)),
        _ => true,
    }
}

/// Whether two libraries have read the same.
fn alike(ours: &Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (ours, theirs) {
        (Value::Nil, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::Text(a), Json::String(b)) => a == b,
        // Theirs may be one step away.
        (Value::Int(_) | Value::UInt(_) | Value::Float(_), Json::Number(b)) => {
            let (a, b) = (ours.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            (a - b).abs() <= f64::EPSILON * a.abs().max(b.abs())
        }
        (Value::List(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        // Of a key that is given twice the last one counts, here and there.
        (Value::Map(a), Json::Object(b)) => {
            a.keys().all(|key| b.contains_key(key)) && b.iter().all(|(key, b)| a.get(key).is_some_and(|a| alike(a, b)))
        }
        _ => false,
    }
}

/// The form of `json.dumps` with its defaults: ASCII, one blank behind every comma and colon and no other.
fn in_form(text: &str) {
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not plain ASCII: {text}");
    let (mut quoted, mut escaped, mut before) = (false, false, b'[');
    for byte in text.bytes() {
        if quoted {
            (quoted, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
        } else {
            assert_eq!(byte == b' ', b",:".contains(&before), "a blank too many or too few: {text}");
            quoted = byte == b'"';
        }
        before = if quoted { b'"' } else { byte };
    }
}
