//! What a publisher gets back.

use pyo3::prelude::*;
use stargazer_core as sg;

/// Proof that an entry was stored.
#[pyclass(frozen, eq, module = "stargazer_core")]
#[derive(PartialEq)]
pub(crate) struct Receipt(sg::Receipt);

impl From<sg::Receipt> for Receipt {
    fn from(receipt: sg::Receipt) -> Self {
        Self(receipt)
    }
}

#[pymethods]
impl Receipt {
    /// The entry's id; the first one's when it was a duplicate.
    #[getter]
    fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// The stream it stands in.
    #[getter]
    fn stream(&self) -> &str {
        &self.0.stream
    }

    /// How safe it is: `memory` (gone with the process), `server` (gone with the server's), `aof-everysec`, `aof-always`,
    /// or `replicated(n)`, confirmed by n replicas.
    #[getter]
    fn durability(&self) -> String {
        self.0.durability.to_string()
    }

    /// Whether the message id had been published before; nothing was added then.
    #[getter]
    fn duplicate(&self) -> bool {
        self.0.duplicate
    }

    fn __repr__(&self) -> String {
        let duplicate = if self.0.duplicate { "True" } else { "False" };
        format!(
            "Receipt(id={:?}, stream={:?}, durability={:?}, duplicate={duplicate})",
            self.id(),
            self.stream(),
            self.durability()
        )
    }
}
