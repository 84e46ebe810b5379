//! The private native module of the Python package `stargazer_core`: the list of what it exports.
//!
//! It converts, names and closes; whatever decides about the bus stands in the core crate. The public, typed and
//! documented surface is Python source in `python/stargazer_core/`.

// Arguments of what Python calls are taken out of Python objects, hence owned.
#![allow(clippy::needless_pass_by_value)]

mod argument;
mod bell;
mod bridge;
mod bus;
mod calls;
mod codec;
mod consumer;
mod delivery;
mod envelope;
mod error;
mod events;
mod fork;
mod info;
mod lock;
mod log;
mod part;
mod publisher;
mod receipt;
mod serving;
mod settings;
mod source;
mod tools;
mod topology;
mod trace;

use pyo3::pymodule;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::bridge::Bridge;
    #[pymodule_export]
    use super::bus::{Bus, connect};
    #[pymodule_export]
    use super::calls::Cancel;
    #[pymodule_export]
    use super::codec::{decode_body, encode_body};
    #[pymodule_export]
    use super::consumer::{Consumer, Limit, Notices, notice_kinds};
    #[pymodule_export]
    use super::delivery::Delivery;
    #[pymodule_export]
    use super::envelope::{
        buttons, channel_key, file, file_bytes, inbound, inbound_defaults, message, presence, reaction, rpc, typing,
    };
    #[pymodule_export]
    use super::error::error_codes;
    #[pymodule_export]
    use super::events::{EventBus, EventReader, event_kinds};
    #[pymodule_export]
    use super::fork::forked;
    #[pymodule_export]
    use super::lock::{Asking, Lease, Lock, Singleton, Turn, lease, lock, singleton};
    #[pymodule_export]
    use super::part::{Part, convert};
    #[pymodule_export]
    use super::publisher::Publisher;
    #[pymodule_export]
    use super::receipt::Receipt;
    #[pymodule_export]
    use super::serving::Serving;
    #[pymodule_export]
    use super::tools::{ToolRegistry, ToolService, check_arguments, tool_definition};
    #[pymodule_export]
    use super::topology::{Topology, event_stream, shared_gateway_group, url_from_env};
    #[pymodule_export]
    use super::trace::trace;

    /// Takes down what the core logs, from the import on.
    #[pymodule_init]
    #[allow(clippy::unnecessary_wraps)] // the form of such a function
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::log::start();
        Ok(())
    }

    /// The version that all packages of stargazer share.
    #[pyfunction]
    fn version() -> &'static str {
        stargazer_core::VERSION
    }
}
