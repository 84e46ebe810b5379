//! Extensions: aware datetimes as msgpack's timestamps, everything else as `stargazer_core.Ext`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDateTime, PyType, PyTzInfo};
use sg::envelope::codec::Writer;
use stargazer_core as sg;

use super::refused::Refused;

/// msgpack's tag of timestamps.
const TIMESTAMP: i8 = -1;

/// Writes an aware datetime or an `Ext`; says of everything else that it is neither.
pub(super) fn write(writer: &mut Writer, object: &Bound<'_, PyAny>) -> Result<bool, Refused> {
    let unknown = |_: PyErr| Refused::unknown(object);
    if object.is_instance_of::<PyDateTime>() {
        let micros = since_epoch(object).map_err(unknown)?;
        let micros = micros.ok_or_else(|| Refused::new("an aware datetime", "a datetime without a time zone"))?;
        let (seconds, nanos) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) * 1000);
        let nanos = u32::try_from(nanos).map_err(|_| Refused::unknown(object))?;
        timestamp(writer, seconds, nanos);
        return Ok(true);
    }
    if object.is_instance(class(object.py()).map_err(unknown)?).map_err(unknown)? {
        let tag: i8 = object.getattr("tag").and_then(|tag| tag.extract()).map_err(unknown)?;
        let data = object.getattr("data").map_err(unknown)?;
        writer.ext(tag, data.cast::<PyBytes>().map_err(|_| Refused::unknown(object))?.as_bytes());
        return Ok(true);
    }
    Ok(false)
}

/// The shortest of the three forms, as every msgpack library writes it.
fn timestamp(writer: &mut Writer, seconds: i64, nanos: u32) {
    match (u64::try_from(seconds), u32::try_from(seconds)) {
        (_, Ok(seconds)) if nanos == 0 => writer.ext(TIMESTAMP, &seconds.to_be_bytes()),
        (Ok(seconds), _) if seconds < 1 << 34 => {
            writer.ext(TIMESTAMP, &(u64::from(nanos) << 34 | seconds).to_be_bytes());
        }
        _ => {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&nanos.to_be_bytes());
            bytes[4..].copy_from_slice(&seconds.to_be_bytes());
            writer.ext(TIMESTAMP, &bytes);
        }
    }
}

/// Microseconds since 1970; `None` for a naive one.
fn since_epoch(time: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if time.call_method0("utcoffset")?.is_none() {
        return Ok(None);
    }
    let delta = time.sub(epoch(time.py())?)?;
    let part = |name: &str| delta.getattr(name)?.extract::<i64>();
    Ok(Some((part("days")? * 86_400 + part("seconds")?) * 1_000_000 + part("microseconds")?))
}

/// Reads a timestamp into an aware datetime (below a microsecond it is cut off), anything else into an `Ext`.
pub(super) fn read<'py>(py: Python<'py>, tag: i8, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if tag == TIMESTAMP
        && let Some((seconds, nanos)) = parts(bytes)
    {
        let delta = py.import("datetime")?.getattr("timedelta")?.call1((0, seconds, nanos / 1000));
        // Years that Python does not have stay what they are.
        if let Ok(time) = delta.and_then(|delta| epoch(py)?.add(delta)) {
            return Ok(time);
        }
    }
    class(py)?.call1((tag, PyBytes::new(py, bytes)))
}

fn parts(bytes: &[u8]) -> Option<(i64, u32)> {
    let (seconds, nanos) = match bytes.len() {
        4 => (u32::from_be_bytes(bytes.try_into().ok()?).into(), 0),
        8 => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            (i64::try_from(both & ((1 << 34) - 1)).ok()?, u32::try_from(both >> 34).ok()?)
        }
        12 => (i64::from_be_bytes(bytes[4..].try_into().ok()?), u32::from_be_bytes(bytes[..4].try_into().ok()?)),
        _ => return None,
    };
    (nanos < 1_000_000_000).then_some((seconds, nanos))
}

fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || -> PyResult<_> {
        let utc = PyTzInfo::utc(py)?.to_owned();
        Ok(PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?.into_any().unbind())
    })?;
    Ok(epoch.bind(py))
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "stargazer_core.values", "Ext")
}
