//! Parts of the core that are called by name with plain values: the store, the Redis platform, proxies, ways in.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::host::{self, Given, Host, LIMITS};
use stargazer_core as sg;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::codec::{decode, encode};
use crate::error::raise;
use crate::fork::Owned;
use crate::receipt::Receipt;

/// A part of the core.
#[pyclass(frozen, module = "stargazer_core._native")]
pub(crate) struct Part(Owned<host::Part>);

impl Part {
    pub(crate) fn open(
        host: &'static Host,
        bus: &sg::Publisher,
        name: &str,
        arguments: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let arguments = encode(arguments, &LIMITS).map_err(raise)?;
        Ok(Self::of(host, host::Part::open(bus, name, &arguments).map_err(raise)?))
    }

    pub(crate) fn of(host: &'static Host, part: host::Part) -> Self {
        Self(Owned::new(host, part))
    }

    pub(crate) fn inner(&self) -> PyResult<&host::Part> {
        self.0.get()
    }
}

#[pymethods]
impl Part {
    /// A call; the future gives its value, a part, or a receipt and a value beside it.
    fn perform(&self, bridge: &Bridge, future: Py<PyAny>, call: Text, arguments: &Bound<'_, PyDict>) -> PyResult<()> {
        let arguments = encode(arguments, &LIMITS).map_err(raise)?;
        let (part, host) = (self.0.get()?.clone(), self.0.host());
        let work = async move { part.perform(&call.0, &arguments).await };
        bridge.call(future, work, move |py, given| {
            Ok(match given {
                Given::Plain(value) => decode(py, &value)?.unbind(),
                Given::Part(part) => Py::new(py, Self(Owned::new(host, part)))?.into_any(),
                Given::Stored(receipt, value) => {
                    let receipt = Py::new(py, Receipt::from(receipt))?;
                    (receipt, decode(py, &value)?).into_pyobject(py)?.into_any().unbind()
                }
            })
        })
    }

    /// A call that waits for nothing.
    fn at_once<'py>(&self, py: Python<'py>, call: Text, arguments: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let arguments = encode(arguments, &LIMITS).map_err(raise)?;
        decode(py, &self.0.get()?.perform_at_once(&call.0, &arguments).map_err(raise)?)
    }
}

/// A conversion that belongs to no bus.
#[pyfunction]
pub(crate) fn convert<'py>(py: Python<'py>, name: Text, arguments: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let arguments = encode(arguments, &LIMITS).map_err(raise)?;
    decode(py, &host::convert(&name.0, &arguments).map_err(raise)?)
}
