//! Every stream, group, key, channel and field name: the only place that spells one.
//!
//! Names of streams and groups are settings ([`Topology`]), because a fleet may have chosen its own; the keys that
//! delivery needs are derived from the stream and the group, so that they stand in the stream's slot. Only the name of
//! a stream enters them as it is; all else is [`encode`]d, so that no two things ever share a key.

pub mod redis_platform;

use std::sync::Arc;

/// A stream, group or key name. Cheap to clone.
pub type Name = Arc<str>;

/// Names of fields of a stream entry.
pub mod field {
    /// msgpack of the envelope.
    pub const DATA: &str = "data";
    /// Decimal text of epoch seconds (inferred: the original's format is not documented).
    pub const TS: &str = "ts";
    /// Trace id, `""` when absent.
    pub const TRACE_ID: &str = "trace_id";
    /// The lane (ordering key); absent: derived from the envelope.
    pub const KEY: &str = "key";
    /// Message id, for idempotent publishing.
    pub const MID: &str = "mid";
    /// `1` on an unaddressed inbound entry.
    pub const UNADDRESSED: &str = "ua";
    /// W3C `traceparent`.
    pub const TRACEPARENT: &str = "tp";
    /// W3C `tracestate`.
    pub const TRACESTATE: &str = "tst";
    /// Length in bytes of the body that `ref` names, decimal text.
    pub const LEN: &str = "len";
    /// Name of the key that holds a big body.
    pub const REF: &str = "ref";
    /// Dead letter: stream it came from.
    pub const ORIGINAL_STREAM: &str = "original_stream";
    /// Dead letter: id it had there.
    pub const ORIGINAL_MSG_ID: &str = "original_msg_id";
    /// Dead letter: text of the last error.
    pub const ERROR: &str = "error";
    /// Dead letter: decimal number of starts.
    pub const ATTEMPT: &str = "attempt";
    /// Dead letter: group that gave it up.
    pub const GROUP: &str = "group";
    /// Dead letter: code of the reason.
    pub const REASON: &str = "reason";
    /// Dead letter: when the entry was first stored, milliseconds since 1970.
    pub const FIRST_AT: &str = "first_at";
    /// Dead letter: when it was given up, milliseconds since 1970.
    pub const DEAD_AT: &str = "dead_at";
    /// Dead letter: identity that gave it up.
    pub const CONSUMER: &str = "consumer";
    /// Dead letter, and an entry that was put back: msgpack list of earlier lives.
    pub const HISTORY: &str = "history";
}

/// Longest message id.
pub const MAX_MESSAGE_ID_BYTES: usize = 256;

/// A key beside a stream under which nothing is ever kept: rights are tried on it.
pub fn probe_key(stream: &str) -> Name {
    format!("{stream}:probe").into()
}

/// Names of streams and groups of one bus.
///
/// Defaults are those of the original (`SG_INBOUND_STREAM`, `SG_OUTBOUND_STREAM_PREFIX`, `SG_WORKER_GROUP`,
/// `SG_GATEWAY_GROUP_PREFIX` change them, see [`crate::config::BusConfig::from_env`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topology {
    /// Gateways to workers.
    pub inbound_stream: String,
    /// Workers to a platform's gateway: this, a colon, the platform.
    pub outbound_stream_prefix: String,
    /// Group of the workers on the inbound stream.
    pub worker_group: String,
    /// Group of a platform's gateways: this, a colon, the platform.
    pub gateway_group_prefix: String,
    /// Tool requests.
    pub tools_stream: String,
    /// Group of the tool services.
    pub tools_group: String,
    /// Tool replies of one worker: this, a colon, the worker's id.
    pub tools_reply_prefix: String,
    /// Keys of the tool catalog: this, a colon, what they hold.
    pub tools_catalog_prefix: String,
    /// Channel on which a new catalog is told.
    pub tools_catalog_channel: String,
    /// Dead letters of every group.
    pub dead_letter_stream: String,
    /// Streams of the generic `publish`/`consume`: this, a colon, the name given.
    pub stream_prefix: String,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            inbound_stream: "sg:stream:inbound".into(),
            outbound_stream_prefix: "sg:stream:outbound".into(),
            worker_group: "sg:workers".into(),
            gateway_group_prefix: "sg:gateway".into(),
            tools_stream: "sg:stream:tools".into(),
            tools_group: "sg:tools".into(),
            tools_reply_prefix: "sg:tools:reply".into(),
            tools_catalog_prefix: "sg:tools:catalog".into(),
            tools_catalog_channel: "sg:pubsub:tools:catalog".into(),
            dead_letter_stream: "sg:stream:dlq".into(),
            stream_prefix: "sg:stream".into(),
        }
    }
}

