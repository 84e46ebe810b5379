//! What a level above publishing keeps with a bus: one of each type, made when first asked for, closed with the bus.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

/// Kept with a bus. It must not hold the bus, which holds it.
#[async_trait]
pub(crate) trait Companion: Any + Send + Sync {
    /// The bus closes: consumers have drained, connections still work.
    async fn close(&self);
}

type Kept = (Arc<dyn Any + Send + Sync>, Arc<dyn Companion>);

#[derive(Default)]
pub(super) struct Companions(Mutex<Vec<Kept>>);

impl Companions {
    /// The one of this type.
    pub(super) fn get<C: Companion>(&self, make: impl FnOnce() -> Arc<C>) -> Arc<C> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.iter().find_map(|(any, _)| any.clone().downcast::<C>().ok()) {
            return found;
        }
        let new = make();
        kept.push((new.clone(), new.clone()));
        new
    }

    pub(super) fn all(&self) -> Vec<Arc<dyn Companion>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|(_, companion)| companion.clone()).collect()
    }
}

impl std::fmt::Debug for Companions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Companions({})", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}
