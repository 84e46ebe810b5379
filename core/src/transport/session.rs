//! Groups, the sessions that act in them, and the fences between sessions.

use std::sync::Arc;

use super::EntryId;
pub use crate::policy::{LockId, Ordering, Retention};
use crate::topology::{GroupKeys, Name};

/// A group on a stream, with what its consumers agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Stream.
    pub stream: Name,
    /// Group.
    pub name: Name,
    /// Its keys.
    pub keys: Arc<GroupKeys>,
    /// Order its consumers keep.
    pub ordering: Ordering,
    /// Retention of the stream.
    pub retention: Retention,
    /// Whether unaddressed entries (field `ua`) have their lane nevertheless.
    pub order_unaddressed: bool,
    /// What the locks of mode `lock` are named after.
    pub lock_id: LockId,
}

impl Group {
    /// A group with ordered lanes.
    pub fn new(stream: Name, name: Name, ordering: Ordering, retention: Retention) -> Self {
        let keys = Arc::new(GroupKeys::new(&stream, &name));
        Self { stream, name, keys, ordering, retention, order_unaddressed: false, lock_id: LockId::default() }
    }

    /// Whether it is noticed when somebody deletes the consumer of a session: where order is kept and what nobody holds can
    /// be found again.
    pub fn notices_deletions(&self) -> bool {
        let keeps_order = self.ordering.routes() || self.ordering.has_holder();
        keeps_order && matches!(self.retention, Retention::Acked { .. })
    }

    /// What stands in `#mode`: consumers with another text may not join.
    pub fn mode_text(&self) -> String {
        let unaddressed = if self.order_unaddressed { "+ua" } else { "" };
        let locks = if self.ordering.locks() { format!(":{}", self.lock_id.as_str()) } else { String::new() };
        format!("{}{locks}{unaddressed}/{}/1", self.ordering.as_str(), self.retention.as_str())
    }
}

/// `number:suffix`, compared as a whole. The number only grows; the suffix tells holders apart that a roll-back
/// of the server gave the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FenceToken(pub Name);

impl FenceToken {
    /// The suffix of an identity whose holder left on its own.
    pub const LEFT: &'static str = "left";

    /// Number and suffix; a text that is not a fence has number 0.
    pub fn parts(&self) -> (u64, &str) {
        let (number, suffix) = self.0.split_once(':').unwrap_or((&self.0, ""));
        (number.parse().unwrap_or(0), suffix)
    }

    /// The fence that follows this one.
    pub fn next(&self, suffix: &str) -> Self {
        Self(format!("{}:{suffix}", self.parts().0.saturating_add(1)).into())
    }

    /// The first fence of an identity.
    pub fn first(suffix: &str) -> Self {
        Self(format!("1:{suffix}").into())
    }

    /// The fence of an identity whose registration was lost: nobody has it, and who adopts the identity follows it.
    pub fn lost() -> Self {
        Self("0:lost".into())
    }

    /// Whether the holder left on its own.
    pub fn has_left(&self) -> bool {
        self.parts().1 == Self::LEFT
    }
}

/// An identity and the fence under which we act for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// Configured name plus a random suffix, never used again.
    pub identity: Name,
    /// Our fence.
    pub fence: FenceToken,
}

/// Why the server refused a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Another fence is in force: somebody took the identity over.
    Stale,
    /// The identity is not registered: the server forgot it.
    Forgotten,
    /// The stream or the group does not exist.
    GroupLost,
}

impl Refusal {
    /// `stale`, `forgotten` or `group_lost`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Forgotten => "forgotten",
            Self::GroupLost => "group_lost",
        }
    }
}

/// What must hold when an entry is appended: the session of the delivery that publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The hash that holds the fences of the delivery's group.
    pub consumers: Name,
    /// The session.
    pub session: Session,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Identity.
    pub identity: Name,
    /// Fence in force.
    pub fence: FenceToken,
    /// Beat.
    pub beat: u64,
    /// It alone reads what is new (mode `exclusive`).
    pub holder: bool,
}

/// What [`crate::transport::Transport::recreate`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recreated {
    /// The group existed; nothing was changed.
    Existed,
    /// The group was made and reads entries after this id.
    Created {
        /// Where it starts.
        from: EntryId,
        /// What there was not.
        missing: Missing,
    },
}

/// What was not there when a group had to be made. Looked at in the moment in which it is made: whoever published to a
/// deleted stream before that has made the stream again, and only the group is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The stream, and so the group.
    Stream,
    /// The group only.
    Group,
}

impl Missing {
    /// The word for it, the same in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Group => "group",
        }
    }
}
