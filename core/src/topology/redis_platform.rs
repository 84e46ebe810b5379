//! Keys, channels, fields and members of the Redis platform: the original's, and ours beside them.
//!
//! An id stands behind everything else in a name, so no two ids ever share a key. Which of the original's names are
//! documented and which are inferred is said at each; the inferred ones are settings ([`RedisPlatformNames`]), so that
//! a live fleet can be met without a new release.

use super::{Name, encode};

/// Set: ids of all instances.
pub const INSTANCES: &str = "redis_platform:instances";

/// Fields of an instance's hash, of a file's hash and members of a user's record.
pub mod member {
    /// Instance: the key in clear, as the original keeps it.
    pub const API_KEY: &str = "api_key";
    /// Instance: when it was made (UTC, ISO 8601).
    pub const CREATED_AT: &str = "created_at";
    /// Instance, user: name as shown.
    pub const DISPLAY_NAME: &str = "display_name";
    /// Instance: never stored, stands in what is read.
    pub const INSTANCE_ID: &str = "instance_id";
    /// User: its id (inferred).
    pub const USER_ID: &str = "user_id";
    /// User: whatever else (inferred).
    pub const METADATA: &str = "metadata";
    /// User: when it was registered (UTC, ISO 8601).
    pub const REGISTERED_AT: &str = "registered_at";
    /// File: its bytes as they are. Ours.
    pub const BYTES: &str = "bytes";
    /// File: its name (inferred).
    pub const FILENAME: &str = "filename";
    /// File: its type (inferred).
    pub const MIMETYPE: &str = "mimetype";
    /// File: how many bytes it has (inferred).
    pub const SIZE: &str = "size";
    /// File: when it was stored (UTC, ISO 8601; inferred).
    pub const TIMESTAMP: &str = "timestamp";
    /// File: the instance it was sent to (inferred).
    pub const CHANNEL_ID: &str = "channel_id";
}

/// Names of the original that are inferred, and whether ids stand in key names as the original writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisPlatformNames {
    /// Ids stand in key names as they are, instead of percent-encoded where they hold more than `[A-Za-z0-9_-]`. No.
    pub plain_ids: bool,
    /// Field of a file's hash with base64 text (inferred: `data`).
    pub file_field: String,
    /// Lock of the one who waits for an instance's replies: this, a colon, the id (inferred).
    pub wait_lock: String,
    /// Keys of the original's pipeline that are deleted with an instance, `{id}` for the instance's id (how the id
    /// stands in all but the last is inferred).
    pub channel_state: Vec<String>,
    /// Member of a reply with the message's id (inferred: `message_id`).
    pub reply_message_id: String,
    /// Member of a reply with the file's id (inferred: `file_id`).
    pub reply_file_id: String,
    /// Member of a reply with the file's address (inferred: `url`).
    pub reply_url: String,
    /// Member of a turn's end with the nonce (inferred: `nonce`).
    pub reply_nonce: String,
}

impl Default for RedisPlatformNames {
    fn default() -> Self {
        let state = |name: &str| format!("{name}:redis:{{id}}");
        Self {
            plain_ids: false,
            file_field: "data".into(),
            wait_lock: "redis_platform:wait_lock".into(),
            channel_state: vec![
                state("message_batching_disabled"),
                state("message_batching_enabled"),
                state("message_batching_batch_window"),
                state("channel_goals"),
                state("channel_recall_zset"),
                state("channel_msgs"),
            ],
            reply_message_id: "message_id".into(),
            reply_file_id: "file_id".into(),
            reply_url: "url".into(),
            reply_nonce: "nonce".into(),
        }
    }
}

impl RedisPlatformNames {
    /// Hash: what is known of an instance.
    pub fn meta(&self, instance: &str) -> Name {
        self.of("redis_platform:meta", instance)
    }

    /// Hash: SHA-256 of each key of an instance, in hexadecimal digits, to when it was given out. Ours.
    pub fn keys(&self, instance: &str) -> Name {
        ours("keys", &[instance])
    }

    /// Hash: the users of an instance, id to record (JSON).
    pub fn users(&self, instance: &str) -> Name {
        self.of("redis_platform:users", instance)
    }

    /// Hash: a file and what is known of it.
    pub fn file(&self, file: &str) -> Name {
        self.of("redis_platform:file", file)
    }

    /// Stream: everything said to an instance lately. Ours.
    pub fn replies(&self, instance: &str) -> Name {
        ours("replies", &[instance])
    }

    /// Stream: everything said to an instance in one turn. Ours.
    pub fn turn(&self, instance: &str, turn: &str) -> Name {
        ours("turn", &[instance, turn])
    }

    /// String: that a reply to an instance was stored under this message key, and what was answered. Ours.
    pub fn said(&self, instance: &str, message_key: &str) -> Name {
        ours("said", &[instance, message_key])
    }

    /// Sorted set: `file:`, `turn:` or `said:` with the id of what belongs to an instance and has a life of its own, by when that
    /// ends (milliseconds since 1970). Ours.
    pub fn belongings(&self, instance: &str) -> Name {
        ours("belongings", &[instance])
    }

    /// String: lock of the one who waits for replies.
    pub fn wait_lock(&self, instance: &str) -> Name {
        self.of(&self.wait_lock, instance)
    }

    /// Keys of the pipeline that end with the instance.
    pub fn channel_state(&self, instance: &str) -> Vec<Name> {
        let id = self.id(instance);
        self.channel_state.iter().map(|template| template.replace("{id}", &id).into()).collect()
    }

    /// Pub/Sub channel of an instance's replies. The id stands in it as it is, as subscribers of the original's spell it.
    pub fn response_channel(&self, instance: &str) -> Name {
        format!("stargazer:redis_platform:response:{instance}").into()
    }

    fn of(&self, kind: &str, id: &str) -> Name {
        format!("{kind}:{}", self.id(id)).into()
    }

    fn id(&self, id: &str) -> String {
        if self.plain_ids { id.to_owned() } else { encode(id) }
    }
}

/// A key that only we have: ids in it are always encoded, so that a second one may follow.
fn ours(kind: &str, ids: &[&str]) -> Name {
    let ids: Vec<String> = ids.iter().map(|id| encode(id)).collect();
    format!("redis_platform:{kind}:{}", ids.join(":")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_names_are_the_defaults() {
        let names = RedisPlatformNames::default();
        assert_eq!(&*names.meta("a1"), "redis_platform:meta:a1");
        assert_eq!(&*names.users("a1"), "redis_platform:users:a1");
        assert_eq!(&*names.file("f1"), "redis_platform:file:f1");
        assert_eq!(&*names.wait_lock("a1"), "redis_platform:wait_lock:a1");
        assert_eq!(&*names.response_channel("a b"), "stargazer:redis_platform:response:a b");
        assert!(names.channel_state("a1").contains(&"channel_msgs:redis:a1".into()));
    }

    #[test]
    fn ids_are_encoded_unless_the_originals_form_is_asked_for() {
        let mut names = RedisPlatformNames::default();
        assert_eq!(&*names.meta("a:b *"), "redis_platform:meta:a%3Ab%20%2A");
        assert_ne!(names.meta("a%3Ab"), names.meta("a:b"));
        names.plain_ids = true;
        assert_eq!(&*names.meta("a:b *"), "redis_platform:meta:a:b *");
        assert_eq!(&*names.turn("a:b", "t"), "redis_platform:turn:a%3Ab:t");
        assert_ne!(names.turn("a", "b:c"), names.turn("a:b", "c"));
    }
}
