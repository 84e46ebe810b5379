//! Servers of one bus in one service: a request that comes to one of them is run by whichever has a handler of its name.
//!
//! The server's group hands a request to any consumer of the service, so without this a bus that serves calls and tools
//! would refuse every other call of either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;

use super::server::{Entry, Shared};
use crate::publish::Companion;

#[derive(Default)]
pub(super) struct Siblings(Mutex<Vec<Weak<Shared>>>);

#[async_trait]
impl Companion for Siblings {
    async fn close(&self) {}
}

impl Siblings {
    pub(super) fn enter(&self, server: &Arc<Shared>) {
        let mut all = self.all();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(server));
    }

    pub(super) fn leave(&self, server: &Arc<Shared>) {
        self.all().retain(|one| !std::ptr::eq(one.as_ptr(), Arc::as_ptr(server)));
    }

    /// The handler that another server of the same service has for a name.
    pub(super) fn find(&self, server: &Shared, name: &str) -> Option<Arc<Entry>> {
        let others: Vec<Arc<Shared>> = self.all().iter().filter_map(Weak::upgrade).collect();
        let mut others =
            others.iter().filter(|one| !std::ptr::eq(&raw const ***one, server) && one.stream == server.stream);
        others.find_map(|one| one.own(name))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
