//! The time of a bus that was connected with `virtual_time`, for tests that wait for nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, ManualClock};

/// Time that its owner moves: retries, leases, time limits and windows of the bus run by it, while what handlers do takes no time of it.
#[derive(Debug, Clone)]
pub struct Time(Arc<ManualClock>);

impl Time {
    pub(super) fn new(clock: Arc<ManualClock>) -> Self {
        Self(clock)
    }

    /// Time since the bus was connected.
    pub fn now(&self) -> Duration {
        self.0.now()
    }

    /// Lets this much time pass: whatever the bus has to do within it is done, in order, before this ends.
    pub async fn advance(&self, by: Duration) {
        self.0.pass(by).await;
    }
}
