//! The keys beside a stream, each under an id: marks, bodies, what is remembered.

use super::{Name, encode};

/// Longest message id.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;

/// Hash of a stream: the groups that count for safe trimming, with their last sign of life.
pub fn groups_key(stream: &str) -> Name {
    format!("{stream}:groups").into()
}

/// Marker of a message id on a stream; holds the entry's id for the length of the dedupe window.
pub fn message_id_key(stream: &str, message_id: &str) -> Name {
    of_id(stream, "mid", message_id)
}

/// The message id under which a platform's message is published, so that one that the platform delivers twice is stored
/// once; `None` when it would be longer than a message id may be.
pub fn received_id(platform: &str, channel: &str, message: &str) -> Option<String> {
    let id = format!("{}:{}:{}", encode(platform), encode(channel), encode(message));
    (id.len() <= MAX_MESSAGE_ID_BYTES).then_some(id)
}

/// Channel on which those who serve a stream's requests are told what nobody waits for any more.
pub fn control_channel(stream: &str) -> Name {
    format!("{stream}:control").into()
}

/// Mark of a request that its caller cancelled; stands as long as the request may be read.
pub fn cancelled_key(stream: &str, correlation_id: &str) -> Name {
    of_id(stream, "cancelled", correlation_id)
}

/// Mark of a request that was answered; stands as long as it may be read again.
pub fn answered_key(stream: &str, correlation_id: &str) -> Name {
    of_id(stream, "answered", correlation_id)
}

/// What a finished call is remembered under.
pub fn memo_key(stream: &str, memo: &str) -> Name {
    of_id(stream, "memo", memo)
}

/// Channel on which it is told that a call to be remembered has ended.
pub fn memo_channel(memo_key: &str) -> Name {
    format!("{memo_key}:ended").into()
}

/// Key that holds a body too big for its entry, under an id of its own.
pub fn body_key(stream: &str, id: &str) -> Name {
    of_id(stream, "body", id)
}

/// Mark of what a platform's gateways sent, by its message key, beside the outbound stream.
pub fn sent_key(stream: &str, message_key: &str) -> Name {
    of_id(stream, "sent", message_key)
}

/// [`sent_key`] of what has no message key, by its entry.
pub fn sent_entry_key(stream: &str, entry: &str) -> Name {
    of_id(stream, "sent-entry", entry)
}

/// A key of one id. The `#` keeps it apart from the keys of a group that is called like `what`.
fn of_id(stream: &str, what: &str, id: &str) -> Name {
    format!("{stream}:{what}:#{}", encode(id)).into()
}

/// Key that holds the big body of a dead letter: beside the letters, so that it lives as long as the letter.
pub fn letter_body_key(letters: &str, stream: &str, group: &str, entry: &str) -> Name {
    body_key(letters, &format!("{stream}:{group}:{entry}"))
}

/// Whether a key is one that holds a big body beside `stream`.
pub fn is_body_key(stream: &str, key: &str) -> bool {
    key.strip_prefix(stream).is_some_and(|rest| rest.starts_with(":body:#"))
}

/// Marker of a dead letter that was put back; holds the new entry's id for the length of the dedupe window.
pub fn replayed_key(letters: &str, letter: &str) -> Name {
    of_id(letters, "replayed", letter)
}

/// A key beside a stream under which nothing is ever kept: rights are tried on it.
pub fn probe_key(stream: &str) -> Name {
    format!("{stream}:probe").into()
}

#[cfg(test)]
mod tests {
    use super::super::GroupKeys;
    use super::*;

    #[test]
    fn no_two_things_share_a_key() {
        // Streams and groups whose names could be cut elsewhere.
        assert_ne!(GroupKeys::new("s", "eu:g").lanes, GroupKeys::new("s:eu", "g").lanes);
        // A group that is called like the keys of message ids, and ids that are called like the keys of a group.
        assert_ne!(GroupKeys::new("s", "mid").lanes, message_id_key("s", "lanes"));
        assert_ne!(message_id_key("s", "a:mid:b"), message_id_key("s:mid:a", "b"));
        assert_ne!(message_id_key("s", "groups"), groups_key("s:mid"));
        assert_ne!(sent_key("s", "1-0"), sent_entry_key("s", "1-0"));
        assert_eq!(&*message_id_key("s", "{a}*"), "s:mid:#%7Ba%7D%2A");
    }

    #[test]
    fn a_received_message_has_an_id_of_its_own() {
        assert_eq!(received_id("web", "c 1", "m1").as_deref(), Some("web:c%201:m1"));
        assert_ne!(received_id("web", "a:b", "c"), received_id("web", "a", "b:c"));
        assert_eq!(received_id("web", "c", &"m".repeat(MAX_MESSAGE_ID_BYTES)), None);
    }

    #[test]
    fn group_keys_stand_next_to_the_stream() {
        let keys = GroupKeys::new("s", "g");
        assert_eq!(&*keys.lanes, "s:g:lanes");
        assert_eq!(&*message_id_key("s", "m1"), "s:mid:#m1");
        assert_eq!(&*body_key("s", "m1"), "s:body:#m1");
    }
}
