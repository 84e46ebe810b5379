//! The message keys that were performed lately.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// How many keys are remembered.
const KEPT: usize = 20_000;

/// A set that forgets its oldest members.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Seen {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    pub(super) fn insert(&mut self, key: &str) {
        let key: Arc<str> = key.into();
        if !self.keys.insert(key.clone()) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        for n in 0..=KEPT {
            seen.insert(&n.to_string());
            seen.insert(&n.to_string());
        }
        assert!(!seen.contains("0") && seen.contains("1") && seen.contains(&KEPT.to_string()));
    }
}
