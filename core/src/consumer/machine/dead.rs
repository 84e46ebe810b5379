//! What a dead letter says: the original's fields in its spelling, then ours.

use bytes::Bytes;

use crate::envelope::{DeadLetter, EntryFields, Life, MAX_LANE_BYTES, cut};
use crate::topology::{Name, field as name, letter_body_key};
use crate::transport::{EntryId, Fields};

/// The handler said no.
pub(super) const REJECTED: &str = "rejected";
/// The handler failed as often as it may.
pub(super) const SPENT: &str = "max_attempts";
/// Its process died at every start.
pub(super) const CRASHED: &str = "crashed";
/// What stands as error text when the handler gave none.
pub(super) const SPENT_TEXT: &str = "the handler asked for another attempt, but none was left";

/// What stands as error text when the handler ran out of its time and gave the entry back.
pub(super) const LATE_TEXT: &str = "the handler ran longer than handler_timeout";

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
    /// Stream of the dead letters.
    pub letters: &'a str,
    /// Key of the entry's big body, which was brought in.
    pub body: Option<&'a Name>,
}

impl Letter<'_> {
    /// The fields of the dead letter of `entry`; its own bytes and fields are carried over untouched. A big body is
    /// not sent again: the letter names the key that the server moves it to.
    pub(super) fn fields(&self, entry: &Fields) -> Fields {
        let mut entry = EntryFields::read(entry);
        // A lane no reader could use is kept as it came, so that nothing of the entry is lost.
        if let Some(key) = entry.key.take_if(|key| key.len() > MAX_LANE_BYTES || std::str::from_utf8(key).is_err()) {
            entry.rest.push((Bytes::from_static(name::KEY.as_bytes()), key));
        }
        let id = self.id.to_string();
        if self.body.is_some() && entry.body_ref.is_none() {
            entry.take_body(&*letter_body_key(self.letters, self.stream, self.group, &id));
        }
        let life = Life {
            stream: self.stream.into(),
            id,
            group: self.group.into(),
            consumer: self.consumer.into(),
            reason: self.reason.into(),
            error: cut(self.error, MOST_TEXT).into(),
            attempt: self.attempts.into(),
            first_at: self.id.ms,
            dead_at: self.dead_at_ms,
            ..Life::default()
        };
        // Only a lane could be refused, and that was seen to above.
        DeadLetter::new(entry, life).write().unwrap_or_default()
    }
}

/// Bytes of an error's text in a dead letter.
const MOST_TEXT: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::field;

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
            letters: "d",
            body: None,
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

    #[test]
    fn a_very_long_error_is_cut_between_characters() {
        assert_eq!(cut("short", MOST_TEXT), "short");
        assert_eq!(cut(&"ä".repeat(5000), MOST_TEXT).len(), MOST_TEXT);
        assert_eq!(cut(&format!("x{}", "ä".repeat(5000)), MOST_TEXT).len(), MOST_TEXT - 1);
    }

    #[test]
    fn a_big_body_is_named_where_the_letter_keeps_it() {
        let letter = |body| Letter {
            id: EntryId::new(1, 0),
            stream: "s",
            group: "g",
            consumer: "w",
            reason: REJECTED,
            error: "x",
            attempts: 1,
            dead_at_ms: 2,
            letters: "d",
            body,
        };
        let key: Name = "s:body:#m".into();
        let entry: Fields = vec![(Bytes::from_static(b"data"), Bytes::from_static(b"big"))];
        let fields = letter(Some(&key)).fields(&entry);
        assert_eq!(field(&fields, "ref").unwrap(), &b"d:body:#s%3Ag%3A1-0"[..]);
        assert_eq!((field(&fields, "len").unwrap(), field(&fields, "data").unwrap()), (&"3".into(), &Bytes::new()));
        // A body that could not be brought in: the letter says which it was.
        let entry: Fields = vec![
            (Bytes::from_static(b"data"), Bytes::new()),
            (Bytes::from_static(b"ref"), Bytes::from_static(b"s:body:#m")),
        ];
        assert_eq!(field(&letter(Some(&key)).fields(&entry), "ref").unwrap(), &b"s:body:#m"[..]);
    }

    #[test]
    fn a_lane_that_no_reader_could_use_is_kept_too() {
        for key in [vec![b'x'; 600], vec![0xff, 0xfe]] {
            let entry: Fields = vec![
                (Bytes::from_static(b"data"), Bytes::from_static(b"\x80")),
                (Bytes::from_static(b"key"), key.clone().into()),
                (Bytes::from_static(b"unknown"), Bytes::from_static(b"kept")),
            ];
            let letter = Letter {
                id: EntryId::new(1, 0),
                stream: "s",
                group: "g",
                consumer: "w",
                reason: "malformed",
                error: "x",
                attempts: 0,
                dead_at_ms: 2,
                letters: "d",
                body: None,
            };
            let fields = letter.fields(&entry);
            assert_eq!(field(&fields, "key").unwrap(), &key);
            assert_eq!(field(&fields, "unknown").unwrap(), &b"kept"[..]);
        }
    }
}
