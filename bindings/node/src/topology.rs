//! Names of streams and groups, for whoever must name them.

use napi_derive::napi;
use stargazer_core as sg;

/// The names of one bus.
#[napi]
pub struct Topology(pub(crate) sg::topology::Topology);

#[napi]
#[allow(clippy::needless_pass_by_value)] // taken out of a JavaScript value
impl Topology {
    /// Stream from the gateways to the workers.
    #[napi(getter)]
    pub fn inbound_stream(&self) -> &str {
        &self.0.inbound_stream
    }

    /// Group of the workers.
    #[napi(getter)]
    pub fn worker_group(&self) -> &str {
        &self.0.worker_group
    }

    /// Stream of tool requests.
    #[napi(getter)]
    pub fn tools_stream(&self) -> &str {
        &self.0.tools_stream
    }

    /// Group of the tool services.
    #[napi(getter)]
    pub fn tools_group(&self) -> &str {
        &self.0.tools_group
    }

    /// Stream of the dead letters.
    #[napi(getter)]
    pub fn dead_letter_stream(&self) -> &str {
        &self.0.dead_letter_stream
    }

    /// The stream to a platform's gateways.
    #[napi]
    pub fn outbound_stream(&self, platform: String) -> String {
        self.0.outbound_stream(&platform).to_string()
    }

    /// The group of a platform's gateways.
    #[napi]
    pub fn gateway_group(&self, platform: String) -> String {
        self.0.gateway_group(&platform).to_string()
    }

    /// The stream of a worker's tool replies.
    #[napi]
    pub fn tools_reply_stream(&self, worker: String) -> String {
        self.0.tools_reply_stream(&worker).to_string()
    }
}
