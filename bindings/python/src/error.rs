//! Errors of the core as exceptions of `stargazer_core.errors`, told apart by code.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use sg::envelope::codec::Writer;
use sg::host::Errands;
use sg::rpc::Failure;
use stargazer_core as sg;

use crate::codec;

/// The exception for an error; for `map_err`.
pub(crate) fn raise(error: sg::Error) -> PyErr {
    Python::attach(|py| exception(py, &error))
}

/// Code, message and context: what an exception is made of where that is left to Python code.
pub(crate) fn plain(py: Python<'_>, error: &sg::Error) -> PyResult<Py<PyAny>> {
    let context = PyDict::new(py);
    for (key, value) in error.context() {
        context.set_item(key, value)?;
    }
    if let Some(failure) = Failure::of(error) {
        let more = more(py, failure)?;
        return Ok((error.code(), error.message(), context, more).into_pyobject(py)?.into_any().unbind());
    }
    if let Some(cause) = std::error::Error::source(error) {
        context.set_item("cause", cause.to_string())?;
    }
    Ok((error.code(), error.message(), context).into_pyobject(py)?.into_any().unbind())
}

/// Details and writeback of a call that failed where it ran.
fn more(py: Python<'_>, failure: &Failure) -> PyResult<Py<PyAny>> {
    let mut writer = Writer::new(&Errands::limits());
    writer.list(2);
    writer.inside(|writer| {
        writer.map_value(&failure.details);
        writer.map_value(&failure.writeback);
    });
    Ok(codec::decode(py, &writer.finish().map_err(raise)?)?.unbind())
}

/// The exception for an error.
fn exception(py: Python<'_>, error: &sg::Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE
        .import(py, "stargazer_core.errors", "exception")
        .and_then(|make| make.call1(plain(py, error)?.bind(py).cast::<PyTuple>()?));
    made.map_or_else(|trouble| trouble, PyErr::from_value)
}

/// Every code with whether the same call may succeed later.
#[pyfunction]
pub(crate) fn error_codes() -> Vec<(&'static str, bool)> {
    sg::ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.retryable())).collect()
}
