//! What runs a call: a [`Handler`] is given a [`Request`] and gives a [`Reply`] or a [`Failure`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::cancel::Cancel;
use super::code;
use crate::envelope::{Map, ToolError, ToolRequest, Value, codec};
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;

/// Runs calls of one name, or of several. Calls run side by side, as many as [`HandlerOptions::concurrency`] says.
///
/// A handler that fails or panics has answered: the caller gets `Remote`. One that is cancelled has a moment to end
/// ([`HandlerOptions::cancel_grace`]) and is then dropped at its next await; what it gives after the sign is ignored.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs one call.
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure>;
}

/// A handler from a function.
///
/// ```
/// use stargazer_core::rpc::{Failure, Reply, Request, handler_fn};
/// let echo = handler_fn(|request: Request| async move {
///     let text = request.arguments().text("text").ok_or_else(|| Failure::new("no_text", "give me a text"))?.to_owned();
///     Ok::<_, Failure>(Reply::new(text))
/// });
/// # drop(echo);
/// ```
pub fn handler_fn<H, F>(run: H) -> Arc<dyn Handler>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = std::result::Result<Reply, Failure>> + Send + 'static,
{
    Arc::new(FromFn(run))
}

struct FromFn<H>(H);

#[async_trait]
impl<H, F> Handler for FromFn<H>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = std::result::Result<Reply, Failure>> + Send + 'static,
{
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        (self.0)(request).await
    }
}

/// How calls of one name are run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerOptions {
    /// Calls of this name at the same time in this process, at least 1; no limit but the server's when `None`.
    pub concurrency: Option<usize>,
    /// How long one call may run; the caller then gets `Remote` with the code `timeout`. Until the deadline when `None`.
    pub timeout: Option<Duration>,
    /// How long a handler may take to end after it was told to. 500 ms.
    pub cancel_grace: Duration,
}

impl Default for HandlerOptions {
    fn default() -> Self {
        Self { concurrency: None, timeout: None, cancel_grace: Duration::from_millis(500) }
    }
}

impl HandlerOptions {
    /// Sets how many calls of this name run at the same time.
    pub fn with_concurrency(mut self, n: usize) -> Self {
        self.concurrency = Some(n);
        self
    }

    /// Sets how long one call may run.
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how long a handler may take to end after it was told to.
    pub fn with_cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// `Invalid` naming the option.
    pub(super) fn validate(&self) -> Result<()> {
        let refuse = |name: &'static str, text: &str| Err(Error::invalid(text).with_context("field", name));
        if self.concurrency == Some(0) {
            return refuse("concurrency", "a handler's concurrency is 0; it must be at least 1");
        }
        if self.timeout == Some(Duration::ZERO) {
            return refuse("timeout", "a handler's timeout is 0; leave it out for none");
        }
        Ok(())
    }
}

/// A call that is to be run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The envelope: name, arguments, on whose behalf.
    pub envelope: ToolRequest,
    /// Which start of this request it is, from 1.
    pub attempt: u32,
    /// Says when to end.
    pub cancel: Cancel,
    /// The bus as this call may use it: fenced, so that a server which lost the call can do nothing in its name; calls
    /// made through it have no more time than this one and are remembered with it.
    pub bus: Publisher,
}

impl Request {
    /// A request for a handler that is called directly, without a server.
    pub fn new(envelope: ToolRequest, bus: Publisher) -> Self {
        Self { envelope, attempt: 1, cancel: Cancel::new(), bus }
    }

    /// Sets the sign that ends it.
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The name that was called.
    pub fn name(&self) -> &str {
        &self.envelope.tool_name
    }

    /// The arguments by name.
    pub fn arguments(&self) -> &Map {
        &self.envelope.arguments
    }

    /// W3C `traceparent`, as the request has it.
    pub fn traceparent(&self) -> Option<&str> {
        self.bus.origin()?.traceparent.as_deref()
    }

    /// W3C `tracestate`, as the request has it.
    pub fn tracestate(&self) -> Option<&str> {
        self.bus.origin()?.tracestate.as_deref()
    }

    /// The arguments as a type of your own; a failure of the code `invalid_arguments` when they do not fit.
    pub fn decode<A: DeserializeOwned>(&self) -> std::result::Result<A, Failure> {
        codec::from_value(&Value::Map(self.envelope.arguments.clone()))
            .map_err(|error| Failure::new(code::INVALID_ARGUMENTS, error.message()))
    }

    /// How long somebody still waits for the answer; `None` without a deadline.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.envelope.deadline_ms?;
        Some(Duration::from_millis(deadline.saturating_sub(self.bus.clock().wall_ms())))
    }
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The result (the original's tools give text).
    pub result: Value,
    /// What is merged into the caller's context: `sent_files` (media as raw bytes), `injected_tools`,
    /// `sent_rich_messages`.
    pub writeback: Map,
}

impl Reply {
    /// A result.
    pub fn new(result: impl Into<Value>) -> Self {
        Self { result: result.into(), writeback: Map::new() }
    }

    /// Sets what is merged into the caller's context.
    pub fn with_writeback(mut self, writeback: Map) -> Self {
        self.writeback = writeback;
        self
    }

    /// Any serializable result. `Invalid` when it has no form on the wire.
    pub fn of<T: serde::Serialize + ?Sized>(result: &T) -> Result<Self> {
        codec::to_value(result).map(Self::new)
    }
}

/// Why a call gave nothing. The caller gets it as an error of the kind `Remote`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Failure {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// More for programs, by name.
    pub details: Map,
    /// What is merged into the caller's context all the same.
    pub writeback: Map,
    /// The error that it was made of said that the call was not run.
    pub(super) unrun: Option<ErrorKind>,
}

impl Failure {
    /// A failure of that code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    /// Sets more for programs.
    pub fn with_details(mut self, details: Map) -> Self {
        self.details = details;
        self
    }

    /// Sets what is merged into the caller's context all the same.
    pub fn with_writeback(mut self, writeback: Map) -> Self {
        self.writeback = writeback;
        self
    }

    /// What a call's error of the kind `Remote` was made of: its code, details and writeback.
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// As its caller gets it.
    pub(crate) fn into_remote(self) -> Error {
        let error = Error::new(ErrorKind::Remote, &*self.message);
        error.with_context(super::answer::CODE, &self.code).with_source(self)
    }

    pub(super) fn into_error(self) -> (ToolError, Map) {
        let mut error = ToolError::new(self.code, self.message);
        error.rest = self.details;
        // Only a server says that a call expired or was cancelled.
        error.rest.remove(super::wire::KIND);
        (error, self.writeback)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

/// An error of ours is a failure under its own code, so that `?` works; of one that came back from a further call, the code
/// is the remote one, and details and writeback are kept.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let (ErrorKind::Remote, Some(failure)) = (error.kind(), Self::of(&error)) {
            return failure.clone();
        }
        let remote = (error.kind() == ErrorKind::Remote).then(|| {
            error.context().iter().find(|(key, _)| *key == super::answer::CODE).map(|(_, value)| value.as_str())
        });
        let mut failure = Self::new(remote.flatten().unwrap_or_else(|| error.code()), error.message());
        failure.unrun = Some(error.kind()).filter(|kind| matches!(kind, ErrorKind::Expired | ErrorKind::Cancelled));
        failure
    }
}
