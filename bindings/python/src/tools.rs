//! Tools: definitions, services of them, and the registry of those that can be called.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use sg::envelope::{Envelope, Limits, Map, Value};
use sg::host::{Errands, Host, HostAuthority, HostHandler, Served, Serves};
use sg::tools::{self, Grants, RemoteRegistry, Route, Tool, ToolDefinition, Worker};
use stargazer_core as sg;
use tokio::sync::watch;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::bus::nothing;
use crate::calls::{self, Cancel};
use crate::codec::{decode, encode};
use crate::error::raise;
use crate::fork::Owned;
use crate::publisher::Publisher;
use crate::serving::{figures, leased};
use crate::settings::{Setting, TOOLS_MODES, no_such, one_of, seconds};

/// A definition with everything in it, checked.
#[pyfunction]
pub(crate) fn tool_definition<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let definition = definition(given)?;
    plain(given.py(), &definition.to_map().into())
}

/// Whether arguments fit a definition; `InvalidError` telling what does not.
#[pyfunction]
pub(crate) fn check_arguments(given: &Bound<'_, PyAny>, arguments: &Bound<'_, PyAny>) -> PyResult<()> {
    let takes = tools::Arguments::of(&definition(given)?).map_err(raise)?;
    let bytes = encode(arguments, &Limits::default()).map_err(raise)?;
    takes.check(&calls::map(&bytes).map_err(raise)?).map_err(raise)
}

fn definition(given: &Bound<'_, PyAny>) -> PyResult<ToolDefinition> {
    let bytes = encode(given, &Limits::default()).map_err(raise)?;
    ToolDefinition::from_map(&calls::map(&bytes).map_err(raise)?).map_err(raise)
}

fn plain<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    decode(py, &value.write(&Errands::limits()).map_err(raise)?)
}

