//! Between platforms and the bus: runs adapters, and performs on them what workers say.
//!
//! For each adapter the outbound stream of its platform is read in the platform's gateway group, channel by channel in
//! order, before the adapter starts, and until after it has stopped. What becomes of an action:
//!
//! - performed: done, and its message key is remembered, so that a double is not performed again;
//! - refused by the adapter for good (an error that is not retryable, such as an unknown call): dead letter;
//! - failed: tried again by the consumer's back-off, then dead letter;
//! - of a type that nobody knows: dead letter, before any adapter sees it.
//!
//! The keys are remembered by this process: after it died, or moved a channel to another gateway, a double whose first
//! copy the other had performed is performed again.

mod adapter;
mod seen;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stargazer_core::config::ConsumerConfig;
use stargazer_core::envelope::Outbound;
use stargazer_core::{Bus, Consumer, Delivery, Error, ErrorKind, HandlerResult, Outcome, Result, Role};
use tokio::task::{JoinError, JoinHandle};
use tracing::{debug, warn};

pub use adapter::{Adapter, Inbox};
use seen::Seen;

use crate::host::Service;

/// The service.
#[derive(Debug)]
pub struct Gateway {
    consumer: ConsumerConfig,
    adapters: Vec<Arc<dyn Adapter>>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    adapter: Arc<dyn Adapter>,
    consumer: Arc<Consumer<Outbound>>,
    task: JoinHandle<Result<()>>,
}

impl Gateway {
    /// A gateway with these adapters and these settings of their consumers.
    pub fn new(mut consumer: ConsumerConfig, adapters: Vec<Arc<dyn Adapter>>) -> Self {
        consumer.name = "gateway".into();
        Self { consumer, adapters, running: Vec::new() }
    }
}

#[async_trait]
impl Service for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    async fn on_start(&mut self, bus: &Bus) -> Result<()> {
        let platforms: Vec<String> = self.adapters.iter().map(|adapter| adapter.platform().to_owned()).collect();
        bus.ensure_streams(Role::Gateway, &platforms).await?;
        for adapter in &self.adapters {
            let consumer = bus.consume_outbound(adapter.platform()).config(self.consumer.clone()).open().await?;
            let consumer = Arc::new(consumer);
            let performer = Arc::new(Performer { adapter: adapter.clone(), seen: Mutex::default() });
            let reader = consumer.clone();
            let task =
                tokio::spawn(async move { reader.run(move |delivery| performer.clone().perform(delivery)).await });
            self.running.push(Running { adapter: adapter.clone(), consumer, task });
            adapter.start(Inbox::new(bus.clone())).await?;
        }
        Ok(())
    }

    async fn run(&mut self) -> Result<()> {
        if self.running.is_empty() {
            return std::future::pending().await;
        }
        let tasks = self.running.iter_mut().map(|running| &mut running.task);
        joined(futures_util::future::select_all(tasks).await.0)
    }

    async fn on_drain(&mut self) {
        for running in &self.running {
            running.adapter.drain().await;
        }
    }

    async fn on_stop(&mut self) -> Result<()> {
        let mut result = Ok(());
        for Running { adapter, consumer, task } in self.running.drain(..).rev() {
            result = result.and(adapter.stop().await).and(consumer.close().await);
            if !task.is_finished() {
                result = result.and(joined(task.await));
            }
        }
        result
    }
}

/// Performs the actions of one platform.
#[derive(Debug)]
struct Performer {
    adapter: Arc<dyn Adapter>,
    seen: Mutex<Seen>,
}

impl Performer {
    async fn perform(self: Arc<Self>, delivery: Delivery<Outbound>) -> HandlerResult {
        let action = delivery.data()?;
        let id = delivery.id();
        let key = action.message_key.as_deref().filter(|key| !key.is_empty());
        if key.is_some_and(|key| self.seen().contains(key)) {
            debug!(%id, key, "performed before");
            return Ok(Outcome::Ack);
        }
        match self.adapter.perform(&action).await {
            Ok(()) => {
                if let Some(key) = key {
                    self.seen().insert(key);
                }
                Ok(Outcome::Ack)
            }
            Err(error) => {
                let (kind, attempt) = (action.action.type_name(), delivery.attempt());
                warn!(%id, trace_id = action.trace_id, kind, attempt, %error, "an action failed");
                if is_final(&error) { Ok(Outcome::reject(error.to_string())) } else { Err(error.into()) }
            }
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same action would be refused again.
fn is_final(error: &Error) -> bool {
    use ErrorKind::{Invalid, Malformed, NotFound, Rejected, TooLarge};
    matches!(error.kind(), Invalid | Malformed | NotFound | Rejected | TooLarge)
}

/// The result of a task of ours; a panic is a bug.
pub(super) fn joined(result: Result<Result<()>, JoinError>) -> Result<()> {
    result.unwrap_or_else(|error| Err(Error::internal("a task of a service panicked").with_source(error)))
}

#[cfg(test)]
mod tests;
