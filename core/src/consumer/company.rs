//! Who runs handlers in this process: all consumers of it, whatever bus they belong to. One that tries a suspect waits here
//! until no handler runs, and the others start nothing before it is done.
//!
//! Starting and ending a handler costs two atomic operations each. Nothing is awaited under a lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Nobody wants to be alone.
const NOBODY: u64 = 0;

struct Company {
    /// Handlers that run, or are about to.
    running: AtomicUsize,
    /// Who is, or waits to be, alone.
    first: AtomicU64,
    /// Who comes after that; the first is in it, too.
    queue: Mutex<VecDeque<u64>>,
    changed: watch::Sender<()>,
}

static COMPANY: LazyLock<Company> = LazyLock::new(|| Company {
    running: AtomicUsize::new(0),
    first: AtomicU64::new(NOBODY),
    queue: Mutex::default(),
    changed: watch::channel(()).0,
});

static NEXT: AtomicU64 = AtomicU64::new(NOBODY + 1);

impl Company {
    fn queue(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer among those of its process. Dropped, it is out, and so are its handlers.
#[derive(Debug)]
pub(super) struct Member {
    number: u64,
    running: AtomicUsize,
}

impl Member {
    pub(super) fn new() -> Self {
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), running: AtomicUsize::new(0) }
    }

    /// A handler of this consumer starts; `false`: it must not, another consumer is or wants to be alone.
    pub(super) fn enter(&self) -> bool {
        // In this order, and the other way round where somebody waits to be alone: one of both sees the other.
        self.running.fetch_add(1, Ordering::SeqCst);
        COMPANY.running.fetch_add(1, Ordering::SeqCst);
        if self.must_hold() {
            self.leave();
            return false;
        }
        true
    }

    /// A handler has ended.
    pub(super) fn leave(&self) {
        // One that ends after its consumer was taken out is counted already.
        if self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            COMPANY.running.fetch_sub(1, Ordering::SeqCst);
            if COMPANY.first.load(Ordering::SeqCst) != NOBODY {
                COMPANY.changed.send_replace(());
            }
        }
    }

    /// Whether another consumer is, or wants to be, alone.
    pub(super) fn must_hold(&self) -> bool {
        let first = COMPANY.first.load(Ordering::SeqCst);
        first != NOBODY && first != self.number
    }

    /// Tells whenever [`Member::must_hold`] may have changed.
    pub(super) fn changes() -> watch::Receiver<()> {
        COMPANY.changed.subscribe()
    }

    /// Wants to be alone: when its turn has come, no other consumer starts a handler before [`Member::mingle`].
    pub(super) fn seclude(&self) {
        let mut queue = COMPANY.queue();
        if !queue.contains(&self.number) {
            queue.push_back(self.number);
        }
        Self::announce(&queue);
    }

    /// Waits until no handler runs in the process any more; `false`: it mingled before that.
    pub(super) async fn secluded(number: u64) -> bool {
        let mut changes = Self::changes();
        loop {
            changes.borrow_and_update();
            let first = COMPANY.first.load(Ordering::SeqCst);
            if first == number && COMPANY.running.load(Ordering::SeqCst) == 0 {
                return true;
            }
            if !COMPANY.queue().contains(&number) || changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// The others may go on.
    pub(super) fn mingle(&self) {
        let mut queue = COMPANY.queue();
        let before = queue.len();
        queue.retain(|number| *number != self.number);
        if queue.len() < before {
            Self::announce(&queue);
        }
    }

    fn announce(queue: &VecDeque<u64>) {
        COMPANY.first.store(queue.front().copied().unwrap_or(NOBODY), Ordering::SeqCst);
        COMPANY.changed.send_replace(());
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Out of it, with all handlers.
    pub(super) fn quit(&self) {
        let running = self.running.swap(0, Ordering::SeqCst);
        COMPANY.running.fetch_sub(running, Ordering::SeqCst);
        self.mingle();
        COMPANY.changed.send_replace(());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.quit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_wants_to_be_alone_waits_for_the_others_and_they_for_it() {
        let (one, other) = (Member::new(), Member::new());
        assert!(other.enter());
        one.seclude();
        let alone = tokio::spawn(Member::secluded(one.number()));
        tokio::task::yield_now().await;
        assert!(!other.enter() && !alone.is_finished());
        other.leave();
        assert!(alone.await.unwrap());
        assert!(one.enter() && !other.enter());
        one.leave();
        one.mingle();
        assert!(other.enter());
        // What is dropped holds nobody up.
        drop(other);
        one.seclude();
        assert!(Member::secluded(one.number()).await);
        one.mingle();
        assert!(!Member::secluded(one.number()).await);
    }
}
