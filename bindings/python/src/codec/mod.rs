//! Python objects to msgpack and back, by direct traversal.
//!
//! The bytes are those that the core's own writer gives. What has no place in a body is refused with the path of the
//! key that holds it; nothing is turned into something else in silence.

mod decode;
mod encode;
mod ext;
mod object;
mod refused;

pub(crate) use decode::{decode, fill};
pub(crate) use encode::encode;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sg::envelope::Limits;
use stargazer_core as sg;

use crate::error::raise;

/// The bytes of a body.
#[pyfunction]
#[pyo3(name = "encode")]
pub(crate) fn encode_body<'py>(body: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = encode(body, &Limits::default()).map_err(raise)?;
    Ok(PyBytes::new(body.py(), &bytes))
}

/// The body of bytes that nobody has looked at yet.
#[pyfunction]
#[pyo3(name = "decode")]
pub(crate) fn decode_body<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    sg::envelope::codec::scan(data, &Limits::default()).map_err(raise)?;
    decode(py, data)
}
