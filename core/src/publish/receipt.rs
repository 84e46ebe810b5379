//! What a publisher gets back.

use crate::topology::Name;
use crate::transport::EntryId;

/// Where a stored entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// In this process' memory: gone with it.
    Memory,
    /// In the server, as durable as its persistence is configured.
    Server,
}

impl Durability {
    /// `memory` or `server`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Server => "server",
        }
    }
}

/// Proof that an entry was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its id; the first one's when it was a duplicate.
    pub id: EntryId,
    /// The stream.
    pub stream: Name,
    /// How safe it is.
    pub durability: Durability,
    /// The message id had been published before; nothing was added.
    pub duplicate: bool,
}
