//! The tools that a process may call, wherever they run: its own, those of gateways, those of tools services.
//!
//! A call goes by the tool's place and the bus' setting `tools_service_mode`: see [`RemoteRegistry::route`]. Arguments are
//! checked here first, so that a wrong call costs nothing, and again by whoever runs it, as are permissions. A call that is
//! told `CATALOG_STALE` reads the catalog and is made once again, if the tool is still there and the arguments still fit.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::authority::{Authority, lacking};
use super::board::Board;
use super::gateway;
use super::hash::{hex, sorted};
use super::local::Local;
use super::set::{ToolSet, permit};
use super::watch::{Loaded, Watch};
use super::workers::Worker;
use super::{Place, Tool, ToolDefinition};
use crate::envelope::{Map, Value, codec, json};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::ToolsMode;
use crate::publish::Publisher;
use crate::rpc::{Answer, CallOptions, Identity, Memo, code};

/// Context of a `Remote` error: the failure's code.
const REMOTE_CODE: &str = "remote_code";

/// A registry that is about to be opened: await it.
#[derive(Debug)]
#[must_use = "a registry is opened by awaiting this"]
pub struct RegistryBuilder {
    bus: Publisher,
    tools: Vec<Tool>,
    authority: Option<Arc<dyn Authority>>,
    mode: ToolsMode,
    forced: Vec<String>,
}

impl RegistryBuilder {
    /// A registry on this bus, under its settings.
    pub fn new(bus: &Publisher) -> Self {
        let config = bus.config();
        let (mode, forced) = (config.tools_service_mode, Vec::new());
        Self { bus: bus.clone(), tools: Vec::new(), authority: None, mode, forced }
    }

    /// Tools that this process has itself.
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Who knows what callers are allowed: asked for tools that run in this process, and for what is offered to whom.
    pub fn authority(mut self, authority: Arc<dyn Authority>) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Where a tool runs that this process has and a service has, too; by default as the bus is set.
    pub fn mode(mut self, mode: ToolsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Runs these tools, which it must have, in this process in any case; beside those that the bus' setting names.
    pub fn force_in_process<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.forced.extend(names.into_iter().map(Into::into));
        self
    }

    /// Reads the catalog and follows it. Must be called inside a tokio runtime.
    ///
    /// `Invalid` for a tool that cannot be, or one that is to be forced here and is not among the tools.
    pub async fn open(self) -> Result<RemoteRegistry> {
        let local = ToolSet::new(self.tools)?;
        let lacks = |name: &&String| local.get(name).is_none();
        for tool in self.bus.config().tools_force_in_process.iter().filter(lacks) {
            // The setting may be that of a whole fleet.
            tracing::debug!(tool, "a tool of tools_force_in_process is not in this process");
        }
        if let Some(name) = self.forced.iter().find(lacks) {
            return Err(Error::invalid(format!(
                "`{name}` is to run in this process, which does not have it; it has {}",
                if local.is_empty() { "none".to_owned() } else { local.names().join(", ") }
            ))
            .with_context("field", "force_in_process")
            .with_context("tool", name));
        }
        let watch = Watch::open(&self.bus).await?;
        let runner = Local::new(&local, self.authority.clone())?;
        let (mode, mut forced, authority) = (self.mode, self.forced, self.authority);
        forced.extend(self.bus.config().tools_force_in_process.iter().filter(|name| !lacks(name)).cloned());
        Ok(RemoteRegistry(Arc::new(Inner { bus: self.bus, watch, local, runner, authority, mode, forced })))
    }
}

impl IntoFuture for RegistryBuilder {
    type Output = Result<RemoteRegistry>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// [`RegistryBuilder::open`].
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl std::fmt::Debug for dyn Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// The tools that can be called from here. Cheap to clone; dropping the last one ends it.
#[derive(Clone)]
pub struct RemoteRegistry(Arc<Inner>);

struct Inner {
    bus: Publisher,
    watch: Arc<Watch>,
    local: ToolSet,
    runner: Local,
    authority: Option<Arc<dyn Authority>>,
    mode: ToolsMode,
    forced: Vec<String>,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// It runs in this process.
    InProcess,
    /// To the gateway of the caller's platform, by its RPC `execute_tool`.
    Gateway,
    /// Over the bus, to this service; `None`: the shared one.
    Service(Option<String>),
}

impl RemoteRegistry {
    /// The version of the catalog that is in use, `""` before the first.
    pub fn version(&self) -> String {
        self.0.watch.loaded().version.clone()
    }

