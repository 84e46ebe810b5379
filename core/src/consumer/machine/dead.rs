//! What a dead letter says: the original's fields in its spelling, then ours.

use bytes::Bytes;

use crate::topology::field as name;
use crate::transport::{EntryId, Fields, field};

/// The handler said no.
pub(super) const REJECTED: &str = "rejected";
/// The handler failed as often as it may.
pub(super) const SPENT: &str = "max_attempts";
/// Its process died at every start.
pub(super) const CRASHED: &str = "crashed";
/// What stands as error text when the handler gave none.
pub(super) const SPENT_TEXT: &str = "the handler asked for another attempt, but none was left";

pub(super) fn crash_text(starts: u32) -> String {
    format!("started {starts} times without an outcome: the process died, was killed, or lost its lease")
}

/// Everything a dead letter is made of besides the entry itself.
pub(super) struct Letter<'a> {
    pub id: EntryId,
    pub stream: &'a str,
    pub group: &'a str,
    pub consumer: &'a str,
    pub reason: &'static str,
    pub error: &'a str,
    pub attempts: u32,
    pub dead_at_ms: u64,
}

impl Letter<'_> {
    /// The fields of the dead letter of `entry`; its own bytes are carried over untouched.
    pub(super) fn fields(&self, entry: &Fields) -> Fields {
        let text = |value: &str| Bytes::copy_from_slice(value.as_bytes());
        let carried = |key: &str| field(entry, key).cloned();
        let mut fields: Fields = Vec::with_capacity(18);
        let mut put = |key: &'static str, value: Bytes| fields.push((Bytes::from_static(key.as_bytes()), value));
        put(name::ORIGINAL_STREAM, text(self.stream));
        put(name::ORIGINAL_MSG_ID, text(&self.id.to_string()));
        put(name::ERROR, text(self.error));
        put(name::ATTEMPT, text(&self.attempts.to_string()));
        put(name::DATA, carried(name::DATA).unwrap_or_default());
        put(name::TS, carried(name::TS).unwrap_or_default());
        put(name::TRACE_ID, carried(name::TRACE_ID).unwrap_or_default());
        put(name::GROUP, text(self.group));
        for key in [name::KEY, name::MID, name::UNADDRESSED, name::TRACEPARENT, name::TRACESTATE, name::HISTORY] {
            if let Some(value) = carried(key) {
                put(key, value);
            }
        }
        put(name::REASON, text(self.reason));
        put(name::FIRST_AT, text(&self.id.ms.to_string()));
        put(name::DEAD_AT, text(&self.dead_at_ms.to_string()));
        put(name::CONSUMER, text(self.consumer));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_keeps_the_bytes_and_says_why() {
        let entry: Fields = vec![
            (Bytes::from_static(b"data"), Bytes::from_static(b"\x81\xa1a\x01")),
            (Bytes::from_static(b"key"), Bytes::from_static(b"web:c1")),
        ];
        let letter = Letter {
            id: EntryId::new(17, 2),
            stream: "s",
            group: "g",
            consumer: "w-1",
            reason: REJECTED,
            error: "no",
            attempts: 3,
            dead_at_ms: 99,
        };
        let fields = letter.fields(&entry);
        let get = |key: &str| field(&fields, key).map(|v| String::from_utf8_lossy(v).into_owned());
        assert_eq!(get("original_msg_id").as_deref(), Some("17-2"));
        assert_eq!(field(&fields, "data").unwrap(), &entry[0].1);
        assert_eq!(get("trace_id").as_deref(), Some(""));
        assert_eq!(get("key").as_deref(), Some("web:c1"));
        assert_eq!(get("attempt").as_deref(), Some("3"));
        assert_eq!(get("first_at").as_deref(), Some("17"));
        assert_eq!(get("mid"), None);
    }
}
