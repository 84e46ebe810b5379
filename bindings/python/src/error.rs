//! Errors of the core as exceptions of `stargazer_core.errors`, told apart by code.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use stargazer_core as sg;

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
    if let Some(cause) = std::error::Error::source(error) {
        context.set_item("cause", cause.to_string())?;
    }
    Ok((error.code(), error.message(), context).into_pyobject(py)?.into_any().unbind())
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
