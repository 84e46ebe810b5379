//! Faults on real servers.

mod kind;

pub use kind::{FaultKind, Phase};
