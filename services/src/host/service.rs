//! What a host runs.

use std::fmt::Debug;

use async_trait::async_trait;
use stargazer_core::{Bus, Result};

/// A part of a process with a life of its own.
#[async_trait]
pub trait Service: Debug + Send {
    /// Its name, in logs and answers.
    fn name(&self) -> &'static str;

    /// Starts it; it works when this returns. When it fails or is dropped half-way, [`Service::on_stop`] is called all
    /// the same and ends what had begun.
    async fn on_start(&mut self, bus: &Bus) -> Result<()>;

    /// Waits until it ends by itself, which it never should. May be dropped while waiting.
    async fn run(&mut self) -> Result<()>;

    /// Takes nothing new from outside, and waits for what it took, while the other services still work.
    async fn on_drain(&mut self) {}

    /// Ends it. Called once, after whatever happened.
    async fn on_stop(&mut self) -> Result<()>;
}
