//! The platform as a worker sees it: everything it does there goes onto the platform's outbound stream.
//!
//! The `n`th action of a type in a turn has the message key `{trace_id}:{type}:{n}`, whenever the turn runs. It is also
//! the id under which the action is published, so a turn that runs again stores nothing twice within the dedupe window,
//! and gateways recognise what is stored twice all the same. Actions that are started at the same time have their keys by
//! chance: await one before the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::turn::{NONCE, TURN_COMPLETE, TurnEnd};
use crate::envelope::{Action, Envelope, Inbound, Outbound};
use crate::error::Result;
use crate::publish::{Outgoing, PublishOptions, Publisher, Receipt, Target};
use crate::topology::MAX_MESSAGE_ID_BYTES;

/// Speaks on a platform from somewhere else, for one turn or for none. Give it a delivery's bus: what a turn says is then
/// refused once the turn has become somebody else's.
#[derive(Debug)]
pub struct ProxyAdapter {
    bus: Publisher,
    platform: String,
    channel_id: String,
    trace_id: String,
    nonce: Option<String>,
    counts: Mutex<HashMap<&'static str, u64>>,
}

impl ProxyAdapter {
    /// Speaks on a platform outside of any turn: without message keys, so nothing is recognised as doubled.
    pub fn new(bus: impl Into<Publisher>, platform: impl Into<String>) -> Self {
        Self {
            bus: bus.into(),
            platform: platform.into(),
            channel_id: String::new(),
            trace_id: String::new(),
            nonce: None,
            counts: Mutex::default(),
        }
    }

    /// Speaks where a message came from, in its turn. A message without a trace id is traced by its own id.
    pub fn for_message(bus: impl Into<Publisher>, message: &Inbound) -> Self {
        let trace_id = if message.trace_id.is_empty() { &message.message_id } else { &message.trace_id };
        Self {
            channel_id: message.channel_id.clone(),
            nonce: message.extra.text(NONCE).filter(|nonce| !nonce.is_empty()).map(str::to_owned),
            ..Self::new(bus, &message.platform).with_trace_id(trace_id)
        }
    }

    /// Sets the trace id, from which the message keys follow.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    /// Does something on the platform: stored when this returns, done when a gateway gets to it. Trace id and message key
    /// are filled in where they are missing, and the channel of the message that the turn answers.
    pub async fn perform(&self, mut action: Outbound) -> Result<Receipt> {
        let kind = action.action.type_name();
        if action.channel_id.is_empty() && !matches!(action.action, Action::Presence(_) | Action::Rpc(_)) {
            action.channel_id.clone_from(&self.channel_id);
        }
        let counted = action.message_key.is_none() && !self.trace_id.is_empty();
        if counted {
            action.message_key = Some(Outbound::key_for(&self.trace_id, kind, self.count(kind)));
        }
        self.publish(action).await
    }

    /// Tells the end of the turn, if the message asked for it: `None` when everything was said, else why it was given up.
    /// It is not counted: a turn that fails after it has said something ends under the same key.
    pub async fn end(&self, error: Option<&str>) -> Result<()> {
        let Some(nonce) = &self.nonce else { return Ok(()) };
        let end = error.map_or_else(|| TurnEnd::completed(nonce), |error| TurnEnd::failed(nonce, error));
        let key = Outbound::key_for(&self.trace_id, TURN_COMPLETE, 0);
        self.publish(end.to_outbound().with_channel(&self.channel_id).with_message_key(key)).await.map(drop)
    }

    fn count(&self, kind: &'static str) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count += 1;
        *count - 1
    }

    async fn publish(&self, mut action: Outbound) -> Result<Receipt> {
        if action.trace_id.is_empty() {
            action.trace_id.clone_from(&self.trace_id);
        }
        // A longer key is only known to gateways.
        let message_id = action.message_key.clone().filter(|key| (1..=MAX_MESSAGE_ID_BYTES).contains(&key.len()));
        let data = action.write(&self.bus.limits())?;
        let options = PublishOptions { message_id, ..PublishOptions::default() };
        let target = Target::Outbound { platform: self.platform.clone() };
        self.bus.publish_one(Outgoing { target, data, options }).await
    }
}