impl Topology {
    /// The outbound stream of a platform.
    pub fn outbound_stream(&self, platform: &str) -> Name {
        format!("{}:{}", self.outbound_stream_prefix, encode(platform)).into()
    }

    /// The group of a platform's gateways.
    pub fn gateway_group(&self, platform: &str) -> Name {
        format!("{}:{}", self.gateway_group_prefix, encode(platform)).into()
    }

    /// The reply stream of a worker.
    pub fn tools_reply_stream(&self, worker: &str) -> Name {
        format!("{}:{}", self.tools_reply_prefix, encode(worker)).into()
    }

    /// Whether a request may name this stream for its answer: the reply stream of somebody.
    pub fn is_reply_stream(&self, name: &str) -> bool {
        let of = name.strip_prefix(&self.tools_reply_prefix).and_then(|rest| rest.strip_prefix(':'));
        of.is_some_and(|of| !of.is_empty()) && name.len() <= MAX_REPLY_TO
    }

    /// The stream of a service's requests; that of the shared service when none is named.
    pub fn service_stream(&self, service: Option<&str>) -> Name {
        of_service(&self.tools_stream, service)
    }

    /// The group of a service's servers; that of the shared service when none is named.
    pub fn service_group(&self, service: Option<&str>) -> Name {
        of_service(&self.tools_group, service)
    }

    /// The stream behind a name given to the generic calls. A name with a colon is taken as it is, so that every
    /// stream of the server can be reached.
    pub fn named_stream(&self, name: &str) -> Name {
        if name.contains(':') { name.into() } else { format!("{}:{name}", self.stream_prefix).into() }
    }
}

/// The longest name of a reply stream, in bytes.
const MAX_REPLY_TO: usize = 512;

fn of_service(shared: &str, service: Option<&str>) -> Name {
    match service {
        None => shared.into(),
        Some(service) => format!("{shared}:{}", encode(service)).into(),
    }
}

/// The longest name of a stream or a group, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The keys of the tool catalog. `seq`, `v{n}` and `current` are the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogKeys {
    prefix: Name,
    /// Counter: the last version that was begun.
    pub seq: Name,
    /// Text: the version in force.
    pub current: Name,
    /// Hash: instance to its service; all that have a part, alive or not.
    pub instances: Name,
    /// Text: who looks after the catalog at the moment.
    pub keeper: Name,
}

impl CatalogKeys {
    /// The keys of a topology.
    pub fn new(topology: &Topology) -> Self {
        let prefix = topology.tools_catalog_prefix.as_str();
        let key = |suffix: &str| -> Name { format!("{prefix}:{suffix}").into() };
        Self {
            prefix: prefix.into(),
            seq: key("seq"),
            current: key("current"),
            instances: key("instances"),
            keeper: key("keeper"),
        }
    }

    /// A version of the catalog, msgpack.
    pub fn version(&self, version: &str) -> Name {
        format!("{}:v{}", self.prefix, encode(version)).into()
    }

    /// Says of a version that one of us wrote it.
    pub fn ours(&self, version: &str) -> Name {
        format!("{}:ours:{}", self.prefix, encode(version)).into()
    }

    /// What an instance adds to the catalog.
    pub fn part(&self, instance: &str) -> Name {
        format!("{}:part:{}", self.prefix, encode(instance)).into()
    }

    /// What an instance tells of itself, for as long as it lives.
    pub fn live(&self, instance: &str) -> Name {
        format!("{}:live:{}", self.prefix, encode(instance)).into()
    }
}

