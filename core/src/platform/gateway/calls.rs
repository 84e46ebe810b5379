//! Calls that workers make on an adapter (`rpc`), and their answers.
//!
//! A call with a reply address is answered once it was run, refused or late, and is never tried again: whoever waits
//! decides. One whose deadline has passed is answered unrun, and so is one that comes while the adapter is being restarted.
//! A call without a reply address is an action like any other. Calls that only ask may run again after a crash; all others
//! are done once, as sends are.

use std::time::Duration;

use tracing::debug;

use super::guard::guarded;
use super::health::{AdapterState, Count};
use super::perform::Performer;
use crate::consumer::{Delivery, HandlerResult, Outcome};
use crate::envelope::{Envelope, HistoricalMessage, Map, Outbound, Rpc, ToolError, ToolReply, Value};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::platform::{TURN_COMPLETE, TurnEnd};
use crate::publish::{Outgoing, PublishOptions, Target};

/// Calls that an adapter answers by a method of its own, and that change nothing.
const QUESTIONS: [&str; 4] = ["is_channel_valid", "should_skip_channel_heartbeat", "fetch_history", "bot_identity"];

/// Messages that `fetch_history` gives when nobody says how many, and the most.
const HISTORY: u64 = 100;
const MAX_HISTORY: u64 = 1000;

impl Performer {
    /// Performs an `rpc`.
    pub(super) async fn answer(&self, delivery: &Delivery<Outbound>, action: &Outbound, rpc: &Rpc) -> HandlerResult {
        if rpc.reply_to.is_empty() {
            if !self.shared.status.up().await {
                return Ok(Outcome::Release);
            }
            let run = |_| async { self.guarded(&rpc.method, self.run(action, rpc)).await.map(drop) };
            return self.once(delivery, action, run).await;
        }
        if !self.shared.bus.topology().is_reply_stream(&rpc.reply_to) {
            let reason = format!("`reply_to` of a call must name the reply stream of a worker, not {:?}", rpc.reply_to);
            return Ok(Outcome::reject(reason));
        }
        if QUESTIONS.contains(&rpc.method.as_str()) {
            let answered = self.answered(delivery, action, rpc).await;
            return self.outcome(delivery, action, answered);
        }
        self.once(delivery, action, |_| self.answered(delivery, action, rpc)).await
    }

    /// Runs a call and answers it. Only a failure to answer is one.
    async fn answered(&self, delivery: &Delivery<Outbound>, action: &Outbound, rpc: &Rpc) -> Result<()> {
        let answer = self.in_time(action, rpc).await;
        if let Err(error) = &answer {
            debug!(method = rpc.method, trace_id = action.trace_id, %error, "a call failed");
            self.failed(error);
        }
        let reply = match answer {
            Ok(value) => ToolReply::ok(&rpc.correlation_id, value),
            Err(error) => ToolReply::error(&rpc.correlation_id, told(&error)),
        };
        let bus = delivery.bus();
        let reply = reply.with_trace_id(&action.trace_id);
        let data = match reply.encode_with(&bus.limits()) {
            Ok(data) => data,
            Err(error) => {
                let text = format!("the answer cannot be sent: {}", error.message());
                let error = ToolError::new(error.code(), text);
                ToolReply::error(&rpc.correlation_id, error)
                    .with_trace_id(&action.trace_id)
                    .encode_with(&bus.limits())?
            }
        };
        let target = Target::ToolsReply { stream: rpc.reply_to.as_str().into() };
        let replied = bus.publish_one(Outgoing { target, data, options: PublishOptions::default() }).await;
        // It was run, whatever became of the answer.
        replied.map(drop).map_err(|error| error.with_stored(Stored::Unknown))
    }

    /// Runs a call before its deadline.
    async fn in_time(&self, action: &Outbound, rpc: &Rpc) -> Result<Value> {
        let clock = self.shared.bus.clock();
        let left = match rpc.deadline_ms {
            Some(deadline) => Duration::from_millis(deadline.saturating_sub(clock.wall_ms())),
            None => self.shared.config.call_timeout,
        };
        if left.is_zero() {
            return Err(Error::new(ErrorKind::Expired, "the deadline of the call had passed before it was run"));
        }
        let _under_way = Count::of(&self.shared.status, |health| &mut health.under_way);
        let run = async {
            // The first start is worth waiting for; after a failure nobody knows how long it takes.
            let ready = |state| state != AdapterState::Starting;
            if !self.shared.status.reached(ready).await.is_up() {
                return Err(self.down());
            }
            self.run(action, rpc).await
        };
        guarded(&**clock, left, &rpc.method, run).await
    }

    fn down(&self) -> Error {
        let health = self.shared.status.now();
        let why = health.last_error.map_or_else(|| "it is stopped".to_owned(), |error| error.message().to_owned());
        Error::unavailable(format!("the platform {} is not connected: {why}", health.platform))
    }

    /// Runs a call on the adapter.
    async fn run(&self, action: &Outbound, rpc: &Rpc) -> Result<Value> {
        let (adapter, params) = (&self.shared.adapter, &rpc.params);
        let channel = || match params.text("channel_id") {
            Some(channel) => Ok(channel),
            None if !action.channel_id.is_empty() => Ok(action.channel_id.as_str()),
            None => Err(wrong(&rpc.method, "channel_id", "text")),
        };
        Ok(match rpc.method.as_str() {
            "is_channel_valid" => adapter.is_channel_valid(channel()?).await?.into(),
            "should_skip_channel_heartbeat" => adapter.should_skip_channel_heartbeat(channel()?).await?.into(),
            "fetch_history" => {
                let limit = match params.get("limit") {
                    None | Some(Value::Nil) => HISTORY,
                    Some(limit) => limit
                        .as_u64()
                        .filter(|limit| (1..=MAX_HISTORY).contains(limit))
                        .ok_or_else(|| wrong("fetch_history", "limit", "1 to 1000"))?,
                };
                let limit = usize::try_from(limit).map_err(|_| wrong("fetch_history", "limit", "1 to 1000"))?;
                let messages = adapter.fetch_history(channel()?, limit).await?;
                let maps: Vec<Map> = messages.iter().map(HistoricalMessage::to_map).collect::<Result<_>>()?;
                maps.into()
            }
            "bot_identity" => adapter.bot_identity().await?.to_map().into(),
            TURN_COMPLETE => {
                let end = TurnEnd::from_rpc(rpc, &action.trace_id)?;
                adapter.turn_complete(&action.channel_id, &end).await?;
                Value::Nil
            }
            other => adapter.call(other, params).await?,
        })
    }
}

/// An error as the caller is told.
fn told(error: &Error) -> ToolError {
    let mut told = ToolError::new(error.code(), error.message());
    if error.kind() == ErrorKind::Expired {
        told.rest.insert("kind", "expired");
    }
    told
}

fn wrong(method: &str, name: &str, what: &str) -> Error {
    Error::invalid(format!("`{name}` of {method} must be {what}")).with_context("field", name)
}
