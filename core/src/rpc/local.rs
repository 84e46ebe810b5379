//! Calls of handlers that stand in the same process: no bus between them, the same rules and the same ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{self, Answer};
use super::handler::{Failure, Handler, HandlerOptions, Request};
use super::options::{CallOptions, Identity};
use super::run::{self, Ended};
use super::server::{Entry, entries};
use super::{Cancel, code, reply};
use crate::envelope::ToolRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;

/// Handlers by name, to be called directly. Nothing is remembered: a call that is made again runs again.
pub(crate) struct LocalCalls(HashMap<String, Arc<Entry>>);

impl LocalCalls {
    /// `Invalid` for a name given twice or an option out of range.
    pub(crate) fn new(handlers: Vec<(String, Arc<dyn Handler>, HandlerOptions)>) -> Result<Self> {
        entries(Vec::new(), handlers).map(Self)
    }

    /// Runs one call; ends as [`Publisher::call_with`] does.
    pub(crate) async fn call(&self, bus: &Publisher, mut request: ToolRequest, options: CallOptions) -> Result<Answer> {
        options.validate()?;
        bus.ensure_open()?;
        let name = request.tool_name.clone();
        let clock = bus.clock().clone();
        let mut timeout = options.timeout.unwrap_or(bus.config().calls.timeout);
        let origin = bus.origin();
        if let Some(until) = origin.and_then(|origin| origin.deadline_ms) {
            timeout = timeout.min(Duration::from_millis(until.saturating_sub(clock.wall_ms())));
        }
        if timeout.is_zero() {
            return Err(answer::expired().with_context("call", name));
        }
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        request.deadline_ms = Some(clock.wall_ms().saturating_add(millis));
        let caller = || origin.and_then(|origin| origin.caller(&bus.limits())).map(Identity::from);
        if let Some(identity) = options.identity.or_else(caller) {
            identity.put(&mut request);
        }
        let trace_id = options.trace_id.or_else(|| origin.map(|origin| origin.trace_id.clone()));
        request.trace_id = trace_id.unwrap_or_default();
        // A sign of its own: what ends this call by its time does not end the others that share the caller's.
        let cancel = Cancel::new();
        let relay = async {
            if let Some(caller) = &options.cancel {
                cancel.cancel_for(caller.cancelled().await);
            }
            std::future::pending::<Ended>().await
        };
        let late = || {
            let text = format!("no answer came within {} s", timeout.as_secs_f64());
            Error::new(ErrorKind::Timeout, text).with_context("call", &name)
        };
        let until = clock.now().saturating_add(timeout);
        let ended = match self.0.get(&name) {
            None => Ended::Answered(Err(Failure::new(code::UNKNOWN, format!("nothing is called {name:?} here")))),
            Some(entry) => {
                let request = Request::new(request.clone(), bus.clone()).with_cancel(cancel.clone());
                tokio::select! {
                    biased;
                    ended = relay => ended,
                    // As over the bus: the caller waits no longer. What still runs is told to end, and dropped.
                    () = clock.sleep_until(until) => return Err(late()),
                    ended = run::run(entry, request, &*clock) => ended,
                }
            }
        };
        answer::of(reply::of(&request.correlation_id, &request.trace_id, ended), &name, false)
    }
}

impl std::fmt::Debug for LocalCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
