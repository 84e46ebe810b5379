//! Platforms: the chat networks on one side of the bus.
//!
//! An [`Adapter`] connects one of them. Adapters live in a [`Gateway`], which hands what they receive to the workers
//! ([`Intake`]) and has them do what workers say. A worker speaks through a [`ProxyAdapter`].

mod adapter;
mod context;
mod gateway;
mod identity;
mod intake;
mod kinds;
mod proxy;
pub mod redis;
#[cfg(test)]
mod tests;
mod turn;
mod update;

pub use adapter::Adapter;
pub use context::SendContext;
pub use gateway::{AdapterHealth, AdapterState, Gateway, GatewayConfig, OnUnknown};
pub use identity::BotIdentity;
pub use intake::Intake;
pub use kinds::{AdapterKinds, MakeAdapter, create};
pub use proxy::ProxyAdapter;
pub use turn::{NONCE, TURN_COMPLETE, TurnEnd};
pub use update::{MessageUpdate, UPDATE, UpdateKind};

/// The types that adapters and the bus speak in.
pub use crate::envelope::{Attachment, Button, File, HistoricalMessage, IncomingMessage};

/// What the page shows is run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/platforms.md")]
struct Page;