    /// The hash of the catalog that is in use, `""` before the first.
    pub fn schema_hash(&self) -> String {
        self.0.watch.loaded().catalog.schema_hash().to_owned()
    }

    /// All tools, sorted by name. Where this process and the catalog have one of the same name, that which a call would run.
    pub fn definitions(&self) -> Vec<Arc<ToolDefinition>> {
        let loaded = self.0.watch.loaded();
        let own = self.0.local.definitions().filter(|tool| {
            let elsewhere = matches!(self.routed(&loaded, &tool.name), Ok(Route::Service(_)));
            !(elsewhere && loaded.catalog.get(&tool.name).is_some())
        });
        let both = loaded.catalog.tools().iter().chain(own);
        let named: BTreeMap<&str, &Arc<ToolDefinition>> = both.map(|tool| (tool.name.as_str(), tool)).collect();
        named.into_values().cloned().collect()
    }

    /// The tools that a caller may call, as far as this process' authority knows; without one, those that need no permission.
    pub async fn definitions_for(&self, caller: &Identity) -> Result<Vec<Arc<ToolDefinition>>> {
        let mut allowed = Vec::new();
        for tool in self.definitions() {
            let lacks = match &self.0.authority {
                None => !tool.permissions.is_empty(),
                Some(authority) => lacking(&**authority, caller, &tool).await?.is_some(),
            };
            if !lacks {
                allowed.push(tool);
            }
        }
        Ok(allowed)
    }

    /// All tools as the `tools` of a chat model take them: a list of function schemas.
    pub fn openai_tools(&self) -> Value {
        openai(&self.definitions())
    }

    /// [`RemoteRegistry::openai_tools`] as JSON text.
    pub fn openai_json(&self) -> String {
        json::encode(&self.openai_tools())
    }

    /// The function schemas of the tools that a caller may call, see [`RemoteRegistry::definitions_for`].
    pub async fn openai_tools_for(&self, caller: &Identity) -> Result<Value> {
        Ok(openai(&self.definitions_for(caller).await?))
    }

    /// The definition of a tool; `NotFound`.
    pub fn get(&self, name: &str) -> Result<Arc<ToolDefinition>> {
        self.find(&self.0.watch.loaded(), name)
    }

    /// Where a call of a tool goes; `NotFound`.
    ///
    /// What this process has runs in it, if its place is `worker`, or the mode is `in_process`, or it is forced; a tool whose
    /// place is `gateway` is run by the gateway; any other goes over the bus.
    pub fn route(&self, name: &str) -> Result<Route> {
        self.routed(&self.0.watch.loaded(), name)
    }

    /// Calls a tool. Ends as [`Publisher::call_with`] does, and besides: `NotFound` for a tool that nobody has, `Invalid` when the
    /// arguments do not fit.
    pub async fn call(&self, name: &str, arguments: Map, options: CallOptions) -> Result<Answer> {
        self.call_from(&self.0.bus, name, arguments, options).await
    }

    /// [`RemoteRegistry::call`] through the bus of a delivery: for whom, until when, and what remembers it, the delivery says.
    pub async fn call_from(&self, bus: &Publisher, name: &str, arguments: Map, options: CallOptions) -> Result<Answer> {
        let mut options = options;
        if options.memo == Memo::Auto
            && let Some(nth) = nth(bus, name, &arguments)?
        {
            // Named here, so that a call that is made once more is the same call to who remembers it.
            options.memo = Memo::Call(format!("registry#{nth}"));
        }
        let mut loaded = self.0.watch.loaded();
        if self.find(&loaded, name).is_err() {
            // It may be newer than what we know.
            loaded = self.0.watch.refresh().await?;
        }
        let answer = self.call_once(bus, &loaded, name, arguments.clone(), options.clone()).await;
        match answer {
            Err(error) if is_stale(&error) => {
                let fresh = self.0.watch.refresh().await?;
                tracing::debug!(tool = name, version = fresh.version, "the catalog was stale; calling again");
                self.call_once(bus, &fresh, name, arguments, options).await
            }
            answer => answer,
        }
    }

