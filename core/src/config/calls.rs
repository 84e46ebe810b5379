//! Settings of calls.

use std::time::Duration;

use super::{at_least, out_of_range};
use crate::error::Result;

/// How a bus makes and serves calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallConfig {
    /// First part of the name of its reply stream; the rest is random. `worker`.
    pub name: String,
    /// How long a call waits for its answer, unless it says otherwise. 30 s.
    pub timeout: Duration,
    /// How long a call waits for a server of its service to show up, where nobody serves it, before it fails with `NoWorker`;
    /// at most its own timeout. 2 s.
    pub no_worker_after: Duration,
    /// How long a finished call is remembered. 1 hour.
    pub memo_ttl: Duration,
    /// How long a reply stream outlives a bus that died without closing. 10 minutes.
    pub reply_ttl: Duration,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            name: "worker".into(),
            timeout: Duration::from_secs(30),
            no_worker_after: Duration::from_secs(2),
            memo_ttl: Duration::from_secs(3600),
            reply_ttl: Duration::from_secs(600),
        }
    }
}

impl CallConfig {
    /// Checks every range.
    pub(super) fn validate(&self) -> Result<()> {
        if self.name.is_empty() || self.name.len() > 100 {
            return Err(out_of_range("calls.name", format!("{:?}", self.name), "1 to 100 bytes"));
        }
        at_least("calls.timeout", self.timeout, Duration::from_millis(1))?;
        at_least("calls.memo_ttl", self.memo_ttl, Duration::from_secs(1))?;
        at_least("calls.reply_ttl", self.reply_ttl, Duration::from_secs(1))
    }
}
