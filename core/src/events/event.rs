//! An event before it is published, and its bytes.

use std::fmt::Write;

use serde::Serialize;

use crate::envelope::{Map, Value, isoformat, json};

/// Payloads are kept to this depth, so that every reader of ours can read them; what lies deeper becomes text.
const DEEPEST: usize = 60;

/// What stands for what lies deeper.
const TOO_DEEP: &str = "<too deep>";

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    kind: String,
    arena: String,
    arena_id: String,
    phase: String,
    correlation_id: String,
    payload: Payload,
}

#[derive(Debug, Clone, PartialEq)]
enum Payload {
    Value(Value),
    /// JSON as it goes out.
    Json(String),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Value(Value::Map(Map::new()))
    }
}

impl Event {
    /// An event of a kind: one of [`EVENT_KINDS`](super::EVENT_KINDS), or another dotted word in small letters, so that
    /// readers can pick by what it begins with.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Sets the arena and its run.
    pub fn with_arena(mut self, arena: impl Into<String>, arena_id: impl Into<String>) -> Self {
        (self.arena, self.arena_id) = (arena.into(), arena_id.into());
        self
    }

    /// Sets the phase.
    pub fn with_phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = phase.into();
        self
    }

    /// Sets what belongs together; 32 hexadecimal digits of its own otherwise.
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Sets whatever else there is to say: anything that serialises. What says nothing (nil, zero, empty) is `{}`, as in the
    /// original; what cannot be serialised, or lies more than 60 deep, becomes text.
    pub fn with_payload(self, payload: impl Serialize) -> Self {
        let plain = rmp_serde::to_vec_named(&payload).map_err(|error| error.to_string());
        let value = plain.and_then(|bytes| rmp_serde::from_slice(&bytes).map_err(|error| error.to_string()));
        self.with_value(value.unwrap_or_else(|why| Value::Text(format!("<not serialisable: {why}>"))))
    }

    /// Sets the payload as a plain value, by the same rules.
    pub fn with_value(mut self, value: Value) -> Self {
        let value = if says_nothing(&value) { Value::Map(Map::new()) } else { clean(value, 0) };
        self.payload = Payload::Value(value);
        self
    }

    /// Sets the payload as JSON that is ready to go: for bindings, whose languages have objects of their own.
    pub fn with_json_payload(mut self, json: impl Into<String>) -> Self {
        self.payload = Payload::Json(json.into());
        self
    }

    /// The body as it happened at so many microseconds since 1970.
    pub(super) fn body(&self, micros: u64) -> String {
        let correlation = match self.correlation_id.as_str() {
            "" => uuid::Uuid::new_v4().simple().to_string(),
            id => id.to_owned(),
        };
        let texts = [
            ("schema_version", "1"),
            ("kind", &self.kind),
            ("arena", &self.arena),
            ("arena_id", &self.arena_id),
            ("phase", &self.phase),
            ("ts", &isoformat(micros)),
            ("correlation_id", &correlation),
        ];
        let mut body = String::from("{");
        for (name, text) in texts {
            // A `String` takes everything.
            let _ = write!(body, "\"{name}\": {}, ", json::encode(&Value::from(text)));
        }
        let payload = match &self.payload {
            Payload::Value(value) => &json::encode(value),
            Payload::Json(json) => json,
        };
        let _ = write!(body, "\"payload\": {payload}}}");
        body
    }
}

/// What Python takes for false.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Bool(yes) => !yes,
        Value::Int(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::UInt(_) | Value::Ext(..) => false,
    }
}

fn clean(value: Value, depth: usize) -> Value {
    match value {
        Value::List(_) | Value::Map(_) if depth >= DEEPEST => TOO_DEEP.into(),
        Value::List(items) => Value::List(items.into_iter().map(|item| clean(item, depth + 1)).collect()),
        Value::Map(map) => {
            Value::Map(map.into_pairs().into_iter().map(|(key, value)| (key, clean(value, depth + 1))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::envelope::{Envelope, LifecycleEvent};

    const AT: u64 = 1_778_757_753_123_456;

    fn payload(event: &Event) -> String {
        let body = event.body(AT);
        body[body.find("\"payload\": ").unwrap() + 11..body.len() - 1].to_owned()
    }

    #[test]
    fn it_is_what_the_envelope_of_the_same_name_reads() {
        let event = Event::new("phase.complete").with_arena("trading", "a1").with_phase("Ü").with_correlation_id("c1");
        let body = event.with_payload(BTreeMap::from([("score", 0.5)])).body(AT);
        let read = LifecycleEvent::decode(body.as_bytes()).unwrap();
        assert_eq!(read.encode().unwrap(), body.as_bytes());
        assert_eq!((read.phase.as_str(), read.ts.as_str()), ("Ü", "2026-05-14T11:22:33.123456+00:00"));
        let own = LifecycleEvent::decode(Event::new("x").body(AT).as_bytes()).unwrap().correlation_id;
        assert!(own.len() == 32 && own.bytes().all(|digit| digit.is_ascii_hexdigit()), "{own}");
    }

    #[test]
    fn a_payload_is_anything() {
        assert_eq!(payload(&Event::new("k")), "{}");
        assert_eq!(payload(&Event::new("k").with_payload(())), "{}");
        assert_eq!(payload(&Event::new("k").with_payload("")), "{}");
        assert_eq!(payload(&Event::new("k").with_payload("c1")), "\"c1\"");
        assert_eq!(payload(&Event::new("k").with_payload([1, 2])), "[1, 2]");
        assert_eq!(payload(&Event::new("k").with_payload(f64::NAN)), "NaN");
        assert_eq!(payload(&Event::new("k").with_json_payload("[1,2]")), "[1,2]");
    }

    #[test]
    fn what_lies_too_deep_becomes_text() {
        let mut deep = Value::List(Vec::new());
        for _ in 0..200 {
            deep = Value::List(vec![deep]);
        }
        let event = Event::new("k").with_payload(deep);
        assert!(payload(&event).contains("\"<too deep>\""));
        let body = event.body(AT);
        crate::envelope::json::decode(body.as_bytes(), &crate::envelope::Limits::default()).unwrap();
    }
}
