//! Names of streams and groups, for whoever must name them.

use pyo3::prelude::*;
use stargazer_core as sg;

use crate::argument::Text;

/// The names of one bus.
#[pyclass(frozen, eq, module = "stargazer_core")]
#[derive(PartialEq)]
pub(crate) struct Topology(pub(crate) sg::topology::Topology);

#[pymethods]
impl Topology {
    /// Stream from the gateways to the workers.
    #[getter]
    fn inbound_stream(&self) -> &str {
        &self.0.inbound_stream
    }

    /// Group of the workers.
    #[getter]
    fn worker_group(&self) -> &str {
        &self.0.worker_group
    }

    /// Stream of tool requests.
    #[getter]
    fn tools_stream(&self) -> &str {
        &self.0.tools_stream
    }

    /// Group of the tool services.
    #[getter]
    fn tools_group(&self) -> &str {
        &self.0.tools_group
    }

    /// Stream of the dead letters.
    #[getter]
    fn dead_letter_stream(&self) -> &str {
        &self.0.dead_letter_stream
    }

    /// The stream to a platform's gateways.
    fn outbound_stream(&self, platform: Text) -> String {
        self.0.outbound_stream(&platform.0).to_string()
    }

    /// The group of a platform's gateways.
    fn gateway_group(&self, platform: Text) -> String {
        self.0.gateway_group(&platform.0).to_string()
    }

    /// The stream of a worker's tool replies.
    fn tools_reply_stream(&self, worker: Text) -> String {
        self.0.tools_reply_stream(&worker.0).to_string()
    }
}

/// The group in which the original's consumer of several platforms reads their outbound streams.
#[pyfunction]
pub(crate) fn shared_gateway_group() -> String {
    sg::topology::shared_gateway_group().to_string()
}

/// The original's stream of lifecycle events.
#[pyfunction]
pub(crate) fn event_stream() -> String {
    sg::topology::event_stream().to_string()
}

/// The server's address in the environment, if there is one.
#[pyfunction]
pub(crate) fn url_from_env() -> Option<String> {
    sg::config::url_from_env()
}
