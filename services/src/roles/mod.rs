//! The services.

pub mod gateway;
mod inference;
pub mod webchat;

pub use inference::{Inference, MAX_ATTEMPTS};
