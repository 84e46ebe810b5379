//! How a turn speaks: everything it does on the platform goes through here, onto the platform's outbound stream.
//!
//! The `n`th action of a type in a turn has the message key `{trace_id}:{type}:{n}`, whenever the turn runs. It is also
//! the id under which the action is published, so a turn that runs again stores nothing twice within the dedupe window,
//! and gateways recognise what is stored twice all the same.
//!
//! The end of a turn: when the message carries a nonce (`extra`, key [`NONCE`]), the last thing of the turn is an `rpc`
//! with the method [`TURN_COMPLETE`], without a reply address, in the lane of the channel; so it arrives behind
//! everything that the turn said. Its parameters are `nonce`, `status` (`completed` or `failed`) and, after a failure,
//! `error`. The nonce is documented for the original, the form of its answer is inferred. A message without a nonce,
//! such as every message of another program, gets no such sign.

use std::collections::HashMap;

use stargazer_core::envelope::{Envelope, Inbound, Map, Outbound};
use stargazer_core::{Outgoing, PublishOptions, Publisher, Receipt, Result, Target};

/// Key of an inbound message's `extra` under which the asker's nonce stands.
pub const NONCE: &str = "_response_nonce";

/// Method of the `rpc` that tells the end of a turn.
pub const TURN_COMPLETE: &str = "turn_complete";

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnd {
    /// Everything was said.
    Completed,
    /// It was given up.
    Failed(String),
}

/// Speaks for one turn.
#[derive(Debug)]
pub struct Proxy {
    bus: Publisher,
    platform: String,
    channel_id: String,
    trace_id: String,
    nonce: Option<String>,
    counts: HashMap<&'static str, u64>,
}

impl Proxy {
    /// Speaks where `message` came from. A message without a trace id is traced by its own id.
    pub fn new(bus: Publisher, message: &Inbound) -> Self {
        let trace_id = if message.trace_id.is_empty() { &message.message_id } else { &message.trace_id };
        Self {
            bus,
            platform: message.platform.clone(),
            channel_id: message.channel_id.clone(),
            trace_id: trace_id.clone(),
            nonce: message.extra.text(NONCE).filter(|nonce| !nonce.is_empty()).map(str::to_owned),
            counts: HashMap::new(),
        }
    }

    /// Does something in the channel. Channel, trace id and message key are filled in.
    pub async fn send(&mut self, action: Outbound) -> Result<Receipt> {
        let kind = action.action.type_name();
        let count = self.counts.entry(kind).or_default();
        let key = Outbound::key_for(&self.trace_id, kind, *count);
        *count += 1;
        self.publish(action, key).await
    }

    /// Tells the end of the turn, if the message asked for it. It is not counted: a turn that fails after it has said
    /// something ends under the same key.
    pub async fn end(&self, end: &TurnEnd) -> Result<()> {
        let Some(nonce) = &self.nonce else { return Ok(()) };
        let mut params = Map::from([("nonce", nonce.as_str())]);
        params.insert("status", if *end == TurnEnd::Completed { "completed" } else { "failed" });
        if let TurnEnd::Failed(error) = end {
            params.insert("error", error.as_str());
        }
        let key = Outbound::key_for(&self.trace_id, TURN_COMPLETE, 0);
        self.publish(Outbound::rpc(TURN_COMPLETE, params, "", ""), key).await.map(drop)
    }

    async fn publish(&self, action: Outbound, key: String) -> Result<Receipt> {
        let action = action.with_channel(&self.channel_id).with_trace_id(&self.trace_id).with_message_key(&key);
        let data = action.write(&self.bus.limits())?;
        let options = PublishOptions { message_id: Some(key), ..PublishOptions::default() };
        let target = Target::Outbound { platform: self.platform.clone() };
        self.bus.publish_one(Outgoing { target, data, options }).await
    }
}
