//! Something that happened: the original's lifecycle events, which travel as JSON.

use bytes::Bytes;

use super::serde_value::through_value;
use super::{Envelope, Kind, Limits, Map, Value, json};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

/// The kinds of the original. Others are forwarded too.
pub const EVENT_KINDS: [&str; 19] = [
    "arena.start",
    "arena.complete",
    "arena.error",
    "phase.start",
    "phase.complete",
    "phase.error",
    "agent.start",
    "agent.complete",
    "agent.signal",
    "agent.error",
    "decision.emit",
    "source.fetch",
    "source.error",
    "llm.call",
    "llm.error",
    "control.command",
    "control.ack",
    "action.emit",
    "system.status",
];

/// An event. Its bytes equal those of the original's `json.dumps`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct LifecycleEvent {
    /// Version of the shape: `1`.
    pub schema_version: String,
    /// One of [`EVENT_KINDS`], or another dotted word.
    pub kind: String,
    /// Arena, `""` for none.
    pub arena: String,
    /// Run of the arena, `""` for none.
    pub arena_id: String,
    /// Phase of the run, `""` for none.
    pub phase: String,
    /// When it happened: UTC, ISO 8601 with `+00:00`.
    pub ts: String,
    /// What belongs together: 32 hexadecimal digits unless the caller has its own.
    pub correlation_id: String,
    /// Whatever else there is to say.
    pub payload: Map,
    /// Keys that we do not know, in their order; written back.
    pub rest: Map,
}

/// Where a text field is kept.
type Slot = fn(&mut LifecycleEvent) -> &mut String;

impl LifecycleEvent {
    /// The text fields in their order on the wire, `payload` stands behind them.
    const TEXTS: [(&'static str, Slot); 7] = [
        ("schema_version", |e| &mut e.schema_version),
        ("kind", |e| &mut e.kind),
        ("arena", |e| &mut e.arena),
        ("arena_id", |e| &mut e.arena_id),
        ("phase", |e| &mut e.phase),
        ("ts", |e| &mut e.ts),
        ("correlation_id", |e| &mut e.correlation_id),
    ];

    /// An event that happens now, see [`LifecycleEvent::new_at`].
    pub fn new(kind: impl Into<String>) -> Self {
        Self::new_at(kind, SystemClock::new().wall_ms() * 1000)
    }

    /// An event at the given microseconds since 1970, under a new correlation id.
    pub fn new_at(kind: impl Into<String>, micros: u64) -> Self {
        Self {
            schema_version: "1".to_owned(),
            kind: kind.into(),
            ts: isoformat(micros),
            correlation_id: uuid::Uuid::new_v4().simple().to_string(),
            ..Self::default()
        }
    }

    /// Sets the arena and its run.
    pub fn with_arena(mut self, arena: impl Into<String>, arena_id: impl Into<String>) -> Self {
        self.arena = arena.into();
        self.arena_id = arena_id.into();
        self
    }

    /// Sets the phase.
    pub fn with_phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = phase.into();
        self
    }

    /// Sets the correlation id; an empty one leaves the new one, as in the original.
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if !id.is_empty() {
            self.correlation_id = id;
        }
        self
    }

    /// Sets the payload.
    pub fn with_payload(mut self, payload: Map) -> Self {
        self.payload = payload;
        self
    }

    /// The body of a map; `Malformed` naming the field.
    fn from_body(body: Map) -> Result<Self> {
        let mut event = Self::default();
        for (key, value) in body.into_pairs() {
            let text = Self::TEXTS.iter().find(|(name, _)| *name == key);
            match (text, value) {
                (Some((_, slot)), Value::Text(text)) => *slot(&mut event) = text,
                (Some((name, _)), other) => return Err(mismatch(name, "text", &other)),
                (None, Value::Map(payload)) if key == "payload" => event.payload = payload,
                (None, other) if key == "payload" => return Err(mismatch("payload", "map", &other)),
                (None, other) => event.rest.push(key, other),
            }
        }
        if event.kind.is_empty() {
            return Err(mismatch("kind", "text", &Value::Nil));
        }
        Ok(event)
    }

    /// The map that goes out, in the original's order.
    fn body(&self) -> Map {
        let mut of = self.clone();
        let mut body: Map = Self::TEXTS.iter().map(|(name, slot)| (*name, std::mem::take(slot(&mut of)))).collect();
        body.push("payload".to_owned(), Value::Map(of.payload));
        for (key, value) in of.rest.into_pairs() {
            body.push(key, value);
        }
        body
    }
}

impl Envelope for LifecycleEvent {
    const KIND: Kind = Kind::LifecycleEvent;

    fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Self> {
        match json::decode(bytes, limits) {
            Ok(Value::Map(body)) => Self::from_body(body),
            Ok(other) => Err(Error::malformed(format!("an event must be a map, found {}", other.type_name()))
                .with_context("expected", "map")
                .with_context("found", other.type_name())),
            Err(e) => Err(e),
        }
        .map_err(|e| e.with_context("kind", Kind::LifecycleEvent))
    }

    fn write(&self, limits: &Limits) -> Result<Bytes> {
        let body = Value::Map(self.body());
        // The msgpack form tells whether it is too deep; the text itself is longer or shorter.
        super::codec::encode(&body, limits)?;
        Ok(json::encode(&body).into())
    }

    fn trace_id(&self) -> &str {
        &self.correlation_id
    }

    fn from_map(map: &Map) -> Result<Self> {
        Self::from_body(map.clone()).map_err(super::codec::as_invalid)
    }

    fn to_value(&self) -> Result<Value> {
        Ok(Value::Map(self.body()))
    }
}

fn mismatch(field: &'static str, expected: &'static str, found: &Value) -> Error {
    let found = if found.is_nil() { "nothing" } else { found.type_name() };
    Error::malformed(format!("`{field}` of {} must be {expected}, found {found}", Kind::LifecycleEvent))
        .with_context("field", field)
        .with_context("kind", Kind::LifecycleEvent)
        .with_context("expected", expected)
        .with_context("found", found)
}

/// `datetime.isoformat()` of a UTC time: the fraction vanishes when it is exactly zero.
pub(crate) fn isoformat(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00")
}

/// Year, month and day of a day since 1970-01-01, counted in years that begin in March, so that the leap day is the
/// last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

through_value!(LifecycleEvent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_does() {
        assert_eq!(isoformat(0), "1970-01-01T00:00:00+00:00");
        assert_eq!(isoformat(1_778_757_753_123_456), "2026-05-14T11:22:33.123456+00:00");
        assert_eq!(isoformat(951_782_400_000_000), "2000-02-29T00:00:00+00:00");
        assert_eq!(isoformat(4_107_542_399_000_001), "2100-02-28T23:59:59.000001+00:00");
    }

    #[test]
    fn the_originals_order_and_form() {
        let event = LifecycleEvent::new_at("phase.complete", 1_778_757_753_123_456)
            .with_arena("trading", "a1")
            .with_phase("analysis")
            .with_correlation_id("c1")
            .with_payload(Map::from([("score", Value::Float(0.5)), ("name", "Ü".into())]));
        let bytes = event.encode().unwrap();
        let expected = concat!(
            r#"{"schema_version": "1", "kind": "phase.complete", "arena": "trading", "arena_id": "a1", "#,
            r#""phase": "analysis", "ts": "2026-05-14T11:22:33.123456+00:00", "correlation_id": "c1", "#,
            r#""payload": {"score": 0.5, "name": "\u00dc"}}"#
        );
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(LifecycleEvent::decode(&bytes).unwrap(), event);
    }
}
