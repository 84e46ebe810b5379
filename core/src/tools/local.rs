//! Tools that run in the process that calls them, behind the same checks and under the same rules as everywhere.

use std::sync::Arc;

use async_trait::async_trait;

use super::authority::Authority;
use super::set::{Checks, ToolSet};
use crate::envelope::{Map, ToolRequest};
use crate::error::Result;
use crate::publish::Publisher;
use crate::rpc::{Answer, CallOptions, Failure, LocalCalls};

/// The tools of this process, to be called directly.
#[derive(Debug)]
pub(super) struct Local(LocalCalls);

impl Local {
    pub(super) fn new(tools: &ToolSet, authority: Option<Arc<dyn Authority>>) -> Result<Self> {
        let checks: Arc<dyn Checks> = Arc::new(Alone(authority));
        LocalCalls::new(tools.guarded(&checks)).map(Self)
    }

    /// Runs one call. Ends as one over the bus does.
    pub(super) async fn call(
        &self,
        bus: &Publisher,
        name: &str,
        arguments: Map,
        options: CallOptions,
    ) -> Result<Answer> {
        self.0.call(bus, ToolRequest::new(name, arguments, ""), options).await
    }
}

/// There is no catalog between a process and itself.
struct Alone(Option<Arc<dyn Authority>>);

#[async_trait]
impl Checks for Alone {
    async fn catalog(&self, _schema_hash: &str) -> std::result::Result<(), Failure> {
        Ok(())
    }

    fn authority(&self) -> Option<&dyn Authority> {
        self.0.as_deref()
    }
}
