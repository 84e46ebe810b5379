//! Objects that say themselves which map they are: dataclasses, models of pydantic, structs of msgspec. Known by what they
//! have, so that none of these packages is needed.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::refused::Refused;

/// The map that an object is; `None` where it does not say that it is one.
pub(super) fn map_of<'py>(object: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyDict>>, Refused> {
    if object.is_instance_of::<PyType>() {
        return Ok(None);
    }
    described(object).map_err(|error| {
        let found = format!("a {} that cannot be read: {error}", Refused::type_of(object));
        Refused::new("an object that can be read", found)
    })
}

fn described<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let class = object.get_type();
    if class.hasattr("model_dump")? {
        return Ok(Some(object.call_method0("model_dump")?.cast_into::<PyDict>()?));
    }
    let map = PyDict::new(object.py());
    if class.hasattr("__struct_fields__")? {
        let names = class.getattr("__struct_fields__")?.cast_into::<PyTuple>()?;
        // What stands on the wire, where the struct renames.
        let written = class.getattr("__struct_encode_fields__")?.cast_into::<PyTuple>()?;
        for (name, written) in names.iter().zip(written) {
            let value = object.getattr(name.cast_into::<PyString>()?)?;
            if value.get_type().name()? != "UnsetType" {
                map.set_item(written, value)?;
            }
        }
        return Ok(Some(map));
    }
    if class.hasattr("__dataclass_fields__")? {
        for field in object.py().import("dataclasses")?.getattr("fields")?.call1((object,))?.try_iter()? {
            let name = field?.getattr("name")?.cast_into::<PyString>()?;
            map.set_item(&name, object.getattr(&name)?)?;
        }
        return Ok(Some(map));
    }
    Ok(None)
}
