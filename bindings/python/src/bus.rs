//! The front door: connect, look, open consumers, close.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::envelope::Limits;
use sg::host::Host;
use stargazer_core as sg;

use crate::argument::{Count, Text};
use crate::bridge::Bridge;
use crate::consumer::Consumer;
use crate::error::raise;
use crate::events::{EventBus, EventReader};
use crate::fork::Owned;
use crate::publisher::Publisher;
use crate::serving::Serving;
use crate::tools::{Authority, ToolRegistry, ToolService};
use crate::topology::Topology;
use crate::{codec, info, settings, tools};

/// A connected bus.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Bus {
    bus: Owned<sg::Bus>,
    /// Publishes to its streams.
    #[pyo3(get)]
    publisher: Py<Publisher>,
}

/// Connects; the future gives a `Bus`. Without an address it is that of the environment.
#[pyfunction]
pub(crate) fn connect(
    bridge: &Bridge,
    future: Py<PyAny>,
    url: Option<Text>,
    role: Option<Text>,
    platforms: Vec<Text>,
    settings: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let host = Host::get().map_err(raise)?;
    let url = url.map(String::from).or_else(sg::config::url_from_env).ok_or_else(|| {
        raise(sg::Error::invalid("no address was given and REDIS_URL is not set").with_context("field", "url"))
    })?;
    let role = role.map_or(Ok(sg::Role::None), |role| role.0.parse()).map_err(raise)?;
    let builder = sg::Bus::connect(url)
        .role(role)
        .platforms(platforms.into_iter().map(String::from))
        .config(settings::bus(settings)?);
    bridge.call(future, async move { builder.await }, move |py, bus| {
        let publisher = Py::new(py, Publisher::new(host, (*bus).clone()))?;
        Ok(Py::new(py, Bus { bus: Owned::new(host, bus), publisher })?.into_any())
    })
}

impl Bus {
    /// The core's bus, for what stands in files of its own.
    pub(crate) fn core(&self) -> &Owned<sg::Bus> {
        &self.bus
    }

