//! stargazer: a message bus over Redis Streams with strict order per channel.

pub mod bus;
pub mod clock;
pub mod config;
pub mod consumer;
pub mod dead_letter;
pub mod engine;
pub mod envelope;
pub mod error;
pub mod events;
pub mod host;
mod inspect;
pub mod lock;
#[doc(hidden)]
pub mod mutant;
pub mod platform;
pub mod policy;
mod provision;
pub mod publish;
pub mod redis;
pub mod rpc;
pub mod store;
pub mod tools;
pub mod topology;
pub mod trace;
pub mod transport;

pub use bus::{Bus, ConnectBuilder, Time};
pub use consumer::{
    Consumer, ConsumerBuilder, Delivery, HandlerError, HandlerResult, Notice, Notices, Outcome, TimeLimit,
};
pub use dead_letter::DeadLetters;
pub use error::{Error, ErrorKind, Result, Stored};
pub use policy::{Durability, LockId, Ordering, Retention, ToolsMode};
pub use provision::Role;
pub use publish::{Outgoing, PublishOptions, Publisher, Receipt, Target};
pub use store::Store;

/// The version that all packages of stargazer share.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
