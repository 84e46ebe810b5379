//! Every stream, group, key, channel and field name: the only place that spells one.
//!
//! Names of streams and groups are settings ([`Topology`]), because a fleet may have chosen its own; the keys that
//! delivery needs are derived from the stream and the group, so that they stand in the stream's slot. Only the name of
//! a stream enters them as it is; all else is [`encode`]d, so that no two things ever share a key.

mod beside;
mod catalog;
pub mod field;
mod group;
mod locks;
pub mod redis_platform;
mod trace;

use std::sync::Arc;

pub use beside::*;
pub use catalog::CatalogKeys;
pub use group::GroupKeys;
pub use locks::{channel_lock, fence_key, lease_key, lock_channel, named_lock};
pub use trace::{trace_field, trace_key};

/// A stream, group or key name. Cheap to clone.
pub type Name = Arc<str>;

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
    /// Streams of the generic `publish`/`consume`: this, a colon, the name given; empty: the name as it is.
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
        let as_it_is = name.contains(':') || self.stream_prefix.is_empty();
        if as_it_is { name.into() } else { format!("{}:{name}", self.stream_prefix).into() }
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

/// The original's stream of lifecycle events, unless another one is named.
pub fn event_stream() -> Name {
    "maf:events".into()
}

/// The group in which the original's consumer of several platforms reads their outbound streams.
pub fn shared_gateway_group() -> Name {
    "stargazer_gateways".into()
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
        let plain = Topology { stream_prefix: String::new(), ..Topology::default() };
        assert_eq!(&*plain.named_stream("orders"), "orders");
    }

    #[test]
    fn ids_are_encoded_before_they_enter_a_name() {
        assert_eq!(encode("worker-a_1"), "worker-a_1");
        assert_eq!(encode("a:b é"), "a%3Ab%20%C3%A9");
    }
}
