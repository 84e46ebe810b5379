//! Tools: definitions, services of them, and the registry of those that can be called.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use sg::envelope::codec::encode;
use sg::envelope::{Map, Value};
use sg::host::{Errands, HostAuthority, HostHandler, Served, Serves};
use sg::tools::{self, Grants, RemoteRegistry, Route, Tool, ToolDefinition, Worker};
use stargazer_core as sg;
use tokio::sync::watch;

use crate::bus::Publisher;
use crate::calls::{Calling, Cancel, Identity, map, packed};
use crate::error::Failure;
use crate::port::{Answer, Queue, ask};
use crate::serving::{ServeSettings, figures, plain};
use crate::settings::{TOOLS_MODES, millis, word};

/// A definition, or why there is none.
#[napi(object, object_from_js = false)]
pub struct Defined {
    /// The definition with everything in it, as msgpack.
    pub definition: Option<Buffer>,
    /// Why not.
    pub failure: Option<Failure>,
}

/// A definition with everything in it, checked.
#[napi]
pub fn tool_definition(given: &[u8]) -> Defined {
    let defined = definition(given).and_then(|definition| encode(&definition.to_map().into(), &Errands::limits()));
    match defined {
        Ok(definition) => Defined { definition: Some(definition.to_vec().into()), failure: None },
        Err(error) => Defined { definition: None, failure: Some(error.into()) },
    }
}

fn definition(given: &[u8]) -> sg::Result<ToolDefinition> {
    ToolDefinition::from_map(&map(given)?)
}

/// A tool of this thread.
#[napi(object, object_to_js = false)]
pub struct ToolRow {
    /// Its definition as msgpack.
    pub definition: Buffer,
    /// Which function of this thread.
    pub function: u32,
}

fn made(errands: &Errands, rows: &[ToolRow]) -> sg::Result<Vec<Tool>> {
    let tool = |row: &ToolRow| {
        Ok(Tool::new(definition(&row.definition)?, Arc::new(HostHandler::new(errands.clone(), row.function))))
    };
    rows.iter().map(tool).collect()
}

/// Who knows what callers are allowed: a function, or a table.
#[napi(object, object_to_js = false)]
pub struct AuthorityRow {
    /// Which function of this thread.
    pub function: Option<u32>,
    /// Users and their permissions, where there is no function.
    pub grants: Vec<Vec<String>>,
}

impl AuthorityRow {
    /// The first of each row is the user.
    fn made(self, errands: &Errands) -> Arc<dyn tools::Authority> {
        match self.function {
            Some(function) => Arc::new(HostAuthority::new(errands.clone(), function)),
            None => Arc::new(self.grants.into_iter().fold(Grants::new(), |grants, row| {
                let mut row = row.into_iter();
                let user = row.next().unwrap_or_default();
                grants.with(user, row)
            })),
        }
    }
}

/// How tools are served.
#[napi(object, object_to_js = false)]
pub struct ToolServiceSettings {
    /// Service.
    pub service: Option<String>,
    /// Calls at the same time.
    pub concurrency: Option<u32>,
    /// Milliseconds.
    pub lease_ms: Option<f64>,
    /// Milliseconds.
    pub sweep_ms: Option<f64>,
    /// Milliseconds.
    pub drain_timeout_ms: Option<f64>,
}

/// A running tools service.
#[napi]
pub struct ToolService {
    served: Served<tools::ToolService>,
    queue: Queue,
}

impl ToolService {
    pub(crate) async fn open(
        bus: sg::Bus,
        rows: Vec<ToolRow>,
        authority: Option<AuthorityRow>,
        settings: ToolServiceSettings,
        errands: Errands,
        queue: Queue,
    ) -> sg::Result<Answer> {
        let mut serve = bus.serve_tools(made(&errands, &rows)?);
        if let Some(authority) = authority {
            serve = serve.authority(authority.made(&errands));
        }
        if let Some(service) = settings.service {
            serve = serve.service(service);
        }
        if let Some(n) = settings.concurrency {
            serve = serve.concurrency(usize::try_from(n).unwrap_or(usize::MAX));
        }
        if let Some((lease, sweep)) = ServeSettings::leased(settings.lease_ms, settings.sweep_ms) {
            serve = serve.lease(lease, sweep);
        }
        if let Some(ms) = settings.drain_timeout_ms {
            serve = serve.drain_timeout(millis(ms));
        }
        Ok(Answer::ToolService(Self { served: Served::new(serve.open().await?, errands), queue }))
    }
}

