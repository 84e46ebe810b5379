//! The server's clock in the simulation: it shows the virtual time, and its wall clock may be set.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use stargazer_core::clock::{Clock, ManualClock, Sleep};

/// Virtual time. Cheap to share.
#[derive(Debug, Clone, Default)]
pub(super) struct Virtual(Arc<Face>);

#[derive(Debug, Default)]
struct Face {
    nanos: AtomicU64,
    step_ms: AtomicI64,
}

impl Virtual {
    /// Time goes on.
    pub(super) fn set(&self, nanos: u64) {
        self.0.nanos.store(nanos, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock forward or back.
    pub(super) fn step(&self, ms: i64) {
        self.0.step_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Virtual {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed))
    }

    fn wall_ms(&self) -> u64 {
        let ms = ManualClock::START_WALL_MS + self.0.nanos.load(Ordering::Relaxed) / 1_000_000;
        ms.saturating_add_signed(self.0.step_ms.load(Ordering::Relaxed))
    }

    /// Whoever sleeps is asked again when its time has come; nobody is woken.
    fn sleep_until(&self, deadline: Duration) -> Sleep {
        let clock = self.clone();
        Box::pin(poll_fn(move |_| if clock.now() >= deadline { Poll::Ready(()) } else { Poll::Pending }))
    }
}
