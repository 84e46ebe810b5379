//! Locks and leases over the whole fleet: at most one holder at a time, as long as the server remembers.
//!
//! The protocol is the original's `DistributedLock`: a key with a token and a time to live, prolonged and given up only by
//! whoever knows the token; workers in mode `lock` take the same locks. An owner hears that a lock is lost before
//! anybody else can have it, also when its server is silent. A server that forgets (restart without persistence, failover)
//! may give a lock out twice; a [`Lease`] carries a number for that case, which what it guards can compare.

mod keeper;
mod lease;
mod options;
mod restart;
mod singleton;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use lease::{Lease, LeaseOptions};
pub use options::LockOptions;
pub use restart::Restart;
pub use singleton::{Singleton, SingletonOptions, SingletonPhase, SingletonState, Turn};

use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;
use crate::topology::Name;
use crate::transport::check;
use keeper::{Hold, Status};

/// A lock that is taken, renewed and given up through this object. Cheap to clone; clones are the same object.
///
/// Re-entrant per object: what is taken twice is given up twice, whoever does it; others need an object of their own.
/// Dropping the last clone gives it up.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// use stargazer_core::lock::LockOptions;
/// let bus = stargazer_core::Bus::connect("memory://").await?;
/// let lock = bus.lock("report", LockOptions::default())?;
/// let other = bus.lock("report", LockOptions::default())?;
/// let written = lock.run(async { other.try_acquire().await }).await??;
/// assert!(!written, "one at a time");
/// assert!(other.try_acquire().await?);
/// # bus.close().await }
/// ```
#[derive(Debug, Clone)]
pub struct Lock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    publisher: Publisher,
    key: Name,
    options: LockOptions,
    local: Mutex<Local>,
    /// One asks at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Local {
    depth: u32,
    hold: Option<Hold>,
}

impl Lock {
    pub(crate) fn new(publisher: &Publisher, key: Name, options: LockOptions) -> Result<Self> {
        check::name("lock", &key)?;
        options.validate()?;
        let (local, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { inner: Arc::new(Inner { publisher: publisher.clone(), key, options, local, asking }) })
    }

    /// The key it stands under.
    pub fn key(&self) -> &Name {
        &self.inner.key
    }

    /// Its settings.
    pub fn options(&self) -> &LockOptions {
        &self.inner.options
    }

    /// Takes it; waits for others as long as [`LockOptions::wait`] says, then `Timeout`. Dropped, it takes nothing.
    ///
    /// `Stale` when this object has lost it and did not give it up yet; `Unavailable` when the server could not be
    /// reached in that time.
    pub async fn acquire(&self) -> Result<()> {
        self.acquire_within(self.inner.options.wait).await
    }

    /// Takes it; waits that long, or for ever.
    pub async fn acquire_within(&self, limit: Option<Duration>) -> Result<()> {
        let clock = self.inner.publisher.clock();
        let end = limit.map(|limit| clock.now().saturating_add(limit));
        let _asking = match end {
            // A free one is not waited for, also when there is no time.
            Some(end) => tokio::select! {
                biased;
                asking = self.inner.asking.lock() => asking,
                () = clock.sleep_until(end) => return Err(self.busy_here()),
            },
            None => self.inner.asking.lock().await,
        };
        if self.enter_again()? {
            return Ok(());
        }
        let left = end.map(|end| end.saturating_sub(clock.now()));
        let hold = keeper::take(&self.inner.publisher, &self.inner.key, &self.inner.options, left).await?;
        let mut local = self.local();
        (local.depth, local.hold) = (1, Some(hold));
        Ok(())
    }

