//! Message ids that were stored, each for the length of its window.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::topology::Name;
use crate::transport::EntryId;

/// Markers by key, and in the order they end.
#[derive(Debug, Clone, Default)]
pub(super) struct Markers {
    by_key: HashMap<Name, (EntryId, Duration)>,
    by_end: BTreeSet<(Duration, Name)>,
}

impl Markers {
    /// The entry stored under a message id, while its window is open.
    pub(super) fn get(&self, key: &Name, now: Duration) -> Option<EntryId> {
        self.by_key.get(key).filter(|(_, end)| now < *end).map(|(id, _)| *id)
    }

    /// Sets a marker, and clears the ones that have ended.
    pub(super) fn set(&mut self, key: &Name, id: EntryId, window: Duration, now: Duration) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, ended)) = self.by_end.pop_first() {
                self.by_key.remove(&ended);
            }
        }
        let end = now.saturating_add(window);
        if let Some((_, before)) = self.by_key.insert(key.clone(), (id, end)) {
            self.by_end.remove(&(before, key.clone()));
        }
        self.by_end.insert((end, key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_lasts_as_long_as_its_window() {
        let mut markers = Markers::default();
        let (key, other): (Name, Name) = ("k".into(), "o".into());
        let (id, t) = (EntryId::new(1, 0), Duration::from_secs);
        markers.set(&key, id, t(10), t(0));
        assert_eq!(markers.get(&key, t(9)), Some(id));
        assert_eq!(markers.get(&key, t(10)), None);
        markers.set(&key, EntryId::new(2, 0), t(10), t(5));
        markers.set(&other, id, t(10), t(12));
        assert_eq!(markers.get(&key, t(12)), Some(EntryId::new(2, 0)), "set again, it lasts longer");
        markers.set(&other, id, t(10), t(15));
        assert_eq!((markers.by_key.len(), markers.by_end.len()), (1, 1));
    }
}
