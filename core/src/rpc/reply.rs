//! Answers: what stands in them, and how they get to the stream that the request named.

use bytes::Bytes;

use super::handler::{Failure, Reply};
use super::run::Ended;
use super::{code, wire};
use crate::envelope::{EntryFields, Envelope, Limits, Map, ToolError, ToolReply};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::Retention;
use crate::publish::Publisher;
use crate::store::{LogOptions, Op};
use crate::transport::{Along, Append};

/// Answers a call from outside of a server: one that came another way, and was run by who read it. Stored once this has
/// returned.
///
/// An error of the kind `Expired` or `Cancelled` that was made a failure ends the call in that way: it was not run.
///
/// `Invalid` when `reply_to` is no reply stream, and nothing is written there. An answer that cannot be encoded is
/// answered as a failure of the code `bad_answer`.
pub async fn answer(
    bus: &Publisher,
    reply_to: &str,
    correlation_id: &str,
    answer: std::result::Result<Reply, Failure>,
) -> Result<()> {
    if !bus.topology().is_reply_stream(reply_to) {
        return Err(Error::invalid(format!("{reply_to:?} is no reply stream of this topology"))
            .with_context("field", "reply_to"));
    }
    let trace_id = bus.origin().map(|origin| origin.trace_id.clone()).unwrap_or_default();
    let ended = match answer {
        Err(failure) if failure.unrun == Some(ErrorKind::Expired) => Ended::Expired,
        Err(failure) if failure.unrun == Some(ErrorKind::Cancelled) => Ended::Cancelled,
        answer => Ended::Answered(answer),
    };
    let (encoded, _) = encode(&of(correlation_id, &trace_id, ended), &bus.limits())?;
    bus.append(entry(bus, reply_to, encoded, &trace_id, true)?).await.map(drop)
}

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
        Ended::OutOfTime => (not_run(correlation_id, wire::OUT_OF_TIME, "the deadline came while it ran"), Map::new()),
        Ended::Cancelled => (not_run(correlation_id, wire::CANCELLED, "the caller cancelled it"), Map::new()),
    };
    reply.with_writeback(writeback).with_trace_id(trace_id)
}

fn not_run(correlation_id: &str, kind: &'static str, message: &str) -> ToolReply {
    let mut error = ToolError::new(kind, message);
    error.rest.insert(wire::KIND, kind);
    ToolReply::error(correlation_id, error)
}

/// An answer as it is stored, and whether it is the one that was given: what cannot be encoded is told as a failure.
pub(super) fn encode(reply: &ToolReply, limits: &Limits) -> Result<(Bytes, bool)> {
    let error = match reply.encode_with(limits) {
        Ok(encoded) => return Ok((encoded, true)),
        Err(error) => error,
    };
    let told = ToolError::new(code::BAD_ANSWER, format!("the answer cannot be sent: {}", error.message()));
    let told = ToolReply::error(&reply.correlation_id, told).with_trace_id(&reply.trace_id);
    told.encode_with(limits).map(|encoded| (encoded, false))
}

/// The most answers that wait in the reply stream of a caller which removes what it has read.
const UNREAD: u64 = 100_000;

/// An answer as an entry of a reply stream, which goes with its owner. One that is `tidy` removes what it has read, so that
/// all that stands there is waited for; of the others, as many stay as the retention says.
pub(super) fn entry(bus: &Publisher, reply_to: &str, encoded: Bytes, trace_id: &str, tidy: bool) -> Result<Append> {
    let config = bus.config();
    let max_len = match config.reply_retention {
        Retention::Capped { max_len } if tidy => Some(max_len.max(UNREAD)),
        Retention::Capped { max_len } => Some(max_len),
        Retention::Acked { .. } | Retention::Forever => None,
    };
    let fields = EntryFields::new(encoded, bus.clock().wall_ms()).with_trace_id(trace_id).write()?;
    let along = Some(Along { ttl: config.calls.reply_ttl, mark: None });
    Ok(Append { max_len, along, ..Append::new(reply_to.into(), fields) })
}

/// The same as an operation, for what is one step with others.
pub(super) fn op(Append { stream, fields, max_len, along, .. }: Append) -> Op {
    let options = LogOptions { max_len, approximate: true, ttl: along.map(|along| along.ttl) };
    Op::LogAppend { stream, fields, options }
}
