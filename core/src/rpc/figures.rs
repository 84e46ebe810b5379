//! What a server of calls counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a server has done so far, all names together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Requests that named a reply stream which is none: dead-lettered unrun.
    pub rejected: u64,
    /// Requests for a name that is not served.
    pub unknown: u64,
    /// Requests that had been answered before they came again.
    pub duplicates: u64,
    /// Answers that could not be stored before the deadline.
    pub unanswered: u64,
    /// By name, sorted.
    pub handlers: Vec<HandlerFigures>,
}

/// What a server has done under one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HandlerFigures {
    /// The name.
    pub name: String,
    /// Calls that run.
    pub running: u64,
    /// Calls that wait for their turn.
    pub waiting: u64,
    /// Calls that may run at the same time.
    pub capacity: u64,
    /// Calls that gave a result.
    pub succeeded: u64,
    /// Calls that failed, panicked or ran too long.
    pub failed: u64,
    /// Calls whose deadline passed before they ran.
    pub expired: u64,
    /// Calls that were cancelled.
    pub cancelled: u64,
    /// Calls answered with what was remembered.
    pub remembered: u64,
    /// How long half of the last 256 calls that ran took at most; zero before the first.
    pub p50: Duration,
    /// How long 95 % of them took at most.
    pub p95: Duration,
}

/// Durations that the percentiles are taken of.
const KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rejected: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) unanswered: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct HandlerCounts {
    pub(super) running: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) remembered: AtomicU64,
    took: Mutex<(Vec<Duration>, usize)>,
}

/// One more.
pub(super) fn up(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// One more for as long as this is held.
pub(super) struct During<'a>(&'a AtomicU64);

impl<'a> During<'a> {
    pub(super) fn of(count: &'a AtomicU64) -> Self {
        up(count);
        Self(count)
    }
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl Counts {
    pub(super) fn figures(&self, handlers: Vec<HandlerFigures>) -> Figures {
        Figures {
            rejected: read(&self.rejected),
            unknown: read(&self.unknown),
            duplicates: read(&self.duplicates),
            unanswered: read(&self.unanswered),
            handlers,
        }
    }
}

impl HandlerCounts {
    pub(super) fn took(&self, time: Duration) {
        let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, next) = &mut *took;
        if times.len() < KEPT {
            times.push(time);
        } else {
            times[*next] = time;
            *next = (*next + 1) % KEPT;
        }
    }

    pub(super) fn figures(&self, name: &str, capacity: usize) -> HandlerFigures {
        let mut times = self.took.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        times.sort_unstable();
        let share = |percent: usize| {
            let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(at).copied().unwrap_or_default()
        };
        HandlerFigures {
            name: name.to_owned(),
            running: read(&self.running),
            waiting: read(&self.waiting),
            capacity: capacity as u64,
            succeeded: read(&self.succeeded),
            failed: read(&self.failed),
            expired: read(&self.expired),
            cancelled: read(&self.cancelled),
            remembered: read(&self.remembered),
            p50: share(50),
            p95: share(95),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_calls() {
        let counts = HandlerCounts::default();
        assert_eq!(counts.figures("x", 1).p95, Duration::ZERO);
        for ms in 0..1000 {
            counts.took(Duration::from_millis(ms));
        }
        let figures = counts.figures("x", 1);
        assert_eq!((figures.p50, figures.p95), (Duration::from_millis(871), Duration::from_millis(987)));
    }
}
