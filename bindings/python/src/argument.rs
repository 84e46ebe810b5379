//! Arguments: one that is wrong is `InvalidError`, as everywhere on this border, and is named.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyInt, PyString, PyType};

/// A text that UTF-8 can hold.
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let Ok(text) = object.cast::<PyString>() else { return Err(wrong("text", object)) };
        let lone = |_| refused(object.py(), "text", "text with a lone surrogate");
        text.to_str().map(|text| Self(text.to_owned())).map_err(lone)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// A whole number from 0 up that fits.
#[derive(Clone, Copy)]
pub(crate) struct Count<T = usize>(pub(crate) T);

impl<'py, T: TryFrom<u64>> FromPyObject<'_, 'py> for Count<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let whole = object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>();
        let number = if whole { object.extract::<u64>().ok() } else { None };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Self).ok_or_else(|| wrong("a whole number from 0 up", object))
    }
}

fn wrong(expected: &str, found: Borrowed<'_, '_, PyAny>) -> PyErr {
    let shown = found.repr().map_or_else(|_| "something else".to_owned(), |text| text.to_string());
    let shown = if shown.chars().count() > 80 { shown.chars().take(80).chain("…".chars()).collect() } else { shown };
    refused(found.py(), expected, &shown)
}

/// The exception for an argument; pyo3 adds the name as a note, which this class takes.
fn refused(py: Python<'_>, expected: &str, found: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made =
        CLASS.import(py, "stargazer_core.errors", "ArgumentError").and_then(|class| class.call1((expected, found)));
    made.map_or_else(|trouble| trouble, PyErr::from_value)
}
