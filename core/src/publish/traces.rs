//! Traces of what is published, and the ways into them.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Companion, Publisher, Target};
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::topology::Name;
use crate::trace::{State, Trace, TraceFigures, Tracer};

/// The tracer of a bus, closed with it.
struct Kept(Tracer);

#[async_trait]
impl Companion for Kept {
    async fn close(&self) {
        self.0.close().await;
    }
}

impl Publisher {
    /// The whole life of whatever has this trace id: what each process of the fleet told of it. `NotFound` when there is
    /// none.
    pub async fn trace(&self, trace_id: &str) -> Result<Trace> {
        self.ensure_open()?;
        check_id(trace_id)?;
        self.tracer().read(trace_id, &self.limits()).await
    }

    /// Takes down that something came to a state; it is written soon, also where the bus traces nothing by itself.
    /// Nothing is refused: a step that the state before does not allow is counted.
    pub fn transition(&self, trace_id: &str, state: State, detail: Map) -> Result<()> {
        self.ensure_open()?;
        check_id(trace_id)?;
        self.tracer().note(trace_id, state, detail);
        Ok(())
    }

    /// The same with what replaces the checkpoint of the trace, written when this returns; whether the state before
    /// allowed the step.
    pub async fn checkpoint(&self, trace_id: &str, state: State, detail: Map, value: &Value) -> Result<bool> {
        self.ensure_open()?;
        check_id(trace_id)?;
        self.tracer().checkpoint(trace_id, state, detail, value).await
    }

    /// What became of the steps that this process told.
    pub fn trace_figures(&self) -> TraceFigures {
        self.tracer().figures()
    }

    fn tracer(&self) -> Tracer {
        let by = self.config().trace.clone().unwrap_or_default();
        let make = || Arc::new(Kept(Tracer::new(self.transport().clone(), self.clock().clone(), by)));
        self.companion(make).0.clone()
    }

    /// The tracer, where the bus traces by itself.
    pub(crate) fn tracing(&self) -> Option<Tracer> {
        self.config().trace.as_ref().map(|_| self.tracer())
    }

    /// Takes down that something is about to be published.
    pub(super) fn trace_publish(&self, target: &Target, stream: &Name, trace_id: &str) {
        let Some(tracer) = self.tracing() else { return };
        let detail = Map::from([("stream", Value::from(&**stream))]);
        match target {
            Target::Outbound { .. } => tracer.note(trace_id, State::Delivering, detail),
            Target::Inbound | Target::Stream { .. } => {
                tracer.note(trace_id, State::Received, detail.clone());
                tracer.note(trace_id, State::Queued, detail);
            }
            // Calls tell of themselves.
            Target::ToolsRequest | Target::Service { .. } | Target::ToolsReply { .. } => {}
        }
    }
}

fn check_id(trace_id: &str) -> Result<()> {
    if trace_id.is_empty() || trace_id.len() > crate::trace::LONGEST_ID {
        let text = format!("a trace id has 1 to {} bytes, found {}", crate::trace::LONGEST_ID, trace_id.len());
        return Err(Error::invalid(text).with_context("argument", "trace_id"));
    }
    Ok(())
}
