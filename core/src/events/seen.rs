//! An event as it was read: whatever stands in the stream, told as far as it can be.

use bytes::Bytes;

use crate::envelope::{Envelope, LifecycleEvent, Limits, Map, Value, codec, json};
use crate::error::{Error, Result};
use crate::topology::field as names;
use crate::transport::{Entry, EntryId, field};

/// An event that was read, or what stood in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenEvent {
    /// Its id in the stream.
    pub id: EntryId,
    /// The bytes of its field `data`, if there are any.
    pub data: Option<Bytes>,
    body: Result<Map, String>,
}

impl SeenEvent {
    pub(super) fn read(entry: &Entry, limits: &Limits) -> Self {
        let data = field(&entry.fields, names::DATA).filter(|data| !data.is_empty()).cloned();
        let body = match &data {
            None => Err("no_data_field".to_owned()),
            Some(data) => match std::str::from_utf8(data) {
                Err(_) => Err("bad_utf8".to_owned()),
                Ok(_) => match json::decode(data, limits) {
                    Ok(Value::Map(body)) => Ok(body),
                    Ok(_) => Err("not_an_object".to_owned()),
                    Err(error) => Err(format!("json_decode: {}", error.message())),
                },
            },
        };
        Self { id: entry.id, data, body }
    }

    /// The kind; empty when it has none.
    pub fn kind(&self) -> &str {
        self.body.as_ref().ok().and_then(|body| body.text("kind")).unwrap_or_default()
    }

    /// What it says, as it was written; the error is what is wrong with it: `no_data_field`, `bad_utf8`, `not_an_object`, or
    /// `json_decode: …`.
    pub fn body(&self) -> Result<&Map, &str> {
        self.body.as_ref().map_err(String::as_str)
    }

    /// The event, when it is one as the original writes them; `Malformed` otherwise.
    pub fn event(&self) -> Result<LifecycleEvent> {
        match &self.body {
            Ok(body) => LifecycleEvent::from_map(body).map_err(|error| Error::malformed(error.message())),
            Err(problem) => Err(Error::malformed(format!("this is no event: {problem}"))),
        }
    }

    /// As the original's readers give it: what it says and its `stream_id`, or its `stream_id` and `error`.
    pub fn to_map(&self) -> Map {
        let mut map = match &self.body {
            Ok(body) => body.clone(),
            Err(problem) => Map::from([("error", Value::from(problem.as_str()))]),
        };
        map.insert("stream_id", self.id.to_string());
        map
    }

    /// The same as msgpack, for bindings.
    pub fn encoded(&self) -> Result<Bytes> {
        codec::encode_map(&self.to_map(), &Limits::default())
    }
}
