//! The lane of an entry in a group: whose turn it takes.
//!
//! What cannot be read, is no text or is too long has no lane: such an entry goes to whoever reads it, who finds out
//! what is wrong with it.

use bytes::Bytes;

use crate::envelope;
use crate::transport::{Group, Lane};

/// The lane of an entry in a group.
pub(super) fn lane_of(group: &Group, fields: &[(Bytes, Bytes)]) -> Option<Lane> {
    group.ordering.keeps_lanes().then(|| envelope::lane_of(fields, group.order_unaddressed).ok().flatten()).flatten()
}
