//! The end of a turn, told to those who gave a nonce.
//!
//! A turn is everything that is said for one message. When the message carries a nonce (`extra`, key [`NONCE`]), the last
//! thing of the turn is an `rpc` with the method [`TURN_COMPLETE`], without a reply address, in the lane of the channel; so
//! it arrives behind everything that the turn said. Its parameters are `nonce`, `status` (`completed` or `failed`) and,
//! after a failure, `error`. The nonce is documented for the original, the form of its answer is inferred. A message
//! without a nonce, such as every message of another program, gets no such sign.

use crate::envelope::{Map, Outbound, Rpc};
use crate::error::{Error, Result};

/// Key of an inbound message's `extra` under which the asker's nonce stands.
pub const NONCE: &str = "_response_nonce";

/// Method of the `rpc` that tells the end of a turn.
pub const TURN_COMPLETE: &str = "turn_complete";

/// How a turn ended, as an adapter is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TurnEnd {
    /// The asker's nonce.
    pub nonce: String,
    /// Why it was given up; `None` when everything was said.
    pub error: Option<String>,
    /// Trace id, `""` for none.
    pub trace_id: String,
}

impl TurnEnd {
    /// Everything was said.
    pub fn completed(nonce: impl Into<String>) -> Self {
        Self { nonce: nonce.into(), ..Self::default() }
    }

    /// It was given up, and why.
    pub fn failed(nonce: impl Into<String>, error: impl Into<String>) -> Self {
        Self { nonce: nonce.into(), error: Some(error.into()), ..Self::default() }
    }

    /// Sets the trace id.
    pub fn with_trace_id(mut self, id: impl Into<String>) -> Self {
        self.trace_id = id.into();
        self
    }

    /// `completed` or `failed`.
    pub fn status(&self) -> &'static str {
        if self.error.is_none() { "completed" } else { "failed" }
    }

    /// As it travels.
    pub fn to_outbound(&self) -> Outbound {
        let mut params = Map::from([("nonce", self.nonce.as_str()), ("status", self.status())]);
        if let Some(error) = &self.error {
            params.insert("error", error.as_str());
        }
        Outbound::rpc(TURN_COMPLETE, params, "", "").with_trace_id(&self.trace_id)
    }

    /// From the `rpc` that carries it. `Malformed` without a nonce.
    pub fn from_rpc(rpc: &Rpc, trace_id: &str) -> Result<Self> {
        let Some(nonce) = rpc.params.text("nonce") else {
            return Err(
                Error::malformed(format!("`nonce` of {TURN_COMPLETE} must be text")).with_context("field", "nonce")
            );
        };
        let error = (rpc.params.text("status") == Some("failed"))
            .then(|| rpc.params.text("error").unwrap_or("no reason was given").to_owned());
        Ok(Self { nonce: nonce.to_owned(), error, trace_id: trace_id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Action;

    #[test]
    fn an_end_and_back() {
        for end in [TurnEnd::completed("n"), TurnEnd::failed("n", "the model is gone").with_trace_id("t")] {
            let sent = end.to_outbound();
            let Action::Rpc(rpc) = &sent.action else { panic!("{sent:?}") };
            assert_eq!(TurnEnd::from_rpc(rpc, &sent.trace_id).unwrap(), end);
        }
        assert_eq!(TurnEnd::from_rpc(&Rpc::default(), "").unwrap_err().code(), "malformed");
    }
}
