//! Text as an argument: what is no text is `InvalidError`, as everywhere on this border.

use pyo3::prelude::*;
use pyo3::types::PyString;
use stargazer_core as sg;

use crate::error::raise;

/// A text that UTF-8 can hold.
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let refused = |found: &str| {
            let text = format!("an argument must be text, found {found}");
            raise(sg::Error::invalid(text).with_context("expected", "text").with_context("found", found))
        };
        let Ok(text) = object.cast::<PyString>() else {
            return Err(refused(&object.get_type().name()?.to_string()));
        };
        text.to_str().map(|text| Self(text.to_owned())).map_err(|_| refused("text with a lone surrogate"))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}
