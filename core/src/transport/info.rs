//! A server, its streams and groups at a glance.

use std::time::Duration;

use super::EntryId;

/// A stream at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Entries in it.
    pub length: u64,
    /// The last id it ever gave.
    pub last_id: EntryId,
    /// Its first entry.
    pub first_entry: Option<EntryId>,
    /// Its groups.
    pub groups: Vec<GroupInfo>,
}

/// A group at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Name.
    pub name: String,
    /// Consumers.
    pub consumers: u64,
    /// Entries handed out and not finished.
    pub pending: u64,
    /// The last id handed out.
    pub last_delivered: EntryId,
    /// Entries not handed out yet; `None` when the server does not know.
    pub lag: Option<u64>,
    /// How long until the oldest entry that it has not finished is trimmed, at the present rate and no later; zero when
    /// one is gone already. With nothing unfinished: what an entry that comes now has. `None` from a
    /// transport, where the retention is not `capped`, and without a rate: fewer than two entries, or all within a
    /// millisecond.
    pub time_to_loss: Option<Duration>,
}

/// Pending entries of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingInfo {
    /// How many.
    pub count: u64,
    /// The oldest.
    pub oldest: Option<EntryId>,
    /// The newest.
    pub newest: Option<EntryId>,
    /// How many each consumer holds.
    pub consumers: Vec<(String, u64)>,
}

/// What the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// `redis`, `valkey` or `memory`.
    pub name: String,
    /// Version, e.g. `7.0.15`.
    pub version: String,
    /// Its replication id, which changes with a failover; with a restart the run id does. Empty when it does not say.
    pub run_id: String,
    /// Whether it takes writes; `None` when it does not say.
    pub primary: Option<bool>,
}
