//! The private native module of the Python package `stargazer_core`: the list of what it exports.
//!
//! It converts, names and closes; whatever decides about the bus stands in the core crate. The public, typed and
//! documented surface is Python source in `python/stargazer_core/`.

use pyo3::pymodule;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::pyfunction;

    /// The version that all packages of stargazer share.
    #[pyfunction]
    fn version() -> &'static str {
        stargazer_core::VERSION
    }
}
