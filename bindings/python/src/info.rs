//! What there is to see of a stream: rows of plain values that the package turns into its own types.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sg::transport::{Entry, EntryId, Finding, PendingInfo, StreamInfo};
use stargazer_core as sg;

fn text(id: EntryId) -> String {
    id.to_string()
}

pub(crate) fn stream(py: Python<'_>, info: StreamInfo) -> PyResult<Py<PyAny>> {
    let groups = info.groups.into_iter().map(|group| -> PyResult<_> {
        let row = PyDict::new(py);
        row.set_item("name", group.name)?;
        row.set_item("consumers", group.consumers)?;
        row.set_item("pending", group.pending)?;
        row.set_item("last_delivered", text(group.last_delivered))?;
        row.set_item("lag", group.lag)?;
        row.set_item("time_to_loss", group.time_to_loss.map(|time| time.as_secs_f64()))?;
        Ok(row)
    });
    let groups = groups.collect::<PyResult<Vec<_>>>()?;
    let row = PyDict::new(py);
    row.set_item("length", info.length)?;
    row.set_item("last_id", text(info.last_id))?;
    row.set_item("first_entry", info.first_entry.map(text))?;
    row.set_item("groups", groups)?;
    Ok(row.into_any().unbind())
}

pub(crate) fn pending(py: Python<'_>, info: PendingInfo) -> PyResult<Py<PyAny>> {
    let row = PyDict::new(py);
    row.set_item("count", info.count)?;
    row.set_item("oldest", info.oldest.map(text))?;
    row.set_item("newest", info.newest.map(text))?;
    let consumers = PyDict::new(py);
    for (name, count) in info.consumers {
        consumers.set_item(name, count)?;
    }
    row.set_item("consumers", consumers)?;
    Ok(row.into_any().unbind())
}

pub(crate) fn findings(py: Python<'_>, findings: Vec<Finding>) -> PyResult<Py<PyAny>> {
    let rows: Vec<_> = findings.into_iter().map(|row| (row.check, row.level.as_str(), row.found, row.advice)).collect();
    Ok(rows.into_pyobject(py)?.into_any().unbind())
}

/// Pairs of id and fields; names that are no text are shown with their bytes escaped.
pub(crate) fn entries(py: Python<'_>, entries: Vec<Entry>) -> PyResult<Py<PyAny>> {
    let rows = entries.into_iter().map(|entry| -> PyResult<_> {
        let fields = PyDict::new(py);
        for (name, value) in &entry.fields {
            let name = std::str::from_utf8(name).map_or_else(|_| name.escape_ascii().to_string(), str::to_owned);
            fields.set_item(name, PyBytes::new(py, value))?;
        }
        Ok((text(entry.id), fields))
    });
    Ok(rows.collect::<PyResult<Vec<_>>>()?.into_pyobject(py)?.into_any().unbind())
}
