//! What is kept of an instance and of a user, and lists of them.

use bytes::Bytes;

use super::metadata::RESERVED;
use crate::envelope::{Limits, Map, Value, json};
use crate::error::{Error, Result};
use crate::topology::redis_platform::member;

/// An instance: one conversation with its own key, whose id is the channel's id in the pipeline.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Instance {
    /// Its id.
    pub instance_id: String,
    /// Its name for people.
    pub display_name: String,
    /// When it was made: UTC, ISO 8601. Empty where the record does not say.
    pub created_at: String,
    /// What its creator said beside that: texts, in the order of their names.
    pub metadata: Map,
}

impl Instance {
    /// From the fields of its hash; the key is left out. `Malformed` when a field is not text.
    pub(super) fn from_fields(id: &str, fields: Vec<(String, Bytes)>) -> Result<Self> {
        let mut instance = Self {
            instance_id: id.to_owned(),
            display_name: String::new(),
            created_at: String::new(),
            metadata: Map::new(),
        };
        let mut metadata = Vec::new();
        for (name, value) in fields {
            if name == member::API_KEY || name == member::INSTANCE_ID {
                continue;
            }
            let text = String::from_utf8(value.to_vec()).map_err(|_| {
                Error::malformed("a field of an instance's record is not text").with_context("field", &name)
            })?;
            match name.as_str() {
                member::DISPLAY_NAME => instance.display_name = text,
                member::CREATED_AT => instance.created_at = text,
                _ => metadata.push((name, Value::Text(text))),
            }
        }
        metadata.sort_by(|(a, _), (b, _)| a.cmp(b));
        instance.metadata = metadata.into();
        Ok(instance)
    }

    /// The flat form of the original: metadata stand beside the rest.
    pub fn to_map(&self) -> Map {
        let mut map = Map::from([
            (member::INSTANCE_ID, self.instance_id.as_str()),
            (member::DISPLAY_NAME, &self.display_name),
            (member::CREATED_AT, &self.created_at),
        ]);
        map.extend(self.metadata.iter().filter(|(name, _)| !RESERVED.contains(&name.as_str())).cloned());
        map
    }
}

/// A user of an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct User {
    /// Its id.
    pub user_id: String,
    /// Its name for people and in the conversation.
    pub display_name: String,
    /// Whatever else its registrar said.
    pub metadata: Map,
    /// When it was registered: UTC, ISO 8601. Empty where the record does not say.
    pub registered_at: String,
}

impl User {
    /// From its record. `Malformed` when that is no JSON object or names no display name.
    pub(super) fn from_record(id: &str, record: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::malformed(format!("a user's record {what}")).with_context("user_id", id);
        let Value::Map(mut record) = json::decode(record, &Limits::default())? else {
            return Err(wrong("must be an object"));
        };
        let Some(Value::Text(display_name)) = record.remove(member::DISPLAY_NAME) else {
            return Err(wrong("must hold a display_name"));
        };
        let metadata = match record.remove(member::METADATA) {
            Some(Value::Map(metadata)) => metadata,
            None | Some(Value::Nil) => Map::new(),
            Some(_) => return Err(wrong("must hold an object as its metadata")),
        };
        let registered_at = match record.remove(member::REGISTERED_AT) {
            Some(Value::Text(time)) => time,
            None | Some(Value::Nil) => String::new(),
            Some(_) => return Err(wrong("must hold a text as its registered_at")),
        };
        Ok(Self { user_id: id.to_owned(), display_name, metadata, registered_at })
    }

    /// The form of the original: id, name, metadata, time.
    pub fn to_map(&self) -> Map {
        let mut map = Map::from([(member::USER_ID, self.user_id.as_str()), (member::DISPLAY_NAME, &self.display_name)]);
        map.insert(member::METADATA, self.metadata.clone());
        map.insert(member::REGISTERED_AT, self.registered_at.as_str());
        map
    }

    /// Its record: the bytes of Python's `json.dumps`.
    pub(super) fn to_record(&self) -> String {
        json::encode(&Value::Map(self.to_map()))
    }
}

/// A list, and what could not be read for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// What could be read, in the order of their ids.
    pub items: Vec<T>,
    /// Records that are broken or missing; a warning of each was logged.
    pub skipped: Vec<Skipped>,
}

/// A record that a list leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Id of what it would be.
    pub id: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Skipped {
    pub(super) fn new(id: &str, reason: impl Into<String>) -> Self {
        Self { id: id.to_owned(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn an_instance_never_shows_its_key() {
        let fields = [("api_key", "secret"), ("zone", "eu"), ("display_name", "Demo"), ("created_at", "t"), ("a", "b")];
        let fields = fields.map(|(name, value)| (name.to_owned(), Bytes::from(value))).to_vec();
        let instance = Instance::from_fields("i1", fields).unwrap();
        let text = json::encode(&instance.to_map().into());
        assert_eq!(text, r#"{"instance_id": "i1", "display_name": "Demo", "created_at": "t", "a": "b", "zone": "eu"}"#);
        assert!(!format!("{instance:?}").contains("secret"));
    }

    #[test]
    fn a_user_is_written_as_the_original_does() {
        let user = User {
            user_id: "u1".into(),
            display_name: "Änn".into(),
            metadata: Map::from([("n", 1)]),
            registered_at: "2026-01-01T00:00:00+00:00".into(),
        };
        let record = user.to_record();
        let expected = concat!(
            r#"{"user_id": "u1", "display_name": "\u00c4nn", "metadata": {"n": 1}, "#,
            r#""registered_at": "2026-01-01T00:00:00+00:00"}"#
        );
        assert_eq!(record, expected);
        assert_eq!(User::from_record("u1", record.as_bytes()).unwrap(), user);
    }

    #[test]
    fn the_field_tells_the_id_and_what_is_missing_is_empty() {
        let user = User::from_record("u2", br#"{"user_id": "other", "display_name": "B", "more": 1}"#).unwrap();
        assert_eq!((user.user_id.as_str(), user.registered_at.as_str(), user.metadata.len()), ("u2", "", 0));
    }

    #[test]
    fn a_broken_record_is_malformed() {
        let broken: [&[u8]; 7] =
            [b"", b"{", b"[]", b"{}", b"\xff", br#"{"display_name": 5}"#, br#"{"display_name": "a", "metadata": [1]}"#];
        for record in broken {
            let error = User::from_record("u1", record).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{record:?}");
        }
    }
}