    /// Takes it if nobody else holds it; whether it did. One attempt.
    pub async fn try_acquire(&self) -> Result<bool> {
        match self.acquire_within(Some(Duration::ZERO)).await {
            Ok(()) => Ok(true),
            // A server that did not answer in time has a cause; somebody else's lock has none.
            Err(error) if error.kind() == ErrorKind::Timeout && is_busy(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lets it last `ttl` from now; `false`: it is not held, or lost. After an error it is held as long as before.
    pub async fn renew(&self) -> Result<bool> {
        let renewal = self.local().hold.as_ref().map(Hold::renew);
        match renewal {
            Some(renewal) => renewal.await,
            None => Ok(false),
        }
    }

    /// Gives it up, as often as it was taken; `false`: it was not ours any more. A server that does not answer is
    /// asked again for 2 s; after an error the lock lapses by itself.
    pub async fn release(&self) -> Result<bool> {
        let hold = {
            let mut local = self.local();
            if local.depth > 1 {
                local.depth -= 1;
                return Ok(local.hold.as_ref().is_some_and(Hold::is_held));
            }
            local.depth = 0;
            local.hold.take()
        };
        match hold {
            Some(hold) => hold.release().await,
            None => Ok(false),
        }
    }

    /// [`Lock::release`] at the end of a block, whose result counts more: an error is logged, and the lock lapses.
    pub async fn leave(&self) {
        if let Err(error) = self.release().await {
            tracing::warn!(%error, lock = &*self.inner.key, "a lock could not be given up; it lapses by itself");
        }
    }

    /// Gives it up without waiting for the answer.
    fn let_go(&self) {
        let mut local = self.local();
        local.depth = local.depth.saturating_sub(1);
        if local.depth == 0 {
            local.hold = None;
        }
    }

    /// Whether it is held. What answers `true` is true for a fifth of `ttl` at least, if the server remembers.
    pub fn is_held(&self) -> bool {
        self.local().hold.as_ref().is_some_and(Hold::is_held)
    }

    /// The token of what is held.
    pub fn token(&self) -> Option<Name> {
        self.local().hold.as_ref().map(|hold| hold.token().clone())
    }

    /// Waits for the end of what is held: why it was lost (`Stale`), a fifth of `ttl` before anybody else can have it;
    /// nothing when it was given up, or is not held at all. Does not keep it held; safe to drop.
    pub fn lost(&self) -> impl Future<Output = Option<Error>> + Send + use<> {
        let status = self.local().hold.as_ref().map(Hold::status);
        async move {
            let mut status = status?;
            let ended = status.wait_for(|status| !matches!(status, Status::Held)).await;
            match ended.map(|status| status.clone()) {
                Ok(Status::Lost(error)) => Some(error),
                // Without a keeper it was given up.
                _ => None,
            }
        }
    }

    /// Runs work while it is held: takes it, runs, gives it up. When it is lost, the work is dropped where it stands and
    /// the error is `Stale`, unless [`LockOptions::abort_on_loss`] says no.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.acquire().await?;
        let entered = Entered(Some(self));
        let result = if self.inner.options.abort_on_loss {
            tokio::select! {
                biased;
                Some(error) = self.lost() => Err(error),
                result = work => Ok(result),
            }
        } else {
            Ok(work.await)
        };
        entered.leave().await;
        result
    }

    /// Enters once more what is held; `Stale` for what was lost.
    fn enter_again(&self) -> Result<bool> {
        let mut local = self.local();
        let Some(hold) = &local.hold else { return Ok(false) };
        if let Status::Lost(error) = &*hold.status().borrow() {
            return Err(error.clone());
        }
        local.depth += 1;
        Ok(true)
    }

    fn busy_here(&self) -> Error {
        let text = "somebody else takes this lock through the same object; wait longer, or do without";
        Error::new(ErrorKind::Timeout, text).with_context("lock", &self.inner.key)
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.inner.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a lock up also when what runs under it is dropped.
struct Entered<'a>(Option<&'a Lock>);

impl Entered<'_> {
    async fn leave(mut self) {
        if let Some(lock) = self.0.take() {
            lock.leave().await;
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.0 {
            lock.let_go();
        }
    }
}

/// A lock that somebody holds, other than a server that did not answer.
fn is_busy(error: &Error) -> bool {
    error.context().iter().any(|(name, _)| *name == "lock")
}