    /// Runs a question to the bus on the I/O thread.
    fn ask<T, F>(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        question: impl FnOnce(sg::Bus) -> F,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<()>
    where
        T: Send + 'static,
        F: Future<Output = sg::Result<T>> + Send + 'static,
    {
        bridge.call(future, question(self.bus.get()?.clone()), convert)
    }
}

/// The value of calls that give none.
#[allow(clippy::unnecessary_wraps)] // the type of a conversion
pub(crate) fn nothing(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

#[pymethods]
impl Bus {
    #[getter]
    fn url(&self) -> PyResult<String> {
        Ok(self.bus.get()?.url().to_owned())
    }

    /// Names of its streams and groups.
    #[getter]
    fn topology(&self) -> PyResult<Topology> {
        Ok(Topology(self.bus.get()?.topology().clone()))
    }

    /// Seconds since a bus of virtual time was connected.
    fn now(&self) -> PyResult<f64> {
        Ok(self.bus.get()?.time().map_err(raise)?.now().as_secs_f64())
    }

    /// Lets so many seconds of virtual time pass.
    fn advance(&self, bridge: &Bridge, future: Py<PyAny>, seconds: f64) -> PyResult<()> {
        let time = self.bus.get()?.time().map_err(raise)?.clone();
        let passed = async move {
            time.advance(Duration::from_secs_f64(seconds)).await;
            Ok(())
        };
        bridge.call(future, passed, nothing)
    }

    fn ensure_streams(&self, bridge: &Bridge, future: Py<PyAny>, role: Text, platforms: Vec<Text>) -> PyResult<()> {
        let role: sg::Role = role.0.parse().map_err(raise)?;
        let platforms: Vec<String> = platforms.into_iter().map(String::from).collect();
        self.ask(bridge, future, |bus| async move { bus.ensure_streams(role, &platforms).await }, nothing)
    }

    fn stream_info(&self, bridge: &Bridge, future: Py<PyAny>, stream: Text) -> PyResult<()> {
        self.ask(bridge, future, |bus| async move { bus.stream_info(&stream.0).await }, info::stream)
    }

    fn pending(&self, bridge: &Bridge, future: Py<PyAny>, stream: Text, group: Text) -> PyResult<()> {
        self.ask(bridge, future, |bus| async move { bus.pending(&stream.0, &group.0).await }, info::pending)
    }

    fn entries(&self, bridge: &Bridge, future: Py<PyAny>, stream: Text, after: Text, count: Count) -> PyResult<()> {
        let after = after.0.parse().map_err(raise)?;
        self.ask(bridge, future, move |bus| async move { bus.entries(&stream.0, after, count.0).await }, info::entries)
    }

    /// A call to the dead letters by its name, with named arguments; the future gives plain values.
    fn dead_letters(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        stream: Option<Text>,
        call: Text,
        arguments: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let arguments = codec::encode(arguments, &Limits::default()).map_err(raise)?;
        let question = |bus: sg::Bus| async move {
            let letters = stream.map_or_else(|| bus.dead_letters(), |stream| bus.dead_letters_in(&stream.0));
            letters.perform_encoded(&call.0, &arguments).await
        };
        self.ask(bridge, future, question, |py, answer| Ok(codec::decode(py, &answer)?.unbind()))
    }

    fn events(&self, stream: Option<Text>, max_len: Count<u64>) -> PyResult<EventBus> {
        EventBus::new(self.bus.host(), self.bus.get()?, stream, max_len)
    }

    fn event_reader(
        &self,
        stream: Option<Text>,
        last_id: Text,
        block_ms: Count<u64>,
        count: Count,
    ) -> PyResult<EventReader> {
        EventReader::new(self.bus.host(), self.bus.get()?, stream, last_id, block_ms, count)
    }

    /// Serves calls; the future gives a `Serving`. Handlers are names with functions and options.
    fn serve(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        handlers: Vec<(Text, u32, Bound<'_, PyDict>)>,
        others: Option<(u32, Bound<'_, PyDict>)>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        Serving::open(bridge, future, self.bus.host(), self.bus.get()?, handlers, others, settings)
    }

    /// Serves tools; the future gives a `ToolService`. Tools are definitions with functions.
    fn serve_tools(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        tools: Vec<(Bound<'_, PyAny>, u32)>,
        authority: Option<Authority>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        ToolService::open(bridge, future, self.bus.host(), self.bus.get()?, tools, authority, settings)
    }

    /// Reads the catalog of tools and follows it; the future gives a `ToolRegistry`.
    #[allow(clippy::too_many_arguments)] // one for each option
    fn tool_registry(
        &self,
        bridge: &Bridge,
        future: Py<PyAny>,
        tools: Vec<(Bound<'_, PyAny>, u32)>,
        authority: Option<Authority>,
        mode: Option<Text>,
        forced: Vec<Text>,
    ) -> PyResult<()> {
        ToolRegistry::open(bridge, future, self.bus.host(), self.bus.get()?, tools, authority, mode, forced)
    }

    /// The instances of tools services that live.
    fn tool_workers(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        self.ask(bridge, future, |bus| async move { bus.tool_workers().await }, tools::workers)
    }

    fn doctor(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        self.ask(bridge, future, |bus| async move { bus.doctor().await }, info::findings)
    }

    fn close(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        self.ask(bridge, future, |bus| async move { bus.close().await }, nothing)
    }

    fn consume_inbound(&self, group: Option<Text>, settings: &Bound<'_, PyDict>) -> PyResult<Consumer> {
        Consumer::new(self.bus.host(), self.bus.get()?.consume_inbound(), group, settings)
    }

    fn consume_outbound(
        &self,
        platform: Text,
        group: Option<Text>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Consumer> {
        Consumer::new(self.bus.host(), self.bus.get()?.consume_outbound(&platform.0), group, settings)
    }

    fn consume(&self, stream: Text, group: Text, settings: &Bound<'_, PyDict>) -> PyResult<Consumer> {
        Consumer::new(self.bus.host(), self.bus.get()?.consume(&stream.0, &group.0), None, settings)
    }
}
