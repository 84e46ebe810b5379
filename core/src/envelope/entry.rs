//! The fields of an entry beside its body.

use bytes::Bytes;

use super::lane::{MAX_LANE_BYTES, lane_of};
use super::{Envelope, Head, Kind, Limits};
use crate::error::{Error, Result};
use crate::topology::field as names;

/// Fields of an entry in their order; names and values are bytes, because an older writer may have put any.
pub type Fields = Vec<(Bytes, Bytes)>;

/// What stands in an entry: the body and what travels beside it.
///
/// The writer puts one form in one order; the reader takes any order, misses nothing that is optional and keeps what
/// it does not know. `data`, `ts` and `trace_id` are the original's (documented; that `ts` is decimal text of epoch
/// seconds is inferred, readers take any text), the others are ours and ignored by older readers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EntryFields {
    /// The body.
    pub data: Bytes,
    /// When it was published: decimal epoch seconds.
    pub ts: String,
    /// Trace id, `""` for none.
    pub trace_id: String,
    /// The lane; `None` when an older writer put none, empty for "has none".
    pub key: Option<Bytes>,
    /// Message id, for idempotent publishing.
    pub mid: Option<String>,
    /// Whether it is an inbound message that is not addressed to the bot.
    pub unaddressed: bool,
    /// W3C `traceparent`.
    pub traceparent: Option<String>,
    /// W3C `tracestate`.
    pub tracestate: Option<String>,
    /// Name of the key that holds a big body, and the body's length. `data` is empty then.
    pub body_ref: Option<(String, u64)>,
    /// Earlier lives of an entry that was replayed, see [`super::DeadLetter`]: msgpack, empty for none.
    pub history: Bytes,
    /// Fields that we do not know, in their order; written back.
    pub rest: Fields,
}

impl EntryFields {
    /// A body published at the given milliseconds since 1970, without a lane.
    pub fn new(data: Bytes, wall_ms: u64) -> Self {
        Self { data, ts: epoch_seconds(wall_ms), key: Some(Bytes::new()), ..Self::default() }
    }

    /// An envelope published at the given milliseconds since 1970: encoded, with its lane and trace id.
    pub fn of<E: Envelope>(envelope: &E, wall_ms: u64, limits: &Limits) -> Result<Self> {
        let mut entry = Self::new(envelope.encode_with(limits)?, wall_ms);
        entry.key = Some(Bytes::copy_from_slice(envelope.lane().unwrap_or_default().as_bytes()));
        envelope.trace_id().clone_into(&mut entry.trace_id);
        entry.unaddressed = envelope.unaddressed();
        Ok(entry)
    }

    /// An encoded envelope published at the given milliseconds since 1970, with the lane and trace id that its head
    /// (from [`Kind::inspect`]) tells.
    pub fn of_bytes(data: Bytes, kind: Kind, head: &Head<'_>, wall_ms: u64) -> Self {
        let lane = head.lane(kind).unwrap_or_default();
        let mut entry = Self { key: Some(part_of(&data, lane.as_bytes())), ..Self::default() };
        head.trace_id.unwrap_or_default().clone_into(&mut entry.trace_id);
        entry.unaddressed = kind == Kind::Inbound && head.unaddressed();
        Self { data, ts: epoch_seconds(wall_ms), ..entry }
    }

    /// Sets the lane; empty for none.
    pub fn with_key(mut self, lane: impl Into<Bytes>) -> Self {
        self.key = Some(lane.into());
        self
    }

    /// Sets the message id.
    pub fn with_mid(mut self, mid: impl Into<String>) -> Self {
        self.mid = Some(mid.into());
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, trace_id: impl Into<String>) -> Self {
        self.trace_id = trace_id.into();
        self
    }

    /// Sets the W3C trace context.
    pub fn with_trace_context(mut self, traceparent: impl Into<String>, tracestate: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self.tracestate = Some(tracestate.into());
        self
    }

    /// Moves the body out, to be stored under a key; what stays is its name and length.
    pub fn take_body(&mut self, key: impl Into<String>) -> Bytes {
        let body = std::mem::take(&mut self.data);
        self.body_ref = Some((key.into(), body.len() as u64));
        body
    }

    /// Reads an entry. Never fails: what is missing is empty, and what is wrong shows when it is used.
    pub fn read(fields: &[(Bytes, Bytes)]) -> Self {
        let mut entry = Self::default();
        let (mut body_ref, mut body_len) = (None, 0);
        for (name, value) in fields {
            match std::str::from_utf8(name).unwrap_or_default() {
                names::DATA => entry.data = value.clone(),
                names::TS => entry.ts = text(value),
                names::TRACE_ID => entry.trace_id = text(value),
                names::KEY => entry.key = Some(value.clone()),
                names::MID => entry.mid = Some(text(value)).filter(|mid| !mid.is_empty()),
                names::UNADDRESSED => entry.unaddressed = value.as_ref() == b"1",
                names::TRACEPARENT => entry.traceparent = Some(text(value)),
                names::TRACESTATE => entry.tracestate = Some(text(value)),
                names::REF => body_ref = Some(text(value)),
                names::LEN => body_len = number(value),
                names::HISTORY => entry.history = value.clone(),
                _ => entry.rest.push((name.clone(), value.clone())),
            }
        }
        entry.body_ref = body_ref.map(|key| (key, body_len));
        entry
    }

