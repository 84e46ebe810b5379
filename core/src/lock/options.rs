//! Settings of locks and leases, checked when one is made.

use std::time::Duration;

use crate::error::{Error, Result};

/// How a lock is taken and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockOptions {
    /// How long it lasts unless it is renewed; 100 ms to 1 day. 30 s.
    pub ttl: Duration,
    /// Renew it after each third of `ttl` for as long as it is held. Yes.
    pub auto_renew: bool,
    /// How often at most it is renewed by itself, so that an owner that is stuck does not keep it for ever. No limit.
    pub max_renewals: Option<u32>,
    /// Whether its loss ends what runs under it: [`super::Lock::run`], in Python the owner's task, in Node the signal.
    /// Otherwise it is only told. Yes.
    pub abort_on_loss: bool,
    /// How long taking it waits for others, and for a server that cannot be reached. No limit.
    pub wait: Option<Duration>,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(30), auto_renew: true, max_renewals: None, abort_on_loss: true, wait: None }
    }
}

impl LockOptions {
    /// How long it lasts unless it is renewed.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Whether it is renewed by itself.
    #[must_use]
    pub fn with_auto_renew(mut self, on: bool) -> Self {
        self.auto_renew = on;
        self
    }

    /// How often at most.
    #[must_use]
    pub fn with_max_renewals(mut self, most: Option<u32>) -> Self {
        self.max_renewals = most;
        self
    }

    /// Whether its loss ends what runs under it.
    #[must_use]
    pub fn with_abort_on_loss(mut self, on: bool) -> Self {
        self.abort_on_loss = on;
        self
    }

    /// How long taking it waits.
    #[must_use]
    pub fn with_wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        lasting(self.ttl)
    }
}

/// A time to live that can be kept: a watchdog needs some round trips in it.
pub(super) fn lasting(ttl: Duration) -> Result<()> {
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(24 * 3600));
    if (least..=most).contains(&ttl) {
        return Ok(());
    }
    Err(Error::invalid(format!("ttl is {least:?} to {most:?}, not {ttl:?}")).with_context("setting", "ttl"))
}
