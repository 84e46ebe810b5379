//! What a server says in a reply beside result and error, and in notifications: the words of the wire.

/// Key of a reply's error that tells a call which was never run, or not to its end, from a handler's own failure.
pub(super) const KIND: &str = "kind";

/// [`KIND`]: the deadline had passed.
pub(super) const EXPIRED: &str = "expired";

/// [`KIND`]: the caller had cancelled it.
pub(super) const CANCELLED: &str = "cancelled";

/// [`KIND`]: the deadline came while it ran.
pub(super) const OUT_OF_TIME: &str = "timeout";

/// Codes of failures that do not come from a handler itself.
pub mod code {
    /// The arguments do not fit.
    pub const INVALID_ARGUMENTS: &str = "invalid_arguments";
    /// Nothing of that name is served.
    pub const UNKNOWN: &str = "unknown_tool";
    /// The handler panicked.
    pub const PANICKED: &str = "panicked";
    /// The handler ran longer than its own limit.
    pub const TIMEOUT: &str = "timeout";
    /// The answer is larger than a body may be, or cannot be encoded.
    pub const BAD_ANSWER: &str = "bad_answer";
    /// The caller's catalog is not the one in force (the original's code).
    pub const CATALOG_STALE: &str = "CATALOG_STALE";
}
