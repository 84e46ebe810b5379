//! A delivery: an entry in the hands of a handler.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict};
use sg::Outcome;
use stargazer_core as sg;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::codec;
use crate::error::raise;
use crate::fork::Owned;
use crate::publisher::Publisher;
use crate::settings::seconds;

/// An entry handed out. Dropped without an outcome, it is released.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Delivery(Owned<Arc<sg::Delivery>>);

impl Delivery {
    pub(crate) fn new(delivery: Owned<Arc<sg::Delivery>>) -> Self {
        Self(delivery)
    }
}

#[pymethods]
impl Delivery {
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(self.0.get()?.id().to_string())
    }

    #[getter]
    fn stream(&self) -> PyResult<String> {
        Ok(self.0.get()?.stream().to_string())
    }

    #[getter]
    fn lane(&self) -> PyResult<Option<String>> {
        Ok(self.0.get()?.lane().map(str::to_owned))
    }

    #[getter]
    fn attempt(&self) -> PyResult<u32> {
        Ok(self.0.get()?.attempt())
    }

    #[getter]
    fn redelivered(&self) -> PyResult<bool> {
        Ok(self.0.get()?.redelivered())
    }

    #[getter]
    fn replays(&self) -> PyResult<u32> {
        Ok(self.0.get()?.replays())
    }

    #[getter]
    fn trace_id(&self) -> PyResult<String> {
        Ok(self.0.get()?.trace_id().to_owned())
    }

    #[getter]
    fn traceparent(&self) -> PyResult<Option<String>> {
        Ok(self.0.get()?.traceparent().map(str::to_owned))
    }

    #[getter]
    fn tracestate(&self) -> PyResult<Option<String>> {
        Ok(self.0.get()?.tracestate().map(str::to_owned))
    }

    #[getter]
    fn message_id(&self) -> PyResult<Option<String>> {
        Ok(self.0.get()?.message_id().map(str::to_owned))
    }

    /// Whether `begin` has to be asked before it is run, and not `begin_now`.
    #[getter]
    fn suspect(&self) -> PyResult<bool> {
        Ok(self.0.get()?.is_suspect())
    }

    /// Says that it, which is no suspect, is about to be run; whether it may be. Asked as late as can be: a process that stood
    /// still for long learns here that it lost it.
    fn begin_now(&self) -> PyResult<bool> {
        Ok(self.0.get()?.begin_now())
    }

    /// Says that it is about to be run; the future gives whether it may be.
    fn begin(&self, bridge: &Bridge, future: Py<PyAny>) -> PyResult<()> {
        let delivery = self.0.get()?.clone();
        let work = async move { Ok(delivery.begin().await) };
        bridge.call(future, work, |py, go| Ok(PyBool::new(py, go).to_owned().into_any().unbind()))
    }

    #[getter]
    fn cancelled(&self) -> PyResult<bool> {
        Ok(self.0.get()?.is_cancelled())
    }

    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.get()?.raw()))
    }

    /// A field of the entry as it came.
    fn field<'py>(&self, py: Python<'py>, name: Text) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.0.get()?.field(&name.0).map(|value| PyBytes::new(py, value)))
    }

    /// The body.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        codec::decode(py, &self.0.get()?.raw())
    }

    /// The pairs of the body's map, put into a dict.
    fn fill(&self, into: &Bound<'_, PyDict>) -> PyResult<()> {
        codec::fill(into, &self.0.get()?.raw())
    }

    /// A publisher under the fence of this delivery.
    fn publisher(&self) -> PyResult<Publisher> {
        Ok(Publisher::new(self.0.host(), self.0.get()?.bus()))
    }

    fn ack(&self) -> PyResult<()> {
        self.settle(Outcome::Ack)
    }

    fn retry(&self, after: Option<f64>, error: Option<Text>) -> PyResult<()> {
        let after = after.map(|after| seconds("after", after)).transpose()?;
        self.settle(Outcome::Retry { after, error: error.map(String::from) })
    }

    fn reject(&self, reason: Text) -> PyResult<()> {
        self.settle(Outcome::reject(reason))
    }

    /// To the dead letters, as a body that is not what its reader expects.
    fn refuse(&self, reason: Text) -> PyResult<()> {
        self.0.get()?.refuse(&sg::Error::malformed(reason)).map_err(raise)
    }

    fn release(&self) -> PyResult<()> {
        self.settle(Outcome::Release)
    }

    /// The outcome of a handler that was ended because the delivery is cancelled.
    fn give_up(&self) -> PyResult<()> {
        self.0.get()?.give_up().map_err(raise)
    }
}

impl Delivery {
    fn settle(&self, outcome: Outcome) -> PyResult<()> {
        self.0.get()?.settle(outcome).map_err(raise)
    }
}
