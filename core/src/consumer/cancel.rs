//! How a running handler learns that it may run, or is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Tells a running handler to end.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    set: AtomicBool,
    /// A suspect may run.
    go: AtomicBool,
    woken: Arc<Notify>,
}

impl Cancel {
    pub(super) fn cancel(&self) {
        self.set.store(true, Ordering::Release);
        self.woken.notify_waiters();
    }

    pub(super) fn go(&self) {
        self.go.store(true, Ordering::Release);
        self.woken.notify_waiters();
    }

    /// Whether its handler may run, once that is known.
    pub(super) async fn may_run(&self) -> bool {
        loop {
            let mut notified = std::pin::pin!(self.woken.clone().notified_owned());
            notified.as_mut().enable();
            if self.is_set() || self.go.load(Ordering::Acquire) {
                return !self.is_set();
            }
            notified.await;
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    pub(crate) async fn cancelled(&self) {
        loop {
            let notified = self.woken.clone().notified_owned();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if self.is_set() {
                return;
            }
            notified.await;
        }
    }
}
