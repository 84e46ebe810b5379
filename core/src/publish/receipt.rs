//! What a publisher gets back.

use crate::policy::Durability;
use crate::topology::Name;
use crate::transport::EntryId;

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
