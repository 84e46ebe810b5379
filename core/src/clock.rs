//! Time: the only place that asks the operating system or the runtime what time it is.
//!
//! Everything else is handed a [`Clock`]. [`SystemClock`] runs on tokio's timer, so a runtime with paused time
//! moves it too; [`ManualClock`] stands still until a test advances it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// A future that ends when its time has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time. Cheap to share as `Arc<dyn Clock>`.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Monotonic time since an arbitrary start; never goes back.
    fn now(&self) -> Duration;
    /// Milliseconds since 1970-01-01 UTC.
    fn wall_ms(&self) -> u64;
    /// Microseconds since then, as far as this clock knows them.
    fn wall_us(&self) -> u64 {
        self.wall_ms() * 1000
    }
    /// Ends once [`Clock::now`] has reached `deadline`.
    fn sleep_until(&self, deadline: Duration) -> Sleep;
    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(duration))
    }
}

/// The real clock.
#[derive(Debug)]
pub struct SystemClock {
    start: tokio::time::Instant,
    start_wall_ms: u64,
}

impl SystemClock {
    /// A clock that starts now. Must be created inside a tokio runtime when that runtime's time is paused.
    #[allow(clippy::disallowed_methods, clippy::cast_possible_truncation)]
    pub fn new() -> Self {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { start: tokio::time::Instant::now(), start_wall_ms: wall.as_millis() as u64 }
    }

    /// The clock as everything takes it.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[allow(clippy::cast_possible_truncation)]
    fn wall_ms(&self) -> u64 {
        self.start_wall_ms + self.now().as_millis() as u64
    }

    #[allow(clippy::cast_possible_truncation)]
    fn wall_us(&self) -> u64 {
        self.start_wall_ms * 1000 + self.now().as_micros() as u64
    }

    fn sleep_until(&self, deadline: Duration) -> Sleep {
        match self.start.checked_add(deadline) {
            Some(at) => Box::pin(tokio::time::sleep_until(at)),
            // Further away than a clock can say.
            None => Box::pin(std::future::pending()),
        }
    }
}

/// Turns that a runtime gets to its tasks after some were woken.
const SETTLING: usize = 30;

/// A clock that only moves when [`ManualClock::advance`] is called.
#[derive(Debug, Default)]
pub struct ManualClock {
    state: Mutex<ManualState>,
}

#[derive(Debug, Default)]
struct ManualState {
    now: Duration,
    next: u64,
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// 2026-01-01 00:00:00 UTC, where every manual clock starts.
    pub const START_WALL_MS: u64 = 1_767_225_600_000;

    /// A clock at time zero.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Moves time forward and wakes, in order, everybody whose time has come. The woken tasks run when the
    /// caller yields to the runtime.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now += by;
        while state.sleepers.first_key_value().is_some_and(|((at, _), _)| *at <= state.now) {
            if let Some((_, waker)) = state.sleepers.pop_first() {
                // A sleeper that was dropped meanwhile does not mind.
                let _ = waker.send(());
            }
        }
    }

    /// Moves time forward as a clock that runs: from one sleeper's time to the next one's, and lets those who were woken work, who
    /// may go to sleep again within the span. Must be awaited on the runtime of the sleepers.
    pub async fn pass(&self, span: Duration) {
        let end = self.now() + span;
        loop {
            // Who was woken may have to wake others before anybody sleeps again.
            for _ in 0..SETTLING {
                tokio::task::yield_now().await;
            }
            let now = self.now();
            match self.next_deadline().filter(|at| *at <= end) {
                Some(at) => self.advance(at.saturating_sub(now)),
                None if now < end => self.advance(end.saturating_sub(now)),
                None => return,
            }
        }
    }

    /// When the next sleeper wants to be woken.
    pub fn next_deadline(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sleepers.keys().next().map(|(at, _)| *at)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    #[allow(clippy::cast_possible_truncation)]
    fn wall_ms(&self) -> u64 {
        Self::START_WALL_MS + self.now().as_millis() as u64
    }

    fn sleep_until(&self, deadline: Duration) -> Sleep {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if deadline <= state.now {
            return Box::pin(std::future::ready(()));
        }
        let (tx, rx) = oneshot::channel();
        let n = state.next;
        state.next += 1;
        state.sleepers.insert((deadline, n), tx);
        Box::pin(async move {
            let _ = rx.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_all_clocks_never_comes() {
        let clock = SystemClock::new();
        assert!(tokio::time::timeout(Duration::from_secs(1), clock.sleep_until(Duration::MAX)).await.is_err());
    }

    #[tokio::test]
    async fn time_that_passes_wakes_those_who_sleep_again() {
        let clock = ManualClock::new();
        let (sleeper, woken) = (clock.clone(), Arc::new(Mutex::new(Vec::new())));
        let seen = woken.clone();
        let task = tokio::spawn(async move {
            loop {
                sleeper.sleep(Duration::from_secs(2)).await;
                seen.lock().unwrap().push(sleeper.now().as_secs());
            }
        });
        clock.pass(Duration::from_secs(7)).await;
        assert_eq!((&**woken.lock().unwrap(), clock.now().as_secs()), (&[2, 4, 6][..], 7));
        task.abort();
    }

    #[tokio::test]
    async fn manual_clock_wakes_in_order_and_only_when_due() {
        let clock = ManualClock::new();
        let mut late = clock.sleep(Duration::from_secs(2));
        let early = clock.sleep(Duration::from_secs(1));
        assert_eq!(clock.next_deadline(), Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        early.await;
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut late).await.is_err());
        clock.advance(Duration::from_secs(1));
        late.await;
    }
}
