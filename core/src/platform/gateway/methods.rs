//! Calls that a gateway answers itself, in place of its adapters: `execute_tool` of tools that must run there, and others.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::envelope::Map;
use crate::error::Result;
use crate::platform::SendContext;
use crate::publish::Publisher;
use crate::rpc::Reply;

/// Answers calls of one name.
#[async_trait]
pub trait GatewayMethod: Debug + Send + Sync + 'static {
    /// Runs one call. An error is told to the caller under its code; of one of the kind `Remote` that is the context
    /// `remote_code`.
    async fn call(&self, call: GatewayCall) -> Result<Reply>;
}

/// A call that is to be answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GatewayCall {
    /// The platform that it came for.
    pub platform: String,
    /// The channel it is about, `""` for none.
    pub channel_id: String,
    /// Its name.
    pub method: String,
    /// Its arguments by name.
    pub params: Map,
    /// Its key, and whether it may have been run before.
    pub context: SendContext,
    /// The bus as this call may use it: fenced.
    pub bus: Publisher,
}