    async fn call_once(
        &self,
        bus: &Publisher,
        loaded: &Loaded,
        name: &str,
        arguments: Map,
        mut options: CallOptions,
    ) -> Result<Answer> {
        let route = self.routed(loaded, name)?;
        let caller = caller_of(bus, &options);
        if let Some(authority) = &self.0.authority {
            let definition = self.find(loaded, name)?;
            let permitted = permit(Some(&**authority), &caller, &definition).await;
            permitted.map_err(|failure| failure.into_remote().with_context("call", name))?;
        }
        match route {
            Route::InProcess => {
                self.0.local.check(name, &arguments)?;
                self.0.runner.call(bus, name, arguments, options).await
            }
            Route::Gateway => {
                match self.0.local.get(name) {
                    Some(_) => self.0.local.check(name, &arguments)?,
                    None => loaded.check(name, &arguments)?,
                }
                gateway::execute(bus, name, arguments, options.with_identity(caller)).await
            }
            Route::Service(service) => {
                loaded.check(name, &arguments)?;
                loaded.catalog.schema_hash().clone_into(&mut options.schema_hash);
                options.service = service;
                bus.call_with(name, arguments, options).await
            }
        }
    }

    fn find(&self, loaded: &Loaded, name: &str) -> Result<Arc<ToolDefinition>> {
        let found = self.0.local.get(name).or_else(|| loaded.catalog.get(name));
        found.cloned().ok_or_else(|| {
            let names: Vec<String> = self.definitions().iter().map(|tool| tool.name.clone()).collect();
            let there =
                if names.is_empty() { "there are none".into() } else { format!("there are {}", names.join(", ")) };
            Error::new(ErrorKind::NotFound, format!("no tool is called `{name}`; {there}")).with_context("tool", name)
        })
    }

    fn routed(&self, loaded: &Loaded, name: &str) -> Result<Route> {
        let definition = self.find(loaded, name)?;
        let (own, served) = (self.0.local.get(name).is_some(), loaded.catalog.get(name).is_some());
        let forced = self.0.forced.iter().any(|forced| forced == name);
        let in_process = own && (forced || self.0.mode == ToolsMode::InProcess);
        Ok(match definition.place {
            _ if forced => Route::InProcess,
            Place::Worker if own => Route::InProcess,
            Place::Gateway => Route::Gateway,
            Place::Service if in_process => Route::InProcess,
            Place::Service | Place::Worker if served => Route::Service(loaded.catalog.service(name).map(str::to_owned)),
            // It has it, the mode is `remote`, and no service has it: the request waits for one, or finds none.
            Place::Service | Place::Worker => Route::Service(None),
        })
    }

    /// Reads the catalog now.
    pub async fn reload(&self) -> Result<()> {
        self.0.watch.refresh().await.map(drop)
    }

    /// Waits until the catalog in use is another one than that of this version.
    pub async fn changed(&self, version: &str) -> Result<()> {
        let mut changes = self.0.watch.changes();
        match changes.wait_for(|loaded| loaded.version != version).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::closed("registry")),
        }
    }

    /// The instances of tools services that live, as they told of themselves at their last sign of life.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        self.0.watch.board().workers().await
    }
}

impl std::fmt::Debug for RemoteRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteRegistry").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// The instances of tools services that live on a bus.
pub async fn workers(bus: &Publisher) -> Result<Vec<Worker>> {
    Board::new(bus).workers().await
}

fn openai(tools: &[Arc<ToolDefinition>]) -> Value {
    tools.iter().map(|tool| tool.to_openai()).collect()
}

/// Which one it is of the equal calls that a delivery makes; `None` outside of one.
fn nth(bus: &Publisher, name: &str, arguments: &Map) -> Result<Option<u64>> {
    let Some(origin) = bus.origin() else { return Ok(None) };
    let arguments = codec::encode(&sorted(&Value::Map(arguments.clone())), &bus.limits())?;
    let digest = hex(digest(&SHA256, &arguments).as_ref());
    Ok(Some(origin.count(&format!("registry {name} {digest}"))))
}

/// For whom a call is made: as it says, or whom the delivery is about that it is made in.
fn caller_of(bus: &Publisher, options: &CallOptions) -> Identity {
    let of_delivery = || bus.origin()?.caller(&bus.limits()).map(Identity::from);
    options.identity.clone().or_else(of_delivery).unwrap_or_default()
}

fn is_stale(error: &Error) -> bool {
    error.kind() == ErrorKind::Remote
        && error.context().iter().any(|(key, value)| *key == REMOTE_CODE && value == code::CATALOG_STALE)
}
