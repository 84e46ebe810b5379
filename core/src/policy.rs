//! The two policies that a fleet agrees on: the order of a group's consumers, and what becomes of read entries.

/// Which order a group's consumers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ordering {
    /// Sticky lanes: entries of a lane run one at a time, in stream order.
    #[default]
    Lanes,
    /// One consumer at a time reads the stream and keeps its lanes in its process; the others stand by.
    Exclusive,
    /// No order: every entry goes to whoever reads it.
    None,
}

impl Ordering {
    /// The word on the wire and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Exclusive => "exclusive",
            Self::None => "none",
        }
    }

    /// Whether the server itself decides, entry by entry, whose turn a lane is.
    pub const fn routes(self) -> bool {
        matches!(self, Self::Lanes)
    }

    /// Whether one session at a time reads what is new.
    pub const fn has_holder(self) -> bool {
        matches!(self, Self::Exclusive)
    }

    /// Whether the entries of a lane start in stream order over all consumers.
    pub const fn keeps_order(self) -> bool {
        matches!(self, Self::Lanes | Self::Exclusive)
    }

    /// Whether a consumer keeps the entries of a lane one at a time.
    pub const fn keeps_lanes(self) -> bool {
        matches!(self, Self::Lanes | Self::Exclusive)
    }
}

/// What becomes of entries that were read, and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retention {
    /// Entries go once every registered group has finished them; at the cap publishers wait, then fail with `Full`.
    Acked {
        /// Entries that may stand in the stream.
        cap: u64,
    },
    /// The original's lossy `MAXLEN ~`: the oldest entries go, read or not.
    Capped {
        /// Entries that are kept, about; at least 1000.
        max_len: u64,
    },
    /// Nothing is removed.
    Forever,
}

impl Retention {
    /// The word on the wire and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acked { .. } => "acked",
            Self::Capped { .. } => "capped",
            Self::Forever => "forever",
        }
    }
}
