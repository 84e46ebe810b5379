//! Platforms: the chat networks on one side of the bus.
//!
//! An [`Adapter`] connects one of them. Adapters live in a gateway, which hands what they receive to the workers
//! ([`Intake`]) and has them do what workers say.

mod adapter;
mod context;
mod identity;
mod intake;
mod kinds;
#[cfg(test)]
mod tests;
mod turn;
mod update;

pub use adapter::Adapter;
pub use context::SendContext;
pub use identity::BotIdentity;
pub use intake::Intake;
pub use kinds::{AdapterKinds, MakeAdapter};
pub use turn::{NONCE, TURN_COMPLETE, TurnEnd};
pub use update::{MessageUpdate, UPDATE, UpdateKind};

/// The types that adapters and the bus speak in.
pub use crate::envelope::{Attachment, Button, File, HistoricalMessage, IncomingMessage};
