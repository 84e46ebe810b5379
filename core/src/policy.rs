//! The two policies that a fleet agrees on: the order of a group's consumers, and what becomes of read entries. And how
//! safe an entry is once it is stored.

pub(crate) mod backoff;

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
    /// The original's lock of a channel, for groups in which its workers run, too. Weaker: no two handlers of a lane at
    /// the same time, but no order over several consumers.
    Lock,
}

impl Ordering {
    /// The word on the wire and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Exclusive => "exclusive",
            Self::None => "none",
            Self::Lock => "lock",
        }
    }

    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Lanes, Self::Exclusive, Self::None, Self::Lock];

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

    /// Whether the entries of a lane run one at a time over all consumers.
    pub const fn keeps_lanes(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether a lane needs the lock of its channel to run.
    pub const fn locks(self) -> bool {
        matches!(self, Self::Lock)
    }
}

/// Where a worker runs the tools that it has itself and a tools service has, too (the original's `tools_service_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ToolsMode {
    /// In the worker.
    #[default]
    InProcess,
    /// In the service, except for those that are forced.
    Remote,
}

impl ToolsMode {
    /// The word in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in_process",
            Self::Remote => "remote",
        }
    }

    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::InProcess, Self::Remote];
}

/// Which id the lock of a channel is named after (ordering mode `lock`): all workers of a group must agree, and the
/// original's documentation does not say which one its workers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LockId {
    /// The platform's id of the channel.
    ChannelId,
    /// The channel's key, `platform:channel_id`.
    ChannelKey,
    /// Both locks, the id's first: excludes a worker that takes either.
    #[default]
    Both,
}

impl LockId {
    /// The word in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChannelId => "channel_id",
            Self::ChannelKey => "channel_key",
            Self::Both => "both",
        }
    }

    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Both, Self::ChannelId, Self::ChannelKey];
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

/// How safe a stored entry is: what it survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// In this process' memory: gone with it.
    Memory,
    /// In the server, which writes nothing down, or now and then, or does not say: gone with its process.
    Server,
    /// The server writes to its append-only file and syncs it about every second.
    AofEverysec,
    /// The server has synced it into its append-only file.
    AofAlways,
    /// So many replicas have confirmed it.
    Replicated(u32),
}

/// `memory`, `server`, `aof-everysec`, `aof-always` or `replicated(n)`.
impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Server => f.write_str("server"),
            Self::AofEverysec => f.write_str("aof-everysec"),
            Self::AofAlways => f.write_str("aof-always"),
            Self::Replicated(replicas) => write!(f, "replicated({replicas})"),
        }
    }
}
