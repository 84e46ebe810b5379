//! Steps in the life of messages, kept by trace id.

use std::time::Duration;

use bytes::Bytes;

use crate::topology::Name;

/// The most steps that one call may carry.
pub const MAX_STEPS: usize = 500;

/// The most steps that a trace keeps; those after them are counted, and only the state moves on.
pub const MOST_KEPT: usize = 1000;

/// How long a trace lives after its last step (the original's failsafe).
pub const TRACE_TTL: Duration = Duration::from_secs(86_400);

/// One step of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// The trace.
    pub key: Name,
    /// The state it comes to.
    pub state: &'static str,
    /// The states that it may come from.
    pub from: &'static [&'static str],
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What is kept of it: JSON.
    pub text: Bytes,
    /// What replaces the checkpoint of the trace.
    pub checkpoint: Option<Bytes>,
}
