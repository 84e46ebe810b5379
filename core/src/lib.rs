//! stargazer: a message bus over Redis Streams with strict order per channel.

pub mod clock;
pub mod engine;
pub mod envelope;
pub mod error;
pub mod topology;
pub mod transport;

pub use error::{Error, ErrorKind, Result, Stored};

/// The version that all packages of stargazer share.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
