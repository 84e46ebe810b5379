//! A time limit over several waits for a delivery.

use std::sync::OnceLock;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::topology::Name;

/// How long somebody waits in all, by the clock of the bus: it begins with the first wait, and what comes in between and is not
/// wanted does not begin it anew.
#[derive(Debug)]
pub struct TimeLimit {
    whole: Duration,
    end: OnceLock<Duration>,
}

impl TimeLimit {
    /// One that has not begun.
    pub fn new(whole: Duration) -> Self {
        Self { whole, end: OnceLock::new() }
    }

    /// Waits, but no longer; `Timeout` names the whole of it, whatever was left.
    pub(super) async fn over<T>(
        &self,
        clock: &dyn Clock,
        stream: &Name,
        wait: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (now, begun) = (clock.now(), self.end.get().is_some());
        let end = *self.end.get_or_init(|| now.saturating_add(self.whole));
        if begun && now >= end {
            return Err(self.late(stream));
        }
        tokio::select! {
            biased;
            done = wait => done,
            () = clock.sleep_until(end) => Err(self.late(stream)),
        }
    }

    fn late(&self, stream: &Name) -> Error {
        let text = format!("no entry came within {} s", self.whole.as_secs_f64());
        Error::new(ErrorKind::Timeout, text).with_context("stream", stream)
    }
}
