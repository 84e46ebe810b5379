//! What a server does with one request, from its delivery to its answer.

use std::sync::Arc;

use super::cancel::Cancel;
use super::figures::up;
use super::handler::{Failure, Request};
use super::run::{self, Ended};
use super::server::Shared;
use super::{code, reply};
use crate::consumer::{Delivery, HandlerResult, Outcome};
use crate::envelope::{ToolReply, ToolRequest};

/// Runs one request and answers it.
pub(super) async fn serve(shared: Arc<Shared>, delivery: Delivery<ToolRequest>) -> HandlerResult {
    let request = delivery.data()?;
    if !shared.bus.topology().is_reply_stream(&request.reply_to) {
        up(&shared.counts.rejected);
        let reason = format!("reply_to is {:?}, which is no reply stream of this topology", request.reply_to);
        return Ok(Outcome::reject(reason));
    }
    let answer = answer(&shared, &delivery, &request).await;
    let sent = reply::send(&shared.bus, &request.reply_to, &answer, request.deadline_ms).await;
    if let Err(error) = sent {
        up(&shared.counts.unanswered);
        let (call, reply_to) = (&request.tool_name, &request.reply_to);
        tracing::warn!(%error, call, reply_to, "the answer of a call could not be stored");
    }
    Ok(Outcome::Ack)
}

async fn answer(shared: &Shared, delivery: &Delivery<ToolRequest>, request: &ToolRequest) -> ToolReply {
    let id = &request.correlation_id;
    let ended = if let Some(entry) = shared.find(&request.tool_name) {
        let request = Request {
            envelope: request.clone(),
            attempt: delivery.attempt(),
            cancel: Cancel::new(),
            bus: delivery.bus_for(request.clone()),
        };
        run::run(&entry, request, &**shared.bus.clock()).await
    } else {
        up(&shared.counts.unknown);
        Ended::Answered(Err(unknown(shared, &request.tool_name)))
    };
    reply::of(id, &request.trace_id, ended)
}

fn unknown(shared: &Shared, name: &str) -> Failure {
    let names = shared.names().join(", ");
    let served = if names.is_empty() { "nothing".to_owned() } else { names };
    let text = format!(
        "nothing is called {name:?} here; this server serves {served}. Servers of one service must serve the same names"
    );
    Failure::new(code::UNKNOWN, text)
}
