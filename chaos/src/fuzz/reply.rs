//! Replies of the server.

use stargazer_core::redis::replies::{Asked, read};

/// The first byte chooses what was asked, the rest is the reply in the protocol's bytes.
///
/// Holds: no reply makes a parser panic or give what its callers could not use, see [`read`].
pub fn reply(bytes: &[u8]) -> bool {
    let Some((choice, reply)) = bytes.split_first() else { return false };
    read(Asked::ALL[usize::from(*choice) % Asked::ALL.len()], reply)
}