/// An id as it stands in a key name: `[A-Za-z0-9_-]` as they are, everything else percent-encoded.
pub fn encode(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            out.push(byte as char);
        } else {
            use std::fmt::Write;
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The keys of one group, all of them next to the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKeys {
    /// Hash: identity to fence, `#mode` and `#holder`.
    pub consumers: Name,
    /// Hash: identity to a number that each renewal raises.
    pub beats: Name,
    /// Hash: lane to `identity|n`, its owner and how many of its entries are unsettled.
    pub lanes: Name,
    /// Hash: entry id to its record of starts.
    pub tries: Name,
    /// Sorted set: consumers that rest or watch.
    pub idle: Name,
    /// String: a point below the oldest unfinished entry.
    pub mark: Name,
    /// Pub/Sub channel prefix; a resting consumer listens on this, a colon, its identity.
    pub bell: Name,
}

impl GroupKeys {
    /// The keys of `group` on `stream`.
    pub fn new(stream: &str, group: &str) -> Self {
        let group = encode(group);
        let key = |suffix: &str| -> Name { format!("{stream}:{group}:{suffix}").into() };
        Self {
            consumers: key("consumers"),
            beats: key("beats"),
            lanes: key("lanes"),
            tries: key("tries"),
            idle: key("idle"),
            mark: key("mark"),
            bell: key("bell"),
        }
    }

    /// The field of `consumers` that holds ordering mode, retention and layout.
    pub const MODE_FIELD: &'static str = "#mode";

    /// The field of `consumers` that names the identity which alone reads what is new (mode `exclusive`).
    pub const HOLDER_FIELD: &'static str = "#holder";

    /// How fields of `beats` begin that name no identity: up to where somebody else may have finished entries without
    /// deleting them (`#clean`), whose consumers somebody deleted (`#torn`), and from where an identity reads again
    /// (`#back:`).
    pub const NO_IDENTITY: &'static str = "#";
}

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

/// The original's lock of a channel, by the channel's id or key; holds the token of whoever runs the channel.
pub fn channel_lock(id: &str) -> Name {
    format!("sg:lock:channel:{id}").into()
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

/// The original's stream of lifecycle events, unless another one is named.
pub fn event_stream() -> Name {
    "maf:events".into()
}

/// Whether a key is one that holds a big body beside `stream`.
pub fn is_body_key(stream: &str, key: &str) -> bool {
    key.strip_prefix(stream).is_some_and(|rest| rest.starts_with(":body:#"))
}

/// Marker of a dead letter that was put back; holds the new entry's id for the length of the dedupe window.
pub fn replayed_key(letters: &str, letter: &str) -> Name {
    of_id(letters, "replayed", letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_names_are_the_defaults() {
        let t = Topology::default();
        assert_eq!(&*t.outbound_stream("discord"), "sg:stream:outbound:discord");
        assert_eq!(&*t.gateway_group("discord"), "sg:gateway:discord");
        assert_eq!(&*t.tools_reply_stream("worker-ab12cd34"), "sg:tools:reply:worker-ab12cd34");
        assert_eq!(&*t.named_stream("orders"), "sg:stream:orders");
        assert_eq!(&*t.named_stream("my:own"), "my:own");
        assert_eq!(&*channel_lock("web:c1"), "sg:lock:channel:web:c1");
    }

    #[test]
    fn the_catalog_stands_where_the_original_reads_it() {
        let keys = CatalogKeys::new(&Topology::default());
        assert_eq!((&*keys.seq, &*keys.current), ("sg:tools:catalog:seq", "sg:tools:catalog:current"));
        assert_eq!(&*keys.version("7"), "sg:tools:catalog:v7");
        assert_eq!(&*keys.live("tools-1"), "sg:tools:catalog:live:tools-1");
        assert_eq!(Topology::default().tools_catalog_channel, "sg:pubsub:tools:catalog");
    }

    #[test]
    fn ids_are_encoded_before_they_enter_a_name() {
        assert_eq!(encode("worker-a_1"), "worker-a_1");
        assert_eq!(encode("a:b é"), "a%3Ab%20%C3%A9");
    }

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
