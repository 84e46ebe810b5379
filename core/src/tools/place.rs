//! Where a tool runs.

use std::fmt;

/// Where a tool runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// In the gateway that holds the platform's connection: reached by its RPC `execute_tool`.
    Gateway,
    /// In the worker that asks: a tool that needs what only the worker has.
    Worker,
    /// In a tools service, over the bus.
    #[default]
    Service,
}

impl Place {
    /// All of them, in the order in which the original asks for them.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Worker, Self::Service];

    /// The word on the wire and in definitions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Service => "service",
        }
    }

    /// The place of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == word)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
