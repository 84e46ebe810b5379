//! The tools that a process has, each with the checks that stand before its handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::authority::{Authority, lacking};
use super::{Arguments, Catalog, Tool, ToolDefinition};
use crate::envelope::Map;
use crate::error::{Error, Result};
use crate::rpc::{Failure, Handler, HandlerOptions, Identity, Reply, Request, code};

/// Code of the failure of a call whose caller lacks a permission.
pub const PERMISSION_DENIED: &str = "permission_denied";

/// Tools by name, checked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ToolSet(Arc<BTreeMap<String, Arc<Ready>>>);

/// A tool whose schema is compiled.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) definition: Arc<ToolDefinition>,
    pub(super) arguments: Arguments,
    pub(super) tool: Tool,
}

impl ToolSet {
    /// Checks and takes tools. `Invalid` naming tool and field for one that cannot be, or two of one name.
    pub fn new(tools: impl IntoIterator<Item = Tool>) -> Result<Self> {
        let mut set = BTreeMap::new();
        for tool in tools {
            let definition = Arc::new(tool.definition().clone());
            let name = definition.name.clone();
            let arguments = Arguments::of(&definition)?;
            for at in arguments.schema().unchecked() {
                tracing::warn!(
                    tool = name,
                    at,
                    "a part of the schema of a tool's arguments is not checked before calls"
                );
            }
            if set.insert(name.clone(), Arc::new(Ready { definition, arguments, tool })).is_some() {
                return Err(Error::invalid(format!("two tools are called `{name}`; give one of them another name"))
                    .with_context("field", "name")
                    .with_context("tool", name));
            }
        }
        Ok(Self(Arc::new(set)))
    }

    /// Their definitions, sorted by name.
    pub fn definitions(&self) -> impl Iterator<Item = &Arc<ToolDefinition>> {
        self.0.values().map(|ready| &ready.definition)
    }

    /// The definition of a tool.
    pub fn get(&self, name: &str) -> Option<&Arc<ToolDefinition>> {
        self.0.get(name).map(|ready| &ready.definition)
    }

    /// Checks the arguments of one of them. `Invalid` when they do not fit.
    pub(super) fn check(&self, name: &str, arguments: &Map) -> Result<()> {
        self.0.get(name).map_or(Ok(()), |ready| ready.arguments.check(arguments))
    }

    /// Their names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The catalog of these tools alone.
    pub fn catalog(&self) -> Catalog {
        Catalog::of(self.definitions().cloned())
    }

    /// The handler of each tool behind its checks, with its rules, for a server of calls.
    pub(super) fn guarded(&self, checks: &Arc<dyn Checks>) -> Vec<(String, Arc<dyn Handler>, HandlerOptions)> {
        let guarded = |(name, ready): (&String, &Arc<Ready>)| {
            let mut options = HandlerOptions::default();
            (options.concurrency, options.timeout) = (ready.definition.concurrency, ready.definition.timeout);
            let handler: Arc<dyn Handler> = Arc::new(Guarded { ready: ready.clone(), checks: checks.clone() });
            (name.clone(), handler, options)
        };
        self.0.iter().map(guarded).collect()
    }
}

/// What is asked before a call besides its arguments.
#[async_trait]
pub(super) trait Checks: Send + Sync {
    /// Whether the caller's catalog is the one in force; the failure when it is not.
    async fn catalog(&self, schema_hash: &str) -> std::result::Result<(), Failure>;

    /// Who knows what callers are allowed.
    fn authority(&self) -> Option<&dyn Authority>;
}

/// A handler behind its checks.
struct Guarded {
    ready: Arc<Ready>,
    checks: Arc<dyn Checks>,
}

#[async_trait]
impl Handler for Guarded {
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let hash = request.envelope.schema_hash.as_str();
        if !hash.is_empty() {
            self.checks.catalog(hash).await?;
        }
        let definition = &self.ready.definition;
        permit(self.checks.authority(), &Identity::from(&request.envelope), definition).await?;
        self.ready.arguments.check(request.arguments()).map_err(|error| misfit(&error))?;
        self.ready.tool.handler().call(request).await
    }
}

/// Refuses a call whose caller lacks a permission. Without an authority nobody has any.
pub(super) async fn permit(
    authority: Option<&dyn Authority>,
    caller: &Identity,
    tool: &ToolDefinition,
) -> std::result::Result<(), Failure> {
    let lacks = match authority {
        None => tool.permissions.first().map(String::as_str),
        Some(authority) => lacking(authority, caller, tool).await?,
    };
    let Some(permission) = lacks else { return Ok(()) };
    let text = format!("`{}` needs the permission {permission:?}, which the caller does not have", tool.name);
    let details = Map::from([("tool", tool.name.as_str()), ("permission", permission)]);
    Err(Failure::new(PERMISSION_DENIED, text).with_details(details))
}

fn misfit(error: &Error) -> Failure {
    let details = error.context().iter().map(|(key, value)| ((*key).to_owned(), value.as_str())).collect();
    Failure::new(code::INVALID_ARGUMENTS, error.message()).with_details(details)
}
