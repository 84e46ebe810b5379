//! What is measured when a run is over and everything has been drained.

/// A figure of the whole system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Figure {
    /// Keys beside the streams.
    Keys = 0,
    /// Entries in the stream.
    Entries = 1,
    /// Entries pending in the group.
    Pending = 2,
    /// Consumers in the group.
    Consumers = 3,
    /// Lanes that are somebody's.
    Lanes = 4,
    /// Records of starts.
    Tries = 5,
    /// Bytes of memory of a process.
    Memory = 10,
    /// Connections to the server.
    Connections = 11,
    /// Tasks or threads of a process.
    Tasks = 12,
    /// Open files of a process.
    Files = 13,
    /// Bytes of memory of the server.
    ServerMemory = 14,
}

impl Figure {
    /// Every figure.
    pub const ALL: [Self; 11] = [
        Self::Keys,
        Self::Entries,
        Self::Pending,
        Self::Consumers,
        Self::Lanes,
        Self::Tries,
        Self::Memory,
        Self::Connections,
        Self::Tasks,
        Self::Files,
        Self::ServerMemory,
    ];

    /// The figure with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| *figure as u8 == number)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Entries => "entries",
            Self::Pending => "pending",
            Self::Consumers => "consumers",
            Self::Lanes => "lanes",
            Self::Tries => "tries",
            Self::Memory => "memory",
            Self::Connections => "connections",
            Self::Tasks => "tasks",
            Self::Files => "files",
            Self::ServerMemory => "server memory",
        }
    }

    /// Whether it counts what is kept in the server; else it is about processes and returns to its base line only
    /// roughly.
    pub fn is_kept(self) -> bool {
        (self as u8) < 10
    }
}
