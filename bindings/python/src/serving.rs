//! Serving calls: handlers are functions of the loop that opened the server.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::host::{Errands, Host, HostHandler, Served, Serves};
use sg::rpc::{Figures, Handler, HandlerOptions, Server};
use stargazer_core as sg;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::bus::nothing;
use crate::error::raise;
use crate::fork::Owned;
use crate::settings::{Setting, no_such, seconds};

/// A running server of calls.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Serving(Owned<Served<sg::rpc::Serving>>);

impl Serving {
    pub(crate) fn open(
        bridge: &Bridge,
        future: Py<PyAny>,
        host: &'static Host,
        bus: &sg::Bus,
        handlers: Vec<(Text, u32, Bound<'_, PyDict>)>,
        others: Option<(u32, Bound<'_, PyDict>)>,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let errands = bridge.errands()?;
        let mut server = configured(Server::new(bus), settings)?;
        for (name, function, given) in handlers {
            server = server.handle(name.0, handler(&errands, function), options(&given)?);
        }
        if let Some((function, given)) = others {
            server = server.handle_others(handler(&errands, function), options(&given)?);
        }
        let work = async move { Ok(Served::new(server.open().await?, errands)) };
        bridge.call(future, work, move |py, serving| Ok(Py::new(py, Self(Owned::new(host, serving)))?.into_any()))
    }
}

fn configured(mut server: Server, settings: &Bound<'_, PyDict>) -> PyResult<Server> {
    let (mut lease, mut sweep) = (None, None);
    for (name, value) in settings {
        let setting = Setting { name: &name, value: &value };
        server = match setting.name()? {
            "service" if value.is_none() => server,
            "service" => server.service(setting.get::<String>("text")?),
            "name" => server.name(setting.get::<String>("text")?),
            "concurrency" => server.concurrency(setting.natural()?),
            "max_attempts" => server.max_attempts(setting.natural()?),
            "drain_timeout" => server.drain_timeout(setting.seconds()?),
            "lease" => {
                lease = Some(setting.seconds()?);
                server
            }
            "sweep" => {
                sweep = Some(setting.seconds()?);
                server
            }
            unknown => return Err(no_such("a server of calls", unknown)),
        };
    }
    Ok(match leased(lease, sweep) {
        Some((lease, sweep)) => server.lease(lease, sweep),
        None => server,
    })
}

/// Lease and sweep, where either was given; a third of the lease is what the defaults are to each other.
pub(crate) fn leased(lease: Option<Duration>, sweep: Option<Duration>) -> Option<(Duration, Duration)> {
    let defaults = sg::config::ConsumerConfig::default();
    match (lease, sweep) {
        (None, None) => None,
        (Some(lease), sweep) => Some((lease, sweep.unwrap_or(lease / 3))),
        (None, Some(sweep)) => Some((defaults.lease, sweep)),
    }
}

fn handler(errands: &Errands, function: u32) -> Arc<dyn Handler> {
    Arc::new(HostHandler::new(errands.clone(), function))
}

fn options(given: &Bound<'_, PyDict>) -> PyResult<HandlerOptions> {
    let mut options = HandlerOptions::default();
    for (name, value) in given {
        let option = Setting { name: &name, value: &value };
        options = match option.name()? {
            _ if value.is_none() => options,
            "concurrency" => options.with_concurrency(option.natural()?),
            "timeout" => options.with_timeout(option.seconds()?),
            "cancel_grace" => options.with_cancel_grace(option.seconds()?),
            unknown => return Err(no_such("a handler of calls", unknown)),
        };
    }
    Ok(options)
}

/// Counts by name.
pub(crate) fn figures<'py>(py: Python<'py>, figures: &Figures) -> PyResult<Bound<'py, PyDict>> {
    let counts = PyDict::new(py);
    for (name, count) in [
        ("rejected", figures.rejected),
        ("unknown", figures.unknown),
        ("duplicates", figures.duplicates),
        ("unanswered", figures.unanswered),
    ] {
        counts.set_item(name, count)?;
    }
    let handlers = PyDict::new(py);
    for of in &figures.handlers {
        let row = PyDict::new(py);
        for (name, count) in [
            ("running", of.running),
            ("waiting", of.waiting),
            ("capacity", of.capacity),
            ("succeeded", of.succeeded),
            ("failed", of.failed),
            ("expired", of.expired),
            ("cancelled", of.cancelled),
            ("remembered", of.remembered),
        ] {
            row.set_item(name, count)?;
        }
        row.set_item("p50", of.p50.as_secs_f64())?;
        row.set_item("p95", of.p95.as_secs_f64())?;
        handlers.set_item(&of.name, row)?;
    }
    counts.set_item("handlers", handlers)?;
    Ok(counts)
}

#[pymethods]
impl Serving {
    /// Serves a name from now on.
    fn handle(&self, bridge: &Bridge, name: Text, function: u32, given: &Bound<'_, PyDict>) -> PyResult<()> {
        let handler = handler(&bridge.errands()?, function);
        self.0.get()?.get().handle(name.0, handler, options(given)?).map_err(raise)
    }

    /// Serves a name no longer; whether it was served.
    fn remove(&self, name: Text) -> PyResult<bool> {
        Ok(self.0.get()?.get().remove(&name.0))
    }

    #[getter]
    fn names(&self) -> PyResult<Vec<String>> {
        Ok(self.0.get()?.get().names())
    }

    #[getter]
    fn stream(&self) -> PyResult<String> {
        Ok(self.0.get()?.get().stream().to_string())
    }

    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        figures(py, &self.0.get()?.get().figures())
    }

    /// Ends it; with the configured time for what runs if none is given.
    fn close(&self, bridge: &Bridge, future: Py<PyAny>, within: Option<f64>) -> PyResult<()> {
        let within = within.map(|within| seconds("drain_timeout", within)).transpose()?;
        let serving = self.0.get()?.get().clone();
        let work = async move { serving.end(within).await };
        bridge.call(future, work, nothing)
    }
}