#[napi]
impl ToolService {
    /// Its service.
    #[napi(getter)]
    pub fn service(&self) -> String {
        self.served.get().service().to_owned()
    }

    /// Its identity.
    #[napi(getter)]
    pub fn instance(&self) -> String {
        self.served.get().instance().to_owned()
    }

    /// The hash of the catalog in force, as it knows it.
    #[napi(getter)]
    pub fn schema_hash(&self) -> String {
        self.served.get().schema_hash()
    }

    /// What it has done so far; the answer is plain.
    #[napi]
    pub fn figures(&self, token: u32) {
        let service = self.served.get().clone();
        ask(&self.queue, token, async move { figures(&service.figures()) });
    }

    /// Ends it: what runs gets the drain time, or these milliseconds.
    #[napi]
    pub fn close(&self, token: u32, drain_timeout_ms: Option<f64>) {
        let service = self.served.get().clone();
        ask(&self.queue, token, async move {
            service.end(drain_timeout_ms.map(millis)).await?;
            Ok(Answer::Nothing)
        });
    }
}

/// How a registry is opened.
#[napi(object, object_to_js = false)]
pub struct RegistrySettings {
    /// `in_process` or `remote`.
    pub mode: Option<String>,
    /// Tools that run in this process in any case.
    pub forced: Vec<String>,
}

/// The tools that can be called from here.
#[napi]
pub struct ToolRegistry {
    registry: Mutex<Option<RemoteRegistry>>,
    closed: watch::Sender<bool>,
    queue: Queue,
}

/// Where a call of a tool goes, or why there is no such place.
#[napi(object, object_from_js = false)]
pub struct Routed {
    /// `in_process`, `gateway` or `service`.
    pub to: Option<&'static str>,
    /// The service, where it is one of its own.
    pub service: Option<String>,
    /// Why not.
    pub failure: Option<Failure>,
}

impl ToolRegistry {
    pub(crate) async fn open(
        bus: sg::Bus,
        rows: Vec<ToolRow>,
        authority: Option<AuthorityRow>,
        settings: RegistrySettings,
        errands: Errands,
        queue: Queue,
    ) -> sg::Result<Answer> {
        let mut builder = bus.tool_registry().tools(made(&errands, &rows)?).force_in_process(settings.forced);
        if let Some(authority) = authority {
            builder = builder.authority(authority.made(&errands));
        }
        if let Some(mode) = settings.mode {
            builder = builder.mode(word("mode", &mode, &TOOLS_MODES)?);
        }
        let registry = Mutex::new(Some(builder.open().await?));
        Ok(Answer::ToolRegistry(Self { registry, closed: watch::Sender::new(false), queue }))
    }

    fn open_one(&self) -> sg::Result<RemoteRegistry> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        registry.ok_or_else(|| sg::Error::closed("registry"))
    }

    fn ask<F>(&self, token: u32, what: impl FnOnce(RemoteRegistry) -> F + Send + 'static)
    where
        F: Future<Output = sg::Result<Answer>> + Send + 'static,
    {
        let registry = self.open_one();
        ask(&self.queue, token, async move { what(registry?).await });
    }
}

#[napi]
impl ToolRegistry {
    /// The version of the catalog that is in use; nothing once it is closed.
    #[napi(getter)]
    pub fn version(&self) -> Option<String> {
        self.open_one().ok().map(|registry| registry.version())
    }

    /// Its hash; nothing once it is closed.
    #[napi(getter)]
    pub fn schema_hash(&self) -> Option<String> {
        self.open_one().ok().map(|registry| registry.schema_hash())
    }

