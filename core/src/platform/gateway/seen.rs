//! The keys of what this process sent lately: what is known here need not be asked for.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::topology::Name;

/// How many keys are remembered.
const KEPT: usize = 20_000;

/// A set that forgets its oldest members.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    keys: HashSet<Name>,
    order: VecDeque<Name>,
}

impl Seen {
    pub(super) fn contains(&self, key: &Name) -> bool {
        self.kept().keys.contains(key)
    }

    pub(super) fn insert(&self, key: &Name) {
        let mut kept = self.kept();
        if !kept.keys.insert(key.clone()) {
            return;
        }
        kept.order.push_back(key.clone());
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.keys.remove(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let seen = Seen::default();
        let name = |n: usize| Name::from(n.to_string());
        for n in 0..=KEPT {
            seen.insert(&name(n));
            seen.insert(&name(n));
        }
        assert!(!seen.contains(&name(0)) && seen.contains(&name(1)) && seen.contains(&name(KEPT)));
    }
}
