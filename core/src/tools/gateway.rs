//! Tools that run in the gateway: the RPC `execute_tool`, both sides of it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Tool;
use super::authority::Authority;
use super::local::Local;
use super::set::ToolSet;
use crate::envelope::{Map, Value};
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::rpc::{Answer, CallOptions, Failure, Handler, Identity, Reply, Request};

/// The RPC method of a gateway that runs a tool.
pub const EXECUTE_TOOL: &str = "execute_tool";

/// Has the gateway of the caller's platform run a tool. Its parameters are those of a request on the tools stream (names
/// inferred): `tool_name`, `arguments`, and the identity of the caller.
pub(super) async fn execute(bus: &Publisher, name: &str, arguments: Map, mut options: CallOptions) -> Result<Answer> {
    let identity = options.identity.take().unwrap_or_default();
    if identity.platform.is_empty() {
        return Err(Error::invalid(format!(
            "`{name}` runs in a platform's gateway; say with the identity of the caller which platform that is"
        ))
        .with_context("field", "identity")
        .with_context("tool", name));
    }
    let platform = identity.platform.clone();
    let params = Map::from([
        ("tool_name", Value::from(name)),
        ("arguments", arguments.into()),
        ("platform", identity.platform.into()),
        ("channel_id", identity.channel_id.into()),
        ("user_id", identity.user_id.into()),
        ("user_name", identity.user_name.into()),
        ("guild_id", identity.guild_id.into()),
        ("message_id", identity.message_id.into()),
        ("observability_request_id", identity.observability_request_id.into()),
    ]);
    options.memo = crate::rpc::Memo::Off;
    options.service = None;
    bus.call_gateway(&platform, EXECUTE_TOOL, params, options).await
}

/// The tools of a gateway: what it answers the method [`EXECUTE_TOOL`] with.
pub struct GatewayTools {
    runner: Local,
}

impl GatewayTools {
    /// These tools; without an authority, those that need a permission are refused to everybody. `Invalid` for a tool that
    /// cannot be.
    pub fn new(tools: impl IntoIterator<Item = Tool>, authority: Option<Arc<dyn Authority>>) -> Result<Self> {
        Ok(Self { runner: Local::new(&ToolSet::new(tools)?, authority)? })
    }

    /// Runs the tool that the parameters of `execute_tool` name, for whom they name.
    async fn execute(&self, request: &Request) -> Result<Answer> {
        let params = request.arguments();
        let of = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let wrong = |field: &'static str, expected: &str| {
            Error::invalid(format!("`{field}` of {EXECUTE_TOOL} must be {expected}")).with_context("field", field)
        };
        let name = params.text("tool_name").ok_or_else(|| wrong("tool_name", "text"))?;
        let arguments = match params.get("arguments") {
            None | Some(Value::Nil) => Map::new(),
            Some(Value::Map(arguments)) => arguments.clone(),
            Some(_) => return Err(wrong("arguments", "a map")),
        };
        let identity = Identity {
            platform: of(params.get("platform")),
            channel_id: of(params.get("channel_id")),
            user_id: of(params.get("user_id")),
            user_name: of(params.get("user_name")),
            guild_id: params.text("guild_id").map(str::to_owned),
            message_id: of(params.get("message_id")),
            observability_request_id: of(params.get("observability_request_id")),
        };
        let mut options = CallOptions::default().with_identity(identity).with_cancel(request.cancel.clone());
        options.trace_id = Some(request.envelope.trace_id.clone());
        options.timeout = request.time_left();
        self.runner.call(&request.bus, name, arguments, options).await
    }
}

#[async_trait]
impl Handler for GatewayTools {
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let answer = self.execute(&request).await?;
        Ok(Reply::new(answer.result).with_writeback(answer.writeback))
    }
}

impl std::fmt::Debug for GatewayTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayTools").field("tools", &self.runner).finish()
    }
}