    /// The fields as they are appended. `Invalid` when the lane is too long or not text.
    pub fn write(&self) -> Result<Fields> {
        let mut fields = Vec::with_capacity(6 + self.rest.len());
        put(&mut fields, names::DATA, self.data.clone());
        // In one piece of memory, which copies of the fields share.
        let texts = Bytes::from([self.ts.as_bytes(), self.trace_id.as_bytes()].concat());
        put(&mut fields, names::TS, texts.slice(..self.ts.len()));
        put(&mut fields, names::TRACE_ID, texts.slice(self.ts.len()..));
        self.write_ours(&mut fields)?;
        fields.extend_from_slice(&self.rest);
        Ok(fields)
    }

    /// The fields that the original does not know.
    pub(super) fn write_ours(&self, fields: &mut Fields) -> Result<()> {
        if let Some(key) = &self.key {
            put(fields, names::KEY, checked_lane(key)?);
        }
        if let Some(mid) = &self.mid {
            put(fields, names::MID, mid.clone());
        }
        if self.unaddressed {
            put(fields, names::UNADDRESSED, "1");
        }
        if let Some(traceparent) = &self.traceparent {
            put(fields, names::TRACEPARENT, traceparent.clone());
        }
        if let Some(tracestate) = self.tracestate.as_ref().filter(|state| !state.is_empty()) {
            put(fields, names::TRACESTATE, tracestate.clone());
        }
        if let Some((key, len)) = &self.body_ref {
            put(fields, names::REF, key.clone());
            put(fields, names::LEN, len.to_string());
        }
        if !self.history.is_empty() {
            put(fields, names::HISTORY, self.history.clone());
        }
        Ok(())
    }

    /// The lane that the entry has, see [`lane_of`].
    pub fn lane(&self, order_unaddressed: bool) -> Result<Option<Bytes>> {
        if self.unaddressed && !order_unaddressed {
            return Ok(None);
        }
        let (name, value) = match &self.key {
            Some(key) => (names::KEY, key),
            None => (names::DATA, &self.data),
        };
        lane_of(&[(Bytes::from_static(name.as_bytes()), value.clone())], order_unaddressed)
    }

    /// When it was published, epoch seconds, if that is what the field says.
    pub fn published_at(&self) -> Option<f64> {
        self.ts.trim().parse().ok().filter(|seconds: &f64| seconds.is_finite())
    }

    /// The envelope in the body. `Malformed` or `TooLarge`.
    pub fn envelope<E: Envelope>(&self, limits: &Limits) -> Result<E> {
        E::decode_with(&self.data, limits)
    }
}

/// Bytes that stand in a body, as a part of it; a copy of others.
fn part_of(body: &Bytes, bytes: &[u8]) -> Bytes {
    let (whole, part) = (body.as_ptr_range(), bytes.as_ptr_range());
    if whole.start <= part.start && part.end <= whole.end {
        body.slice_ref(bytes)
    } else {
        Bytes::copy_from_slice(bytes)
    }
}

/// The value of a field.
pub(super) fn field<'a>(fields: &'a [(Bytes, Bytes)], name: &str) -> Option<&'a Bytes> {
    fields.iter().find(|(k, _)| k == name.as_bytes()).map(|(_, v)| v)
}

/// Appends a field.
pub(super) fn put(fields: &mut Fields, name: &'static str, value: impl Into<Bytes>) {
    fields.push((Bytes::from_static(name.as_bytes()), value.into()));
}

/// The text of a field; what is not UTF-8 in it is replaced, these fields are for people and logs.
pub(super) fn text(value: &Bytes) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// The number in a field, 0 when there is none.
pub(super) fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// Milliseconds as decimal seconds.
fn epoch_seconds(wall_ms: u64) -> String {
    format!("{}.{:03}", wall_ms / 1000, wall_ms % 1000)
}

fn checked_lane(key: &Bytes) -> Result<Bytes> {
    if key.len() <= MAX_LANE_BYTES && std::str::from_utf8(key).is_ok() {
        return Ok(key.clone());
    }
    let expected = format!("text of at most {MAX_LANE_BYTES} bytes");
    Err(Error::invalid(format!("the key orders the messages and must be {expected}, found {} bytes", key.len()))
        .with_context("field", names::KEY)
        .with_context("expected", expected))
}
