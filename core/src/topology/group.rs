//! The keys of one group.

use super::{Name, encode};

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
