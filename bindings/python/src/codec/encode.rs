//! Python objects to msgpack.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};
use sg::envelope::Limits;
use sg::envelope::codec::Writer;
use stargazer_core as sg;

use super::ext;
use super::object;
use super::refused::{Refused, Step};

/// Encodes an object. `Invalid` with the path of what cannot stand in a body, `TooLarge` beyond the limits.
pub(crate) fn encode(object: &Bound<'_, PyAny>, limits: &Limits) -> sg::Result<Bytes> {
    let mut writer = Writer::new(limits);
    write(&mut writer, object, limits.max_depth()).map_err(Refused::into_error)?;
    writer.finish().map_err(|e| e.with_stored(sg::Stored::No))
}

type Written = Result<(), Refused>;

/// `levels`: how many containers may still be opened.
fn write(writer: &mut Writer, object: &Bound<'_, PyAny>, levels: usize) -> Written {
    // The usual types first, each by one comparison of pointers.
    if let Ok(text) = object.cast_exact::<PyString>() {
        writer.text(text_of(text)?);
    } else if let Ok(n) = object.cast_exact::<PyInt>() {
        int(writer, n)?;
    } else if object.is_none() {
        writer.nil();
    } else if let Ok(b) = object.cast_exact::<PyBool>() {
        writer.bool(b.is_true());
    } else if let Ok(x) = object.cast_exact::<PyFloat>() {
        writer.float(x.value());
    } else if let Ok(map) = object.cast::<PyDict>() {
        dict(writer, map, levels)?;
    } else if let Ok(items) = object.cast::<PyList>() {
        let levels = deeper(levels).map_err(|refused| refused.through(Step::Index(0), items))?;
        writer.list(items.len());
        for (index, item) in items.iter().enumerate() {
            write(writer, &item, levels).map_err(|refused| refused.through(Step::Index(index), items))?;
        }
    } else if let Ok(items) = object.cast::<PyTuple>() {
        let levels = deeper(levels).map_err(|refused| refused.through(Step::Index(0), items))?;
        writer.list(items.len());
        for (index, item) in items.iter().enumerate() {
            write(writer, &item, levels).map_err(|refused| refused.through(Step::Index(index), items))?;
        }
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        writer.bytes(bytes.as_bytes());
    } else {
        return rare(writer, object, levels);
    }
    Ok(())
}

fn dict(writer: &mut Writer, map: &Bound<'_, PyDict>, levels: usize) -> Written {
    let levels = deeper(levels).map_err(|refused| refused.through(Step::Key(String::new()), map))?;
    writer.map(map.len());
    for (key, value) in map {
        let Ok(name) = key.cast::<PyString>() else {
            let found = format!("a key of type {}", Refused::type_of(&key));
            return Err(Refused::new("a dict with keys of type str", found));
        };
        let name = text_of(name)?;
        writer.text(name);
        write(writer, &value, levels).map_err(|refused| refused.through(Step::Key(name.to_owned()), map))?;
    }
    Ok(())
}

fn deeper(levels: usize) -> Result<usize, Refused> {
    levels.checked_sub(1).ok_or_else(Refused::too_deep)
}

/// Subclasses of the usual types, and the types that are seldom met.
fn rare(writer: &mut Writer, object: &Bound<'_, PyAny>, levels: usize) -> Written {
    if let Ok(text) = object.cast::<PyString>() {
        writer.text(text_of(text)?);
    } else if let Ok(n) = object.cast::<PyInt>() {
        int(writer, n)?;
    } else if let Ok(x) = object.cast::<PyFloat>() {
        writer.float(x.value());
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        writer.bytes(&bytes.to_vec());
    } else if let Ok(view) = object.cast::<PyMemoryView>() {
        let bytes = view.call_method0("tobytes").map_err(|_| Refused::unknown(object))?;
        writer.bytes(bytes.cast::<PyBytes>().map_err(|_| Refused::unknown(object))?.as_bytes());
    } else if !ext::write(writer, object)? {
        // `Ext` is a dataclass, too.
        let map = object::map_of(object)?.ok_or_else(|| Refused::unknown(object))?;
        dict(writer, &map, levels)?;
    }
    Ok(())
}

fn text_of<'a>(text: &'a Bound<'_, PyString>) -> Result<&'a str, Refused> {
    text.to_str().map_err(|_| Refused::new("text that UTF-8 can hold", "text with a lone surrogate"))
}

fn int(writer: &mut Writer, n: &Bound<'_, PyInt>) -> Written {
    if let Ok(n) = n.extract::<i64>() {
        writer.int(n);
    } else if let Ok(n) = n.extract::<u64>() {
        writer.uint(n);
    } else {
        return Err(Refused::new("an integer within -2**63 and 2**64 - 1", "an integer beyond 64 bits"));
    }
    Ok(())
}