fn made(errands: &Errands, given: Vec<(Bound<'_, PyAny>, u32)>) -> PyResult<Vec<Tool>> {
    let tool = |(given, function): (Bound<'_, PyAny>, u32)| {
        Ok(Tool::new(definition(&given)?, Arc::new(HostHandler::new(errands.clone(), function))))
    };
    given.into_iter().map(tool).collect()
}

/// Who knows what callers are allowed: a function, or a table of users and their permissions.
#[derive(FromPyObject)]
pub(crate) enum Authority {
    Function(u32),
    Grants(Vec<(Text, Vec<Text>)>),
}

impl Authority {
    fn made(self, errands: &Errands) -> Arc<dyn tools::Authority> {
        match self {
            Self::Function(function) => Arc::new(HostAuthority::new(errands.clone(), function)),
            Self::Grants(grants) => Arc::new(grants.into_iter().fold(Grants::new(), |grants, (user, permissions)| {
                grants.with(user, permissions.into_iter().map(String::from))
            })),
        }
    }
}

/// A running tools service.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct ToolService(Owned<Served<tools::ToolService>>);

impl ToolService {
    pub(crate) fn open(
        bridge: &Bridge,
        future: Py<PyAny>,
        host: &'static Host,
        bus: &sg::Bus,
        given: Vec<(Bound<'_, PyAny>, u32)>,
        authority: Option<Authority>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let errands = bridge.errands()?;
        let mut serve = bus.serve_tools(made(&errands, given)?);
        if let Some(authority) = authority {
            serve = serve.authority(authority.made(&errands));
        }
        let (mut lease, mut sweep) = (None, None);
        for (name, value) in settings {
            let setting = Setting { name: &name, value: &value };
            match setting.name()? {
                _ if value.is_none() => {}
                "service" => serve = serve.service(setting.get::<String>("text")?),
                "concurrency" => serve = serve.concurrency(setting.natural()?),
                "drain_timeout" => serve = serve.drain_timeout(setting.seconds()?),
                "lease" => lease = Some(setting.seconds()?),
                "sweep" => sweep = Some(setting.seconds()?),
                unknown => return Err(no_such("a tools service", unknown)),
            }
        }
        if let Some((lease, sweep)) = leased(lease, sweep) {
            serve = serve.lease(lease, sweep);
        }
        let work = async move { Ok(Served::new(serve.open().await?, errands)) };
        bridge.call(future, work, move |py, service| Ok(Py::new(py, Self(Owned::new(host, service)))?.into_any()))
    }
}

#[pymethods]
impl ToolService {
    #[getter]
    fn service(&self) -> PyResult<String> {
        Ok(self.0.get()?.get().service().to_owned())
    }

    #[getter]
    fn instance(&self) -> PyResult<String> {
        Ok(self.0.get()?.get().instance().to_owned())
    }

    #[getter]
    fn schema_hash(&self) -> PyResult<String> {
        Ok(self.0.get()?.get().schema_hash())
    }

    #[getter]
    fn names(&self) -> PyResult<Vec<String>> {
        Ok(self.0.get()?.get().names().into_iter().map(str::to_owned).collect())
    }

    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        figures(py, &self.0.get()?.get().figures())
    }

    /// Ends it; with the configured time for what runs if none is given.
    fn close(&self, bridge: &Bridge, future: Py<PyAny>, within: Option<f64>) -> PyResult<()> {
        let within = within.map(|within| seconds("drain_timeout", within)).transpose()?;
        let service = self.0.get()?.get().clone();
        let work = async move { service.end(within).await };
        bridge.call(future, work, nothing)
    }
}

/// The tools that can be called from here.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct ToolRegistry(Owned<Held>);

struct Held {
    registry: Mutex<Option<RemoteRegistry>>,
    closed: watch::Sender<bool>,
}

impl Held {
    fn new(registry: RemoteRegistry) -> Self {
        Self { registry: Mutex::new(Some(registry)), closed: watch::Sender::new(false) }
    }
}

impl ToolRegistry {
    #[allow(clippy::too_many_arguments)] // one for each option
    pub(crate) fn open(
        bridge: &Bridge,
        future: Py<PyAny>,
        host: &'static Host,
        bus: &sg::Bus,
        given: Vec<(Bound<'_, PyAny>, u32)>,
        authority: Option<Authority>,
        mode: Option<Text>,
        forced: Vec<Text>,
    ) -> PyResult<()> {
        let errands = bridge.errands()?;
        let forced = forced.into_iter().map(String::from);
        let mut builder = bus.tool_registry().tools(made(&errands, given)?).force_in_process(forced);
        if let Some(authority) = authority {
            builder = builder.authority(authority.made(&errands));
        }
        if let Some(mode) = mode {
            let found = TOOLS_MODES.iter().find(|(word, _)| *word == mode.0);
            builder = builder.mode(found.ok_or_else(|| one_of("mode", "in_process, remote", &mode.0))?.1);
        }
        bridge.call(future, async move { builder.open().await }, move |py, registry| {
            Ok(Py::new(py, Self(Owned::new(host, Held::new(registry))))?.into_any())
        })
    }

    fn open_one(&self) -> PyResult<RemoteRegistry> {
        let registry = self.0.get()?.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        registry.ok_or_else(|| raise(sg::Error::closed("registry")))
    }
}

#[pymethods]
impl ToolRegistry {
    #[getter]
    fn version(&self) -> PyResult<String> {
        Ok(self.open_one()?.version())
    }

    #[getter]
    fn schema_hash(&self) -> PyResult<String> {
        Ok(self.open_one()?.schema_hash())
    }

    /// All definitions, sorted by name.
    fn definitions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &listed(&self.open_one()?.definitions(), ToolDefinition::to_map))
    }

    /// The definitions of what a caller may call, as chat models take them if that is asked for.
    fn definitions_for(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        caller: &Bound<'_, PyAny>,
        openai: bool,
    ) -> PyResult<()> {
        let (registry, caller) = (self.open_one()?, calls::identity(caller)?);
        let work = async move {
            let tools = registry.definitions_for(&caller).await?;
            listed(&tools, if openai { ToolDefinition::to_openai } else { ToolDefinition::to_map })
                .write(&Errands::limits())
        };
        bridge.call(future, work, |py, tools| Ok(decode(py, &tools)?.unbind()))
    }

    /// All tools as chat models take them.
    fn openai_tools<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.open_one()?.openai_tools())
    }

    fn get<'py>(&self, py: Python<'py>, name: Text) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.open_one()?.get(&name.0).map_err(raise)?.to_map().into())
    }

    /// Where a call of a tool goes: a word, and the service where it is one.
    fn route(&self, name: Text) -> PyResult<(&'static str, Option<String>)> {
        Ok(match self.open_one()?.route(&name.0).map_err(raise)? {
            Route::InProcess => ("in_process", None),
            Route::Gateway => ("gateway", None),
            Route::Service(service) => ("service", service),
            _ => return Err(raise(sg::Error::internal("a route that this package does not know"))),
        })
    }

    /// Calls a tool, through the bus of a delivery where one is given; the future gives what that of `Publisher.call` does.
    #[allow(clippy::too_many_arguments)] // one for each part of a call
    fn call(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        cancel: &Cancel,
        through: &Publisher,
        name: Text,
        arguments: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let (registry, bus) = (self.open_one()?, through.core()?.clone());
        let options = calls::options(options, cancel)?;
        let arguments = calls::arguments(arguments, &bus.limits())?;
        let work = async move { registry.call_from(&bus, &name.0, calls::map(&arguments)?, options).await };
        calls::answered(bridge, future, work)
    }

    /// Reads the catalog now.
    fn reload(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let registry = self.open_one()?;
        bridge.call(future, async move { registry.reload().await }, nothing)
    }

    /// Waits until another version than this one is in use.
    fn changed(&self, bridge: &Bridge, future: Py<PyAny>, version: Text) -> PyResult<()> {
        let (registry, mut closed) = (self.open_one()?, self.0.get()?.closed.subscribe());
        let work = async move {
            tokio::select! {
                changed = registry.changed(&version.0) => changed,
                _ = closed.wait_for(|closed| *closed) => Err(sg::Error::closed("registry")),
            }
        };
        bridge.call(future, work, nothing)
    }

    fn close(&self) -> PyResult<()> {
        let registry = self.0.get()?.registry.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(registry);
        self.0.get()?.closed.send_replace(true);
        Ok(())
    }
}

