//! A queue from the I/O thread to one host thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Results on their way to a host thread. The doorbell rings once per burst: for the first item after a drain.
pub struct Completions<T> {
    items: Mutex<Vec<T>>,
    rung: AtomicBool,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl<T> Completions<T> {
    /// A queue with its doorbell, e.g. a write to an eventfd. It is called on the I/O thread.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { items: Mutex::default(), rung: AtomicBool::new(false), ring: Box::new(ring) }
    }

    /// Adds an item; rings if the host has drained since the last ring.
    pub fn push(&self, item: T) {
        self.extend([item]);
    }

    /// Adds items; rings if the host has drained since the last ring.
    pub fn extend(&self, items: impl IntoIterator<Item = T>) {
        let mut queue = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let before = queue.len();
        queue.extend(items);
        let added = queue.len() > before;
        drop(queue);
        if added && !self.rung.swap(true, Ordering::AcqRel) {
            (self.ring)();
        }
    }

    /// Takes everything. The bell may ring again from here on, also for items taken now: an empty drain is fine.
    pub fn drain(&self) -> Vec<T> {
        self.rung.store(false, Ordering::Release);
        std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> fmt::Debug for Completions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions").field("rung", &self.rung).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn the_bell_rings_once_per_burst() {
        let rings = Arc::new(AtomicUsize::new(0));
        let count = rings.clone();
        let queue = Completions::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        queue.push(1);
        queue.extend([2, 3]);
        assert_eq!(rings.load(Ordering::SeqCst), 1);
        assert_eq!(queue.drain(), [1, 2, 3]);
        queue.extend([]);
        assert_eq!(rings.load(Ordering::SeqCst), 1);
        queue.push(4);
        assert_eq!(rings.load(Ordering::SeqCst), 2);
    }
}
