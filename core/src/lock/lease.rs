//! The lease of a leader: a lock with a number that only grows.
//!
//! A leader draws its number after it took the lock and then makes sure that it still holds it. In between nobody else
//! can have led, so whoever leads later draws a larger one; a number that a lost request or a frozen leader
//! drew is never used. The counter has no time to live: it grows as long as the server remembers it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::Lock;
use super::keeper::ANSWER;
use super::options::{LockOptions, lasting};
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;
use crate::topology::{Name, fence_key, lease_key};
use crate::transport::check;

/// The pause before the server is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// How a lease is taken and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// How long another process waits after a leader died; 100 ms to 1 day. 15 s.
    pub ttl: Duration,
    /// How long taking it waits for others, and for a server that cannot be reached. No limit.
    pub wait: Option<Duration>,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(15), wait: None }
    }
}

impl LeaseOptions {
    /// How long it lasts unless it is renewed.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long taking it waits.
    #[must_use]
    pub fn with_wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }
}

/// Leadership under a name: one leader in the fleet, renewed until it resigns. Dropping it resigns.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// use stargazer_core::lock::LeaseOptions;
/// let bus = stargazer_core::Bus::connect("memory://").await?;
/// let (one, two) = (bus.lease("status", &LeaseOptions::default())?, bus.lease("status", &LeaseOptions::default())?);
/// let first = one.acquire().await?;
/// assert_eq!(two.try_acquire().await?, None);
/// one.resign().await?;
/// assert!(two.acquire().await? > first);
/// # bus.close().await }
/// ```
#[derive(Debug)]
pub struct Lease {
    publisher: Publisher,
    lock: Lock,
    counter: Name,
    wait: Option<Duration>,
    fence: Mutex<Option<i64>>,
    asking: tokio::sync::Mutex<()>,
}

impl Lease {
    pub(crate) fn new(publisher: &Publisher, name: &str, options: &LeaseOptions) -> Result<Self> {
        check::name("lease", name)?;
        lasting(options.ttl)?;
        let lock = Lock::new(publisher, lease_key(name), LockOptions::default().with_ttl(options.ttl))?;
        let (publisher, counter) = (publisher.clone(), fence_key(name));
        Ok(Self {
            publisher,
            lock,
            counter,
            wait: options.wait,
            fence: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// Leads; waits for others as long as [`LeaseOptions::wait`] says, then `Timeout`. Gives the fencing number: larger than
    /// those of all leaders before. Who leads already gets its number again.
    pub async fn acquire(&self) -> Result<i64> {
        self.acquire_within(self.wait).await
    }

    /// Leads; waits that long, or for ever. With a limit of zero it is one attempt, which takes as long as the server may.
    pub async fn acquire_within(&self, limit: Option<Duration>) -> Result<i64> {
        let clock = self.publisher.clock();
        let begun = clock.now();
        let end = limit.map(|limit| begun.saturating_add(limit));
        // A little more than the lock has, whose own words are better.
        let most =
            limit.filter(|limit| !limit.is_zero()).map(|limit| begun.saturating_add(limit).saturating_add(2 * ANSWER));
        let over = clock.sleep_until(most.unwrap_or(Duration::MAX));
        tokio::pin!(over);
        let silent = || {
            let text =
                "the server did not answer, or this process asked already, for as long as leading was waited for";
            Error::unavailable(text).with_context("server", "silent")
        };
        let _asking = tokio::select! {
            biased;
            asking = self.asking.lock() => asking,
            () = &mut over => return Err(silent()),
        };
        if let Some(fence) = self.fence() {
            return Ok(fence);
        }
        let leading = async {
            loop {
                // What was lost before.
                self.lock.leave().await;
                self.lock.acquire_within(end.map(|end| end.saturating_sub(clock.now()))).await?;
                if let Some(fence) = self.draw().await? {
                    *self.number() = Some(fence);
                    return Ok(fence);
                }
            }
        };
        tokio::select! {
            biased;
            led = leading => led,
            () = over => {
                self.let_go();
                Err(silent())
            }
        }
    }

    /// Leads if nobody else does. One attempt.
    pub async fn try_acquire(&self) -> Result<Option<i64>> {
        match self.acquire_within(Some(Duration::ZERO)).await {
            Ok(fence) => Ok(Some(fence)),
            Err(error) if error.kind() == ErrorKind::Timeout && super::is_busy(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The fencing number for as long as it leads.
    pub fn fence(&self) -> Option<i64> {
        let fence = *self.number();
        fence.filter(|_| self.lock.is_held())
    }

    /// Whether it leads.
    pub fn is_leader(&self) -> bool {
        self.fence().is_some()
    }

    /// Waits for the end of its leadership: why it was lost, a fifth of `ttl` before anybody else can lead; nothing when it
    /// resigned, or does not lead at all. Does not keep it leading; safe to drop.
    pub fn lost(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        self.lock.lost()
    }

    /// Lets somebody else lead, at once; `false`: it led no more.
    pub async fn resign(&self) -> Result<bool> {
        *self.number() = None;
        self.lock.release().await
    }

    /// [`Lease::resign`] at the end of a block, whose result counts more: an error is logged, and the lease lapses.
    pub async fn leave(&self) {
        *self.number() = None;
        self.lock.leave().await;
    }

    /// Resigns without waiting for the answer.
    pub(super) fn let_go(&self) {
        *self.number() = None;
        self.lock.let_go();
    }

    /// A number drawn while it was ours for certain; `None`: it was lost meanwhile.
    async fn draw(&self) -> Result<Option<i64>> {
        let (mut fence, store) = (None, self.publisher.store());
        let drawn = async {
            loop {
                let step = match fence {
                    None => store.increment(&self.counter, 1, None).await.map(|number| fence = Some(number)),
                    Some(number) => match self.lock.renew().await {
                        Ok(held) => return Ok(held.then_some(number)),
                        Err(error) => Err(error),
                    },
                };
                match step {
                    Err(error) if error.retryable() => self.publisher.clock().sleep(PAUSE).await,
                    other => other?,
                }
            }
        };
        let drawn = tokio::select! {
            biased;
            _ = self.lock.lost() => Ok(None),
            drawn = drawn => drawn,
        };
        if !matches!(drawn, Ok(Some(_))) {
            self.lock.leave().await;
        }
        drawn
    }

    fn number(&self) -> std::sync::MutexGuard<'_, Option<i64>> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
