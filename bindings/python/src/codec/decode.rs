//! msgpack to Python objects.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString};
use sg::envelope::codec::{Reader, Token};
use stargazer_core as sg;

use super::ext;
use crate::error::raise;

/// Decodes the bytes of a body that the core has looked at: size and nesting are within the limits.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    value(py, &mut Reader::new(bytes))
}

/// Puts the pairs of a body, which must be a map, into a dict.
pub(crate) fn fill(dict: &Bound<'_, PyDict>, bytes: &[u8]) -> PyResult<()> {
    let mut reader = Reader::new(bytes);
    match reader.token().map_err(raise)? {
        Token::Map(n) => pairs(dict, n, &mut reader),
        other => {
            let text = format!("the body must be a map, found {}", other.type_name());
            Err(raise(sg::Error::malformed(text).with_context("expected", "map")))
        }
    }
}

fn pairs(dict: &Bound<'_, PyDict>, n: u32, reader: &mut Reader<'_>) -> PyResult<()> {
    let py = dict.py();
    for _ in 0..n {
        let key = cached(py, reader.key().map_err(raise)?);
        dict.set_item(key, value(py, reader)?)?;
    }
    Ok(())
}

fn value<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match reader.token().map_err(raise)? {
        Token::Nil => py.None().into_bound(py),
        Token::Bool(b) => PyBool::new(py, b).to_owned().into_any(),
        Token::Int(n) => n.into_pyobject(py)?.into_any(),
        Token::UInt(n) => n.into_pyobject(py)?.into_any(),
        Token::Float(x) => x.into_pyobject(py)?.into_any(),
        Token::Text(text) => PyString::new(py, text).into_any(),
        Token::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Token::Ext(tag, bytes) => ext::read(py, tag, bytes)?,
        Token::List(n) => {
            let list = PyList::empty(py);
            for _ in 0..n {
                list.append(value(py, reader)?)?;
            }
            list.into_any()
        }
        Token::Map(n) => {
            let dict = PyDict::new(py);
            pairs(&dict, n, reader)?;
            dict.into_any()
        }
    })
}

thread_local! {
    /// The strings of keys met before: the same few names stand in every envelope, and a string that exists already
    /// has its hash, too. Of the thread, since a lock could be waited for by whoever holds the interpreter.
    static KEYS: RefCell<Vec<Slot>> = RefCell::new((0..SLOTS).map(|_| None).collect());
}

type Slot = Option<(Box<str>, Py<PyString>)>;

const SLOTS: usize = 512;

/// Longer keys are hardly names.
const LONGEST: usize = 40;

fn cached<'py>(py: Python<'py>, key: &str) -> Bound<'py, PyString> {
    if key.len() > LONGEST {
        return PyString::new(py, key);
    }
    let hash = key.bytes().fold(0x811c_9dc5_usize, |hash, byte| (hash ^ usize::from(byte)).wrapping_mul(0x0100_0193));
    // Nothing in here can run Python code, which could come back to this place.
    KEYS.with_borrow_mut(|keys| match &mut keys[hash % SLOTS] {
        Some((text, string)) if **text == *key => string.bind(py).clone(),
        slot => {
            let string = PyString::new(py, key);
            *slot = Some((key.into(), string.clone().unbind()));
            string
        }
    })
}
