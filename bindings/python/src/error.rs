//! Errors of the core as exceptions of `stargazer_core.errors`, told apart by code.

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use stargazer_core as sg;

/// The exception for an error; for `map_err`.
pub(crate) fn raise(error: sg::Error) -> PyErr {
    Python::attach(|py| exception(py, &error))
}

/// The exception for an error: the class of its code, with message and context.
pub(crate) fn exception(py: Python<'_>, error: &sg::Error) -> PyErr {
    build(py, error).unwrap_or_else(|trouble| trouble)
}

fn build(py: Python<'_>, error: &sg::Error) -> PyResult<PyErr> {
    let context = PyDict::new(py);
    for (key, value) in error.context() {
        context.set_item(key, value)?;
    }
    if let Some(cause) = std::error::Error::source(error) {
        context.set_item("cause", cause.to_string())?;
    }
    let class = classes(py)?.get_item(error.code())?;
    let class = class.ok_or_else(|| PySystemError::new_err(format!("no class for the code {:?}", error.code())))?;
    Ok(PyErr::from_value(class.call1((error.message(), context))?))
}

fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    CLASSES.import(py, "stargazer_core.errors", "BY_CODE")
}

/// Every code with whether the same call may succeed later.
#[pyfunction]
pub(crate) fn error_codes() -> Vec<(&'static str, bool)> {
    sg::ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.retryable())).collect()
}
