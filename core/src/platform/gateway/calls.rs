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
use crate::envelope::{HistoricalMessage, Map, Outbound, Rpc, ToolRequest, Value};
use crate::error::{Error, ErrorKind, Result, Stored};
use crate::platform::{SendContext, TURN_COMPLETE, TurnEnd};
use crate::rpc::{self, Failure, Handler, Reply, Request};

/// Calls that an adapter answers by a method of its own, and that change nothing.
const QUESTIONS: [&str; 4] = ["is_channel_valid", "should_skip_channel_heartbeat", "fetch_history", "bot_identity"];

/// Messages that `fetch_history` gives when nobody says how many, and the most.
const HISTORY: u64 = 100;
const MAX_HISTORY: u64 = 1000;

impl Performer {
    /// Performs an `rpc`.
    pub(super) async fn answer(&self, delivery: &Delivery<Outbound>, action: &Outbound, rpc: &Rpc) -> HandlerResult {
        let call = Call { delivery, action, rpc };
        if rpc.reply_to.is_empty() {
            if !self.shared.status.up().await {
                return Ok(Outcome::Release);
            }
            let run = |context| async {
                let ran = self.guarded(&rpc.method, self.run(&call, context)).await?;
                ran.map(drop).map_err(Failure::into_remote)
            };
            return self.once(delivery, action, run).await;
        }
        if !self.shared.bus.topology().is_reply_stream(&rpc.reply_to) {
            let reason = format!("`reply_to` of a call must name the reply stream of a worker, not {:?}", rpc.reply_to);
            return Ok(Outcome::reject(reason));
        }
        if QUESTIONS.contains(&rpc.method.as_str()) {
            let answered = self.answered(&call, SendContext::new()).await;
            return self.outcome(delivery, action, answered);
        }
        self.once(delivery, action, |context| self.answered(&call, context)).await
    }

    /// Runs a call and answers it. Only a failure to answer is one.
    async fn answered(&self, call: &Call<'_>, context: SendContext) -> Result<()> {
        let Call { delivery, action, rpc } = call;
        let ran = self.in_time(call, context).await;
        let failed = match &ran {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some(failure.clone().into_remote()),
            Err(error) => Some(error.clone()),
        };
        if let Some(error) = failed {
            debug!(method = rpc.method, trace_id = action.trace_id, %error, "a call failed");
            self.failed(&error);
        }
        let answer = ran.unwrap_or_else(|error| Err(Failure::from(error)));
        // It was run, whatever becomes of the answer.
        let told = rpc::answer(&delivery.bus(), &rpc.reply_to, &rpc.correlation_id, answer).await;
        told.map_err(|error| error.with_stored(Stored::Unknown))
    }

    /// Runs a call before its deadline.
    async fn in_time(&self, call: &Call<'_>, context: SendContext) -> Result<Ran> {
        let clock = self.shared.bus.clock();
        let left = match call.rpc.deadline_ms {
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
            self.run(call, context).await
        };
        guarded(&**clock, left, &call.rpc.method, run).await
    }

    fn down(&self) -> Error {
        let health = self.shared.status.now();
        let why = health.last_error.map_or_else(|| "it is stopped".to_owned(), |error| error.message().to_owned());
        Error::unavailable(format!("the platform {} is not connected: {why}", health.platform))
    }

    /// Runs a call: by a method of the gateway, else on the adapter. An error is the adapter's, or about the call.
    async fn run(&self, call: &Call<'_>, context: SendContext) -> Result<Ran> {
        let Call { action, rpc, .. } = call;
        let (adapter, params) = (&self.shared.adapter, &rpc.params);
        let channel = || match params.text("channel_id") {
            Some(channel) => Ok(channel),
            None if !action.channel_id.is_empty() => Ok(action.channel_id.as_str()),
            None => Err(wrong(&rpc.method, "channel_id", "text")),
        };
        let value: Value = match rpc.method.as_str() {
            "is_channel_valid" => adapter.is_channel_valid(channel()?).await?.into(),
            "should_skip_channel_heartbeat" => adapter.should_skip_channel_heartbeat(channel()?).await?.into(),
            "fetch_history" => {
                let messages = adapter.fetch_history(channel()?, limit(params)?).await?;
                let maps: Vec<Map> = messages.iter().map(HistoricalMessage::to_map).collect::<Result<_>>()?;
                maps.into()
            }
            "bot_identity" => adapter.bot_identity().await?.to_map().into(),
            TURN_COMPLETE => {
                let end = TurnEnd::from_rpc(rpc, &action.trace_id)?;
                adapter.turn_complete(&action.channel_id, &end).await?;
                Value::Nil
            }
            method => match self.shared.methods.get(method) {
                Some(own) => return self.own(&**own, call, &context).await,
                None => adapter.call(method, params).await?,
            },
        };
        Ok(Ok(Reply::new(value)))
    }
}

/// What a call came to; a failure is told as the gateway's own method gave it, with its details and its writeback.
type Ran = std::result::Result<Reply, Failure>;

impl Performer {
    /// Runs a call by a method of the gateway's own. That its caller cancelled it is told to the method, which may end.
    async fn own(&self, method: &dyn Handler, call: &Call<'_>, context: &SendContext) -> Result<Ran> {
        let entered = self.shared.control.enter(&call.rpc.correlation_id);
        entered.look(call.delivery.id(), call.delivery.redelivered()).await?;
        let cancel = entered.cancel.clone();
        if cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the caller had cancelled it before it was run"));
        }
        Ok(method.call(request(call, context).with_cancel(cancel)).await)
    }
}

/// A call as it came.
struct Call<'a> {
    delivery: &'a Delivery<Outbound>,
    action: &'a Outbound,
    rpc: &'a Rpc,
}

/// A call as a handler takes it. One that may have been run before is at least the second start of it.
fn request(call: &Call<'_>, context: &SendContext) -> Request {
    let Call { delivery, action, rpc } = call;
    let mut envelope = ToolRequest::new(&rpc.method, rpc.params.clone(), &rpc.reply_to)
        .with_correlation_id(&rpc.correlation_id)
        .with_trace_id(&action.trace_id);
    envelope.deadline_ms = rpc.deadline_ms;
    let mut request = Request::new(envelope, delivery.bus());
    request.attempt = if context.may_be_repeat { context.attempt.max(2) } else { context.attempt };
    request
}

/// Whether a gateway's own methods may not have this name.
pub(super) fn is_taken(method: &str) -> bool {
    method.is_empty() || method == TURN_COMPLETE || QUESTIONS.contains(&method)
}

fn limit(params: &Map) -> Result<usize> {
    let limit = match params.get("limit") {
        None | Some(Value::Nil) => Some(HISTORY),
        Some(limit) => limit.as_u64().filter(|limit| (1..=MAX_HISTORY).contains(limit)),
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.ok_or_else(|| wrong("fetch_history", "limit", "1 to 1000"))
}

fn wrong(method: &str, name: &str, what: &str) -> Error {
    Error::invalid(format!("`{name}` of {method} must be {what}")).with_context("field", name)
}
