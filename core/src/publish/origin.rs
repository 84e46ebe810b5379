//! What a publisher that belongs to a delivery knows of it, for those who publish through it.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::envelope::{Envelope, Inbound, Limits, ToolRequest};

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
    /// Set when something published in its name found no room.
    pub(crate) refused: Arc<AtomicBool>,
    body: Bytes,
    caller: OnceLock<Option<ToolRequest>>,
    counts: Mutex<HashMap<String, u64>>,
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
