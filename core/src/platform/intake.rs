//! Where an adapter puts what it received: the way from a platform into the bus.
//!
//! A message whose receipt came back is stored. One with an id of the platform's is stored once within the dedupe window,
//! however often it is handed in: a platform that delivers twice after a reconnect makes no second answer.

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use super::MessageUpdate;
use crate::envelope::{Envelope, IncomingMessage};
use crate::error::{Error, Result, Stored};
use crate::publish::{Outgoing, PublishOptions, Publisher, Receipt, Target};
use crate::topology;

/// The way in for one platform. Cheap to clone. It belongs to one start of an adapter and is closed after its stop.
#[derive(Debug, Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bus: Publisher,
    platform: String,
    /// `Some` once it is over, with the adapter's reason if it ended by itself.
    over: watch::Sender<Option<Over>>,
}

#[derive(Debug, Clone)]
enum Over {
    Failed(Error),
    Closed,
}

impl Intake {
    /// A way into this bus for what comes from `platform`. A gateway makes one for each start of an adapter.
    pub fn new(bus: impl Into<Publisher>, platform: impl Into<String>) -> Self {
        let inner = Inner { bus: bus.into(), platform: platform.into(), over: watch::Sender::new(None) };
        Self { inner: Arc::new(inner) }
    }

    /// The platform.
    pub fn platform(&self) -> &str {
        &self.inner.platform
    }

    /// Gives a message to the workers.
    ///
    /// Filled in where they are empty: platform, message id, trace id (`extra`, key `trace_id`). `Invalid` for another
    /// platform than the adapter's or a message without a channel; `Closed` after the stop; else as publishing fails.
    pub async fn message(&self, message: IncomingMessage) -> Result<Receipt> {
        let once = !message.message_id.is_empty();
        self.put(message, once).await
    }

    /// Tells the workers that a message was edited, was deleted, or has other reactions. Fails as
    /// [`Intake::message`] does.
    pub async fn update(&self, update: MessageUpdate) -> Result<Receipt> {
        self.put(update.to_message(&self.inner.platform)?, false).await
    }

    /// Tells that the connection broke, and why: the adapter is stopped and started again. Only the first reason counts.
    pub fn failed(&self, error: Error) {
        self.end(Over::Failed(error));
    }

    /// Takes nothing more: `Closed` from now on. For gateways.
    pub fn close(&self) {
        self.inner.over.send_replace(Some(Over::Closed));
    }

    /// Ends when the adapter says that its connection broke, with its reason. For gateways.
    pub async fn broken(&self) -> Error {
        let mut over = self.inner.over.subscribe();
        let over = over.wait_for(Option::is_some).await.map(|over| over.clone());
        match over {
            Ok(Some(Over::Failed(error))) => error,
            // We hold the sender: only a closed intake comes here, and nobody asks that one.
            _ => std::future::pending().await,
        }
    }

    fn end(&self, over: Over) {
        self.inner.over.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                *now = Some(over);
            }
            first
        });
    }

    async fn put(&self, mut message: IncomingMessage, once: bool) -> Result<Receipt> {
        let Inner { bus, platform, over } = &*self.inner;
        if matches!(*over.borrow(), Some(Over::Closed)) {
            return Err(Error::closed("intake").with_context("platform", platform).with_stored(Stored::No));
        }
        if message.platform.is_empty() {
            message.platform.clone_from(platform);
        }
        for (field, wrong) in
            [("platform", message.platform != *platform), ("channel_id", message.channel_id.is_empty())]
        {
            if wrong {
                let text = format!("a message of {platform} must have this platform and a channel; look at `{field}`");
                return Err(Error::invalid(text).with_context("field", field).with_stored(Stored::No));
            }
        }
        let mid = once.then(|| topology::received_id(platform, &message.channel_id, &message.message_id)).flatten();
        if message.message_id.is_empty() {
            message.message_id = Uuid::new_v4().to_string();
        }
        let mut envelope = message.to_inbound_envelope()?;
        #[allow(clippy::cast_precision_loss)] // exact until the year 287396
        let now = bus.clock().wall_ms() as f64 / 1000.0;
        if envelope.trace_id.is_empty() {
            envelope.trace_id = Uuid::new_v4().simple().to_string();
        }
        for time in [&mut envelope.enqueued_at, &mut envelope.timestamp] {
            if *time == 0.0 {
                *time = now;
            }
        }
        let data = envelope.write(&bus.limits()).map_err(|error| error.with_stored(Stored::No))?;
        let options = PublishOptions { message_id: mid, ..PublishOptions::default() };
        bus.publish_one(Outgoing { target: Target::Inbound, data, options }).await
    }
}
