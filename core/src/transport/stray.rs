//! Entries that no session of ours holds, and the consumers they were left with.

use std::time::Duration;

use super::EntryId;
use crate::topology::Name;

/// A consumer of the group that is not registered and has held nothing for this long is removed.
pub const GONE: Duration = Duration::from_secs(600);

/// Where a walk over strays goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayPage {
    /// The consumer whose pending list is read; none for entries that were handed out and are pending for nobody.
    pub of: Option<Name>,
    /// The last id that was looked at.
    pub after: EntryId,
}

/// What to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Which page; none for the first.
    pub page: Option<StrayPage>,
    /// Entries that a consumer without registration has held for at least this long, by the server's clock.
    pub min_idle: Duration,
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gathered {
    /// The next page; none at the end.
    pub next: Option<StrayPage>,
    /// Entries that are pending again, for the owners of their lanes or for this session. They may be below everything
    /// that those have received.
    pub taken: Vec<EntryId>,
    /// Entries that had been deleted; they count as finished.
    pub vanished: Vec<EntryId>,
}
