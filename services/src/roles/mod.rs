//! The services.

mod gateway;
mod inference;
pub mod webchat;

use stargazer_core::{Error, Result};
use tokio::task::JoinError;

pub use gateway::Gateway;
pub use inference::{Inference, MAX_ATTEMPTS};

/// The result of a task of ours; a panic is a bug.
fn joined(result: Result<Result<()>, JoinError>) -> Result<()> {
    result.unwrap_or_else(|error| Err(Error::internal("a task of a service panicked").with_source(error)))
}
