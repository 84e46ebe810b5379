//! What a platform looks like to a gateway.

use std::fmt::Debug;

use async_trait::async_trait;
use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::{Bus, Receipt, Result};

/// Connects a platform: takes its messages to the bus, and does on it what workers say.
#[async_trait]
pub trait Adapter: Debug + Send + Sync + 'static {
    /// Name of the platform, which is also a part of its stream's name.
    fn platform(&self) -> &str;

    /// Begins to take messages from the platform; they go into `inbox`. Actions may come before it returns.
    async fn start(&self, inbox: Inbox) -> Result<()>;

    /// Takes no more messages, and waits for what its users still wait for; actions go on.
    async fn drain(&self) {}

    /// Ends. Called after whatever happened; may be called twice. Actions may still come.
    async fn stop(&self) -> Result<()>;

    /// Does something on the platform. An error of kind `Rejected`, `Invalid`, `NotFound`, `Malformed` or `TooLarge`
    /// sends it to the dead letters, any other has it tried again. The same action may come twice.
    async fn perform(&self, action: &Outbound) -> Result<()>;
}

/// Where an adapter puts what it received.
#[derive(Debug, Clone)]
pub struct Inbox(Bus);

impl Inbox {
    /// The way into this bus.
    pub fn new(bus: Bus) -> Self {
        Self(bus)
    }

    /// Gives a message to the workers.
    pub async fn put(&self, message: &Inbound) -> Result<Receipt> {
        self.0.publish_inbound(message).await
    }
}