fn listed(tools: &[Arc<ToolDefinition>], of: impl Fn(&ToolDefinition) -> Map) -> Value {
    Value::List(tools.iter().map(|tool| of(tool).into()).collect())
}

/// Instances of tools services as plain values.
pub(crate) fn workers(py: Python<'_>, workers: Vec<Worker>) -> PyResult<Py<PyAny>> {
    let list = PyList::empty(py);
    for worker in workers {
        let row = PyDict::new(py);
        row.set_item("instance", &worker.instance)?;
        row.set_item("service", &worker.service)?;
        row.set_item("draining", worker.draining)?;
        row.set_item("capacity", worker.capacity)?;
        row.set_item("in_flight", worker.in_flight)?;
        row.set_item("seen_ms", worker.seen_ms)?;
        row.set_item("started_ms", worker.started_ms)?;
        let tools = PyList::empty(py);
        for tool in &worker.tools {
            let of = PyDict::new(py);
            of.set_item("name", &tool.name)?;
            of.set_item("capacity", tool.capacity)?;
            of.set_item("in_flight", tool.in_flight)?;
            of.set_item("succeeded", tool.succeeded)?;
            of.set_item("failed", tool.failed)?;
            of.set_item("p95", tool.p95.as_secs_f64())?;
            tools.append(of)?;
        }
        row.set_item("tools", tools)?;
        list.append(row)?;
    }
    Ok(list.into_any().unbind())
}
