//! Deleted consumers: where somebody deletes the consumer of a registered identity, what it held is pending for nobody, and
//! what it has not received would be passed over by what comes later. So nothing is handed out by the group until a walk
//! over the stream has put everything back in its place (`gather`).

use std::collections::BTreeSet;

use super::group::GroupState;
use super::state::{Now, Place, State};
use crate::topology::Name;
use crate::transport::{EntryId, Group};

/// Whose consumers were deleted, and how far the walk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) after: EntryId,
    pub(super) of: BTreeSet<Name>,
}

impl State {
    /// Whether what is pending for nobody can be told from what was finished: only this group reads the stream, and it
    /// deletes what it finishes. Whoever is not registered may not, and not have been noted yet.
    pub(super) fn tells_lost_from_done(&self, group: &Group) -> bool {
        let Some(stream) = self.streams.get(&group.stream) else { return false };
        let Some(routing) = self.routings.get(&group.keys.consumers) else { return false };
        let registered = |name: &Name| routing.consumers.contains_key(name);
        let known = |found: &GroupState| found.consumers().all(|(name, _)| registered(name));
        stream.groups.len() == 1
            && self.groups_that_count(&group.stream) <= 1
            && routing.clean.is_some()
            && stream.groups.get(&group.name).is_none_or(known)
    }

    /// Whether what a deleted consumer held is brought back.
    pub(super) fn restores(&self, group: &Group) -> bool {
        group.notices_deletions() && self.tells_lost_from_done(group)
    }
}

impl Place<'_> {
    /// Makes sure that an identity has its consumer. Where it had none although it is registered, the walk starts again.
    pub(super) fn tend(&mut self, group: &Group, identity: &Name, restores: bool, now: Now) {
        let Some(found) = self.stream.groups.get_mut(&group.name).filter(|_| group.notices_deletions()) else { return };
        if found.knows(identity) {
            return;
        }
        found.touch(identity, now.mono);
        if restores {
            let mut of = self.routing.torn.take().map(|torn| torn.of).unwrap_or_default();
            of.insert(identity.clone());
            self.routing.torn = Some(Torn { after: EntryId::ZERO, of });
        }
    }

    /// Whether the consumer of an identity was deleted, and not everything is back in its place.
    pub(super) fn is_torn(&self, identity: &Name) -> bool {
        self.routing.torn.as_ref().is_some_and(|torn| torn.of.contains(identity))
    }
}