    /// All definitions, or as chat models take them; as msgpack, nothing once it is closed.
    #[napi]
    pub fn definitions(&self, openai: bool) -> Option<Buffer> {
        let tools = listed(&self.open_one().ok()?.definitions(), openai);
        encode(&tools, &Errands::limits()).ok().map(|tools| tools.to_vec().into())
    }

    /// The definitions of what a caller may call; the answer is plain.
    #[napi]
    pub fn definitions_for(&self, token: u32, caller: Identity, openai: bool) {
        self.ask(token, move |registry| async move {
            plain(&listed(&registry.definitions_for(&caller.into()).await?, openai))
        });
    }

    /// Where a call of a tool goes.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // text crosses by value only
    pub fn route(&self, name: String) -> Routed {
        let unknown = || sg::Error::internal("a route that this package does not know");
        let (to, service, failure) = match self.open_one().and_then(|registry| registry.route(&name)) {
            Ok(Route::InProcess) => (Some("in_process"), None, None),
            Ok(Route::Gateway) => (Some("gateway"), None, None),
            Ok(Route::Service(service)) => (Some("service"), service, None),
            Ok(_) => (None, None, Some(unknown().into())),
            Err(error) => (None, None, Some(error.into())),
        };
        Routed { to, service, failure }
    }

    /// Calls a tool through a bus; the answer is that of `Publisher.call`.
    #[napi]
    pub fn call(
        &self,
        token: u32,
        cancel: &Cancel,
        through: &Publisher,
        name: String,
        arguments: &[u8],
        options: Calling,
    ) {
        let (arguments, options, bus) = (arguments.to_vec(), options.into_core(cancel), through.core().clone());
        self.ask(token, move |registry| async move {
            packed(&registry.call_from(&bus, &name, map(&arguments)?, options?).await?)
        });
    }

    /// Reads the catalog now.
    #[napi]
    pub fn reload(&self, token: u32) {
        self.ask(token, |registry| async move {
            registry.reload().await?;
            Ok(Answer::Nothing)
        });
    }

    /// Waits until another version than this one is in use.
    #[napi]
    pub fn changed(&self, token: u32, version: String) {
        let mut closed = self.closed.subscribe();
        self.ask(token, move |registry| async move {
            tokio::select! {
                changed = registry.changed(&version) => changed?,
                _ = closed.wait_for(|closed| *closed) => return Err(sg::Error::closed("registry")),
            }
            Ok(Answer::Nothing)
        });
    }

    /// Ends it.
    #[napi]
    pub fn close(&self) {
        drop(self.registry.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.closed.send_replace(true);
    }
}

fn listed(tools: &[Arc<ToolDefinition>], openai: bool) -> Value {
    let of = if openai { ToolDefinition::to_openai } else { ToolDefinition::to_map };
    Value::List(tools.iter().map(|tool| of(tool).into()).collect())
}

/// Instances of tools services, in the words of this package.
pub(crate) fn workers(workers: &[Worker]) -> sg::Result<Answer> {
    let tool = |tool: &tools::WorkerTool| {
        Value::Map(Map::from([
            ("name", Value::from(tool.name.as_str())),
            ("capacity", tool.capacity.into()),
            ("inFlight", tool.in_flight.into()),
            ("succeeded", tool.succeeded.into()),
            ("failed", tool.failed.into()),
            ("p95Ms", (tool.p95.as_secs_f64() * 1000.0).into()),
        ]))
    };
    let worker = |worker: &Worker| {
        Value::Map(Map::from([
            ("instance", Value::from(worker.instance.as_str())),
            ("service", worker.service.clone().into()),
            ("draining", worker.draining.into()),
            ("capacity", worker.capacity.into()),
            ("inFlight", worker.in_flight.into()),
            ("seenMs", worker.seen_ms.into()),
            ("startedMs", worker.started_ms.into()),
            ("tools", Value::List(worker.tools.iter().map(tool).collect())),
        ]))
    };
    plain(&Value::List(workers.iter().map(worker).collect()))
}
