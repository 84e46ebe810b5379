//! What a publisher that belongs to a delivery knows of it, for those who publish through it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::envelope::{Envelope, Inbound, Limits, ToolRequest};
use crate::error::Error;

/// The delivery in whose name something is published.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Names the entry: the same however often it is delivered, also after it was put back from the dead letters.
    pub(crate) turn: String,
    /// Whether it was, or may have been, handed to a handler before.
    pub(crate) redelivered: bool,
    /// Trace id, `""` for none.
    pub(crate) trace_id: String,
    /// W3C `traceparent`.
    pub(crate) traceparent: Option<String>,
    /// W3C `tracestate`.
    pub(crate) tracestate: Option<String>,
    /// Milliseconds since 1970 after which nobody waits for what the delivery does.
    pub(crate) deadline_ms: Option<u64>,
    /// Whether what was published last in its name found no room.
    pub(crate) refused: Arc<Refused>,
    body: Bytes,
    caller: OnceLock<Option<ToolRequest>>,
    counts: Mutex<HashMap<String, u64>>,
}

/// Why the last publish of somebody found no room, if it found none. One that got through, or failed for another reason, ends it.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<Option<Error>>);

impl Refused {
    /// How the last publish ended.
    pub(crate) fn last(&self, error: Option<Error>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn why(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Origin {
    /// A delivery of an entry with this body.
    pub(crate) fn new(turn: String, redelivered: bool, body: Bytes) -> Self {
        Self { turn, redelivered, body, ..Self::default() }
    }

    /// The same for one that is itself a request, made for somebody.
    pub(crate) fn for_request(mut self, request: ToolRequest) -> Self {
        self.deadline_ms = request.deadline_ms;
        // What it calls is remembered with it, also when it was made again under another id.
        if let Some(memo) = &request.memo {
            self.turn.clone_from(memo);
        }
        self.caller = OnceLock::from(Some(request));
        self
    }

    /// The W3C context of what is sent in its name: the one that is given, whole, or else its own. A `tracestate` says nothing
    /// beside the `traceparent` of another trace (W3C Trace Context, 3.3).
    pub(crate) fn context(
        origin: Option<&Self>,
        traceparent: Option<String>,
        tracestate: Option<String>,
    ) -> (Option<String>, Option<String>) {
        match origin {
            Some(origin) if traceparent.is_none() => (origin.traceparent.clone(), origin.tracestate.clone()),
            _ => (traceparent, tracestate),
        }
    }

    /// A request that says for whom the delivery acts, if it knows: the writer of its message.
    pub(crate) fn caller(&self, limits: &Limits) -> Option<&ToolRequest> {
        let read = || Inbound::decode_with(&self.body, limits).ok().map(|m| ToolRequest::default().with_caller(&m));
        self.caller.get_or_init(read).as_ref()
    }

    /// How often this was asked before with the same text, while the delivery runs.
    pub(crate) fn count(&self, what: &str) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_passed_on_whole_or_not_at_all() {
        let text = |text: &str| Some(text.to_owned());
        let origin = Origin { traceparent: text("p1"), tracestate: text("s1"), ..Origin::default() };
        assert_eq!(Origin::context(Some(&origin), None, None), (text("p1"), text("s1")));
        assert_eq!(
            Origin::context(Some(&origin), text("p2"), None),
            (text("p2"), None),
            "not the state of another trace"
        );
        assert_eq!(Origin::context(Some(&origin), text("p2"), text("s2")), (text("p2"), text("s2")));
        assert_eq!(Origin::context(None, None, None), (None, None));
    }
}
