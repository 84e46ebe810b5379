//! What may be said about one call.

use std::time::Duration;

use super::cancel::Cancel;
use crate::envelope::{Inbound, ToolRequest};
use crate::error::{Error, Result};

/// Options of one call; the default is right for most.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long to wait for the answer; by default as the bus is set (30 s), and never longer than the request in whose
    /// handler the call is made.
    pub timeout: Option<Duration>,
    /// Whether the result is remembered, and as what.
    pub memo: Memo,
    /// Whose message the call is made for; by default the one whose delivery makes it.
    pub identity: Option<Identity>,
    /// Hash of the catalog that the caller has loaded.
    pub schema_hash: String,
    /// Trace id; by default the delivery's.
    pub trace_id: Option<String>,
    /// W3C `traceparent`; by default the delivery's.
    pub traceparent: Option<String>,
    /// W3C `tracestate`; by default the delivery's.
    pub tracestate: Option<String>,
    /// Which service serves the name; by default the one that all tools services share.
    pub service: Option<String>,
    /// Ends the call with `Cancelled` when it is given. Dropping the call cancels it as well.
    pub cancel: Option<Cancel>,
}

impl CallOptions {
    /// Sets how long to wait.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets whether the result is remembered, and as what.
    pub fn with_memo(mut self, memo: Memo) -> Self {
        self.memo = memo;
        self
    }

    /// Says whose message the call is made for.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the hash of the catalog that the caller has loaded.
    pub fn with_schema_hash(mut self, hash: impl Into<String>) -> Self {
        self.schema_hash = hash.into();
        self
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = Some(id.into());
        self
    }

    /// Sets the W3C trace context.
    pub fn with_trace_context(mut self, traceparent: impl Into<String>, tracestate: impl Into<String>) -> Self {
        (self.traceparent, self.tracestate) = (Some(traceparent.into()), Some(tracestate.into()));
        self
    }

    /// Sets the service.
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Sets what ends it.
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |name: &'static str, text: &str| Err(Error::invalid(text).with_context("field", name));
        if self.timeout == Some(Duration::ZERO) {
            return refuse(
                "timeout",
                "a call's timeout is 0, in which nobody can answer; give it time, or leave it out for `call_timeout`",
            );
        }
        if self.service.as_deref() == Some("") {
            return refuse("service", "a service must have a name; leave it out for the shared one");
        }
        match &self.memo {
            Memo::Key { turn, .. } if turn.is_empty() => refuse("turn", "a memo needs the name of its turn"),
            Memo::Key { call, .. } | Memo::Call(call) if call.is_empty() => {
                refuse("call", "a memo needs the id of its call")
            }
            _ => Ok(()),
        }
    }
}

/// Whether a finished call's result is remembered, so that the same call made again gives it without running again.
///
/// A remembered result belongs to the name, the arguments, a turn and a call id. Failures are not remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Memo {
    /// In a delivery: the turn is the delivery, and the call the nth one of this name with these arguments. From a bus: no
    /// memo.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Under this call id (a model's `tool_call_id`, say) of the delivery's turn. `Invalid` from a bus.
    Call(String),
    /// Under a turn and a call id of the caller's own.
    Key {
        /// The turn.
        turn: String,
        /// The call in the turn.
        call: String,
    },
}

/// Whose message a call is made for, as a tools service is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Platform.
    pub platform: String,
    /// Channel.
    pub channel_id: String,
    /// Who wrote it.
    pub user_id: String,
    /// Name of who wrote it.
    pub user_name: String,
    /// Server (guild) of the channel.
    pub guild_id: Option<String>,
    /// The message.
    pub message_id: String,
    /// Id under which the original's observability files the call.
    pub observability_request_id: String,
}

impl From<&Inbound> for Identity {
    fn from(message: &Inbound) -> Self {
        Self {
            platform: message.platform.clone(),
            channel_id: message.channel_id.clone(),
            user_id: message.user_id.clone(),
            user_name: message.username.clone(),
            guild_id: message.guild_id.clone(),
            message_id: message.message_id.clone(),
            observability_request_id: String::new(),
        }
    }
}

impl From<&ToolRequest> for Identity {
    fn from(request: &ToolRequest) -> Self {
        Self {
            platform: request.platform.clone(),
            channel_id: request.channel_id.clone(),
            user_id: request.user_id.clone(),
            user_name: request.user_name.clone(),
            guild_id: request.guild_id.clone(),
            message_id: request.message_id.clone(),
            observability_request_id: request.observability_request_id.clone(),
        }
    }
}

impl Identity {
    pub(super) fn put(self, request: &mut ToolRequest) {
        request.platform = self.platform;
        request.channel_id = self.channel_id;
        request.user_id = self.user_id;
        request.user_name = self.user_name;
        request.guild_id = self.guild_id;
        request.message_id = self.message_id;
        request.observability_request_id = self.observability_request_id;
    }
}
