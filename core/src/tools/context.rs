//! What a tool knows of its call besides the arguments, and what it gives back besides the result.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::envelope::{Attachment, Map, Value};
use crate::publish::Publisher;
use crate::rpc::{Cancel, Identity, Reply, Request};

/// The context of one call of a tool. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct ToolContext {
    request: Arc<Request>,
    writeback: Arc<Mutex<Map>>,
}

impl ToolContext {
    /// Keys of what is written back.
    pub const SENT_FILES: &'static str = "sent_files";
    /// See [`ToolContext::inject_tool`].
    pub const INJECTED_TOOLS: &'static str = "injected_tools";
    /// See [`ToolContext::sent_rich_message`].
    pub const SENT_RICH_MESSAGES: &'static str = "sent_rich_messages";

    /// The context of a request.
    pub fn new(request: Request) -> Self {
        Self { request: Arc::new(request), writeback: Arc::default() }
    }

    /// The tool that was called.
    pub fn tool(&self) -> &str {
        self.request.name()
    }

    /// The arguments by name.
    pub fn arguments(&self) -> &Map {
        self.request.arguments()
    }

    /// Whose message the call is made for: platform, channel, user, message and the rest.
    pub fn identity(&self) -> Identity {
        Identity::from(&self.request.envelope)
    }

    /// Trace id, `""` for none.
    pub fn trace_id(&self) -> &str {
        &self.request.envelope.trace_id
    }

    /// What the reply names, so that the caller finds it.
    pub fn correlation_id(&self) -> &str {
        &self.request.envelope.correlation_id
    }

    /// Which start of this call it is, from 1.
    pub fn attempt(&self) -> u32 {
        self.request.attempt
    }

    /// Says when to end: the caller cancelled, time is over, the service closes.
    pub fn cancel(&self) -> &Cancel {
        &self.request.cancel
    }

    /// How long somebody still waits for the answer; `None` without a deadline.
    pub fn time_left(&self) -> Option<Duration> {
        self.request.time_left()
    }

    /// The bus as this call may use it.
    pub fn bus(&self) -> &Publisher {
        &self.request.bus
    }

    /// Says that a file was sent: the caller's context gets it, its bytes untouched.
    pub fn sent_file(&self, file: &Attachment) {
        let file = Map::from([
            ("data", Value::Bytes(file.data.clone())),
            ("mimetype", file.mimetype.as_str().into()),
            ("filename", file.filename.as_str().into()),
            ("source_url", file.source_url.as_str().into()),
        ]);
        self.write_back(Self::SENT_FILES, file);
    }

    /// Offers a tool for the rest of the caller's turn.
    pub fn inject_tool(&self, name: impl Into<String>) {
        self.write_back(Self::INJECTED_TOOLS, name.into());
    }

    /// Says that a message with more than text was sent.
    pub fn sent_rich_message(&self, message: Map) {
        self.write_back(Self::SENT_RICH_MESSAGES, message);
    }

    /// Adds to a list of what is merged into the caller's context.
    pub fn write_back(&self, key: &str, item: impl Into<Value>) {
        let mut writeback = self.writeback.lock().unwrap_or_else(PoisonError::into_inner);
        merge_writeback(&mut writeback, Map::from([(key, vec![item.into()])]));
    }

    /// What was written back so far.
    pub fn writeback(&self) -> Map {
        self.writeback.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reply of this call: the result, and what was written back.
    pub fn reply(&self, result: impl Into<Value>) -> Reply {
        Reply::new(result).with_writeback(self.writeback())
    }
}

/// Merges what a tool wrote back into what the caller has: lists grow, anything else is replaced.
pub fn merge_writeback(into: &mut Map, from: Map) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::List(have)), Value::List(more)) => have.extend(more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_and_the_rest_is_replaced() {
        let mut have = Map::from([("sent_files", Value::from(vec!["a"])), ("note", "x".into())]);
        merge_writeback(
            &mut have,
            Map::from([("sent_files", Value::from(vec!["b"])), ("note", "y".into()), ("n", 1.into())]),
        );
        let expected = [("sent_files", Value::from(vec!["a", "b"])), ("note", "y".into()), ("n", 1.into())];
        assert_eq!(have, Map::from(expected));
    }
}
