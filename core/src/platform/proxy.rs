//! The platform as a worker sees it: what it does there goes onto the platform's outbound stream, what it asks is a call of
//! the gateway.
//!
//! The `n`th action of a type in a turn has the message key `{trace_id}:{type}:{n}`, whenever the turn runs. It is also
//! the id under which the action is published, so a turn that runs again stores nothing twice within the dedupe window,
//! and gateways recognise what is stored twice all the same. Actions that are started at the same time have their keys by
//! chance: await one before the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::turn::{NONCE, TURN_COMPLETE, TurnEnd};
use super::{Adapter, BotIdentity, Intake, SendContext};
use crate::envelope::{Action, Button, Envelope, File, HistoricalMessage, Inbound, Map, Outbound, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::publish::{Outgoing, PublishOptions, Publisher, Receipt, Target};
use crate::rpc::CallOptions;
use crate::topology::MAX_MESSAGE_ID_BYTES;

/// Speaks on a platform from somewhere else, for one turn or for none. Give it a delivery's bus: what a turn says is then
/// refused once the turn has become somebody else's.
///
/// It is an [`Adapter`], so that what speaks on platforms can run beside them or elsewhere. What it sends is stored when a
/// call returns, and done when a gateway gets to it; the id on the platform is not known by then (`""`). What it asks ends as
/// [`Publisher::call_gateway`] does. It is not started: the platform's own adapter is, by its gateway.
#[derive(Debug)]
pub struct ProxyAdapter {
    bus: Publisher,
    platform: String,
    channel_id: String,
    trace_id: String,
    nonce: Option<String>,
    call_timeout: Option<Duration>,
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
            call_timeout: None,
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

    /// Sets how long a question waits for its answer; by default as long as any call.
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = Some(timeout);
        self
    }

    /// Does something on the platform: stored when this returns, done when a gateway gets to it. Trace id and message key
    /// are filled in where they are missing, and the channel of the message that the turn answers.
    pub async fn perform(&self, mut action: Outbound) -> Result<Receipt> {
        let kind = action.action.type_name();
        if action.channel_id.is_empty() && !matches!(action.action, Action::Presence(_) | Action::Rpc(_)) {
            action.channel_id.clone_from(&self.channel_id);
        }
        if action.message_key.is_none() && !self.trace_id.is_empty() {
            action.message_key = Some(Outbound::key_for(&self.trace_id, kind, self.count(kind)));
        }
        self.publish(action).await
    }

    /// Tells the end of the turn, if the message asked for it: `None` when everything was said, else why it was given up.
    /// It is not counted: a turn that fails after it has said something ends under the same key.
    pub async fn end(&self, error: Option<&str>) -> Result<()> {
        let Some(nonce) = &self.nonce else { return Ok(()) };
        let end = error.map_or_else(|| TurnEnd::completed(nonce), |error| TurnEnd::failed(nonce, error));
        self.turn_complete(&self.channel_id, &end).await
    }

    /// Calls a method of the gateway; what it gives is as [`Adapter`] says.
    async fn ask(&self, method: &str, params: Map) -> Result<Value> {
        let mut options = CallOptions { timeout: self.call_timeout, ..CallOptions::default() };
        if !self.trace_id.is_empty() {
            options = options.with_trace_id(&self.trace_id);
        }
        Ok(self.bus.call_gateway(&self.platform, method, params, options).await?.result)
    }

    async fn ask_yes_or_no(&self, method: &str, channel_id: &str) -> Result<bool> {
        let answer = self.ask(method, Map::from([("channel_id", channel_id)])).await?;
        answer.as_bool().ok_or_else(|| self.odd(method, "a boolean", &answer))
    }

    fn odd(&self, method: &str, wanted: &str, answer: &Value) -> Error {
        let text =
            format!("the gateway of {} answered {method} with {}, not {wanted}", self.platform, answer.type_name());
        Error::malformed(text).with_context("call", method)
    }

    /// Says what an adapter is told to say.
    async fn say(&self, mut action: Outbound, context: &SendContext) -> Result<String> {
        action.message_key.clone_from(&context.message_key);
        action.trace_id.clone_from(&context.trace_id);
        action.rest.extend(context.rest.iter().cloned());
        if let Some(message_id) = &context.reply_to {
            action = action.with_reply_to(message_id);
        }
        self.perform(action).await.map(|_| String::new())
    }

    fn count(&self, kind: &'static str) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(kind).or_default();
        *count += 1;
        *count - 1
    }

    async fn publish(&self, mut action: Outbound) -> Result<Receipt> {
        action.platform.clone_from(&self.platform);
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

#[async_trait]
impl Adapter for ProxyAdapter {
    fn name(&self) -> &str {
        &self.platform
    }

    /// Whether the bus is open; the adapter itself may be down, and what is sent then waits.
    async fn is_running(&self) -> bool {
        self.bus.ensure_open().is_ok()
    }

    async fn bot_identity(&self) -> Result<BotIdentity> {
        match self.ask("bot_identity", Map::new()).await? {
            Value::Map(identity) => BotIdentity::from_map(&identity),
            other => Err(self.odd("bot_identity", "a map", &other)),
        }
    }

    /// `Rejected`: a proxy takes nothing in.
    async fn start(&self, _intake: Intake) -> Result<()> {
        let text = format!("a proxy of {} is not started; its gateway starts the adapter", self.platform);
        Err(Error::new(ErrorKind::Rejected, text).with_context("platform", &self.platform))
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        self.say(Outbound::message(channel_id, text), context).await
    }

    async fn send_file(&self, channel_id: &str, file: &File, context: &SendContext) -> Result<String> {
        let sent = Outbound::file(channel_id, &file.filename, &file.mimetype, file.data.clone());
        self.say(sent.with_text(&context.caption), context).await
    }

    async fn send_with_buttons(
        &self,
        channel_id: &str,
        text: &str,
        buttons: &[Button],
        context: &SendContext,
    ) -> Result<String> {
        self.say(Outbound::buttons(channel_id, text, buttons.to_vec()), context).await
    }

    async fn react(&self, channel_id: &str, message_id: &str, emoji: &str, context: &SendContext) -> Result<()> {
        self.say(Outbound::reaction(channel_id, message_id, emoji), context).await.map(drop)
    }

    async fn typing(&self, channel_id: &str) -> Result<()> {
        self.perform(Outbound::typing(channel_id)).await.map(drop)
    }

    async fn presence(&self, status: &str, emoji: Option<&str>) -> Result<()> {
        self.perform(Outbound::presence(status, emoji.map(str::to_owned))).await.map(drop)
    }

    async fn turn_complete(&self, channel_id: &str, end: &TurnEnd) -> Result<()> {
        let trace_id = if end.trace_id.is_empty() { &self.trace_id } else { &end.trace_id };
        let mut said = end.to_outbound().with_channel(channel_id).with_trace_id(trace_id);
        if !trace_id.is_empty() {
            said.message_key = Some(Outbound::key_for(trace_id, TURN_COMPLETE, 0));
        }
        self.publish(said).await.map(drop)
    }

    async fn fetch_history(&self, channel_id: &str, limit: usize) -> Result<Vec<HistoricalMessage>> {
        let limit =
            i64::try_from(limit).map_err(|_| Error::invalid("limit is too large").with_context("field", "limit"))?;
        let params = Map::from([("channel_id", Value::from(channel_id)), ("limit", limit.into())]);
        let answer = self.ask("fetch_history", params).await?;
        let Value::List(messages) = &answer else { return Err(self.odd("fetch_history", "a list", &answer)) };
        let message = |message: &Value| match message {
            Value::Map(message) => HistoricalMessage::from_map(message),
            other => Err(self.odd("fetch_history", "a list of maps", other)),
        };
        messages.iter().map(message).collect()
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        self.ask_yes_or_no("is_channel_valid", channel_id).await
    }

    async fn should_skip_channel_heartbeat(&self, channel_id: &str) -> Result<bool> {
        self.ask_yes_or_no("should_skip_channel_heartbeat", channel_id).await
    }

    async fn call(&self, method: &str, params: &Map) -> Result<Value> {
        self.ask(method, params.clone()).await
    }
}
