//! Traces.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sg::envelope::Limits;
use stargazer_core as sg;

use crate::argument::Text;
use crate::bridge::Bridge;
use crate::bus::Bus;
use crate::codec;
use crate::error::raise;

/// A call about traces by its name, with named arguments; the future gives plain values.
#[pyfunction]
pub(crate) fn trace(
    bridge: &Bridge,
    future: Py<PyAny>,
    bus: &Bus,
    call: Text,
    arguments: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let arguments = codec::encode(arguments, &Limits::default()).map_err(raise)?;
    let bus = bus.core().get()?.clone();
    let work = async move { bus.trace_encoded(&call.0, &arguments).await };
    bridge.call(future, work, |py, answer| Ok(codec::decode(py, &answer)?.unbind()))
}
