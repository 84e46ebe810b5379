//! Answers: what stands in them, and how they get to the stream that the request named.

use crate::envelope::{Map, ToolError, ToolReply};
use crate::error::Result;
use crate::publish::Publisher;

use super::run::Ended;
use super::wire;

/// The answer of a call that ended so.
pub(super) fn of(correlation_id: &str, trace_id: &str, ended: Ended) -> ToolReply {
    let (reply, writeback) = match ended {
        Ended::Answered(Ok(reply)) => (ToolReply::ok(correlation_id, reply.result), reply.writeback),
        Ended::Answered(Err(failure)) => {
            let (error, writeback) = failure.into_error();
            (ToolReply::error(correlation_id, error), writeback)
        }
        Ended::Expired => {
            (not_run(correlation_id, wire::EXPIRED, "the deadline had passed before it was run"), Map::new())
        }
        Ended::Cancelled => (not_run(correlation_id, wire::CANCELLED, "the caller cancelled it"), Map::new()),
    };
    reply.with_writeback(writeback).with_trace_id(trace_id)
}

fn not_run(correlation_id: &str, kind: &'static str, message: &str) -> ToolReply {
    let mut error = ToolError::new(kind, message);
    error.rest.insert(wire::KIND, kind);
    ToolReply::error(correlation_id, error)
}

/// Stores an answer.
pub(super) async fn send(bus: &Publisher, reply_to: &str, reply: &ToolReply, _deadline_ms: Option<u64>) -> Result<()> {
    bus.publish_tools_reply(reply_to, reply).await.map(|_| ())
}
