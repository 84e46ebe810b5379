//! Answers messages: reads the inbound stream in the workers' group and runs a turn for each message.
//!
//! A turn that fails is retried by the consumer's back-off, its channel waits meanwhile. When the last attempt has
//! failed, the asker is told, and the message goes to the dead letters. Messages that are not addressed to the bot are
//! done at once.

use std::sync::Arc;

use async_trait::async_trait;
use stargazer_core::config::ConsumerConfig;
use stargazer_core::envelope::Inbound;
use stargazer_core::platform::ProxyAdapter;
use stargazer_core::{Bus, Consumer, Delivery, HandlerResult, Outcome, Result, Role};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::joined;
use crate::host::Service;
use crate::processor::Processor;

/// Attempts at a message unless set otherwise: one for each failure that the scripted model knows, one that succeeds,
/// and two more for crashes.
pub const MAX_ATTEMPTS: u32 = 5;

/// The service.
#[derive(Debug)]
pub struct Inference {
    settings: ConsumerConfig,
    processor: Arc<Processor>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    consumer: Arc<Consumer<Inbound>>,
    task: JoinHandle<Result<()>>,
}

impl Inference {
    /// The service with these settings of its consumer and this processor.
    pub fn new(mut settings: ConsumerConfig, processor: Processor) -> Self {
        settings.name = "inference".into();
        Self { settings, processor: Arc::new(processor), running: None }
    }
}

#[async_trait]
impl Service for Inference {
    fn name(&self) -> &'static str {
        "inference"
    }

    async fn on_start(&mut self, bus: &Bus) -> Result<()> {
        bus.ensure_streams(Role::Worker, &[]).await?;
        let consumer = Arc::new(bus.consume_inbound().config(self.settings.clone()).open().await?);
        let (processor, last) = (self.processor.clone(), self.settings.max_attempts);
        let reader = consumer.clone();
        let task =
            tokio::spawn(async move { reader.run(move |delivery| answer(processor.clone(), last, delivery)).await });
        self.running = Some(Running { consumer, task });
        Ok(())
    }

    async fn run(&mut self) -> Result<()> {
        match &mut self.running {
            Some(running) => joined((&mut running.task).await),
            None => std::future::pending().await,
        }
    }

    async fn on_stop(&mut self) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let closed = running.consumer.close().await;
        if running.task.is_finished() {
            // How it ended was told when it did.
            return closed;
        }
        closed.and(joined(running.task.await))
    }
}

async fn answer(processor: Arc<Processor>, last: u32, delivery: Delivery<Inbound>) -> HandlerResult {
    let message = delivery.data()?;
    let (id, attempt) = (delivery.id(), delivery.attempt());
    if !message.is_addressed {
        debug!(%id, "not addressed");
        return Ok(Outcome::Ack);
    }
    let bus = delivery.bus();
    let Err(error) = processor.answer(&message, attempt, bus.clone()).await else { return Ok(Outcome::Ack) };
    let trace_id = &message.trace_id;
    if error.retryable() && attempt < last {
        info!(%id, trace_id, attempt, %error, "a turn failed and is tried again");
        return Err(error.into());
    }
    warn!(%id, trace_id, attempt, %error, "a turn failed for good");
    if let Err(error) = ProxyAdapter::for_message(bus, &message).end(Some(&error.to_string())).await {
        warn!(%id, trace_id, %error, "the asker could not be told that the turn failed");
    }
    if error.retryable() { Err(error.into()) } else { Ok(Outcome::reject(error.to_string())) }
}
