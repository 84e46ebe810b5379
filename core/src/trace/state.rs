//! The states of the original, and which may follow which.

use crate::error::{Error, Result};

/// What a message, or a call, is at. The words and the order are the original's; nothing enforces the order, here as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The original's words, which its documentation does not explain further.
pub enum State {
    Received,
    Preprocessing,
    Queued,
    Claimed,
    PreInferenceGather,
    Inferring,
    ToolExecuting,
    Postprocessing,
    Delivering,
    Delivered,
    Completed,
    Errored,
    Retrying,
    Reclaimed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Received,
        Self::Preprocessing,
        Self::Queued,
        Self::Claimed,
        Self::PreInferenceGather,
        Self::Inferring,
        Self::ToolExecuting,
        Self::Postprocessing,
        Self::Delivering,
        Self::Delivered,
        Self::Completed,
        Self::Errored,
        Self::Retrying,
        Self::Reclaimed,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Preprocessing => "PREPROCESSING",
            Self::Queued => "QUEUED",
            Self::Claimed => "CLAIMED",
            Self::PreInferenceGather => "PRE_INFERENCE_GATHER",
            Self::Inferring => "INFERRING",
            Self::ToolExecuting => "TOOL_EXECUTING",
            Self::Postprocessing => "POSTPROCESSING",
            Self::Delivering => "DELIVERING",
            Self::Delivered => "DELIVERED",
            Self::Completed => "COMPLETED",
            Self::Errored => "ERRORED",
            Self::Retrying => "RETRYING",
            Self::Reclaimed => "RECLAIMED",
        }
    }

    /// The states that it may follow; none: it is the first.
    pub const fn may_follow(self) -> &'static [&'static str] {
        match self {
            Self::Received => &[],
            Self::Preprocessing => &["RECEIVED"],
            Self::Queued => &["RECEIVED", "PREPROCESSING", "RETRYING"],
            Self::Claimed => &["QUEUED", "RECLAIMED"],
            Self::PreInferenceGather => &["CLAIMED"],
            Self::Inferring => &["PRE_INFERENCE_GATHER", "TOOL_EXECUTING", "POSTPROCESSING"],
            Self::ToolExecuting | Self::Postprocessing => &["INFERRING"],
            Self::Delivering => &["POSTPROCESSING"],
            Self::Delivered => &["DELIVERING"],
            Self::Completed => &["DELIVERED", "ERRORED"],
            Self::Errored => &[
                "RECEIVED",
                "PREPROCESSING",
                "QUEUED",
                "CLAIMED",
                "PRE_INFERENCE_GATHER",
                "INFERRING",
                "TOOL_EXECUTING",
                "POSTPROCESSING",
                "DELIVERING",
                "DELIVERED",
            ],
            Self::Retrying => &["ERRORED"],
            Self::Reclaimed => &["CLAIMED", "PRE_INFERENCE_GATHER", "INFERRING", "TOOL_EXECUTING", "POSTPROCESSING"],
        }
    }

    /// Whether it may follow a state, or be the first.
    pub fn is_legal_after(self, before: Option<&str>) -> bool {
        match before {
            None => self.may_follow().is_empty(),
            Some(before) => self.may_follow().contains(&before),
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("a state is one of {known}, not {word:?}")).with_context("argument", "state")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_a_word_and_follows_known_ones() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse::<State>().unwrap(), state);
            assert!(state.may_follow().iter().all(|before| before.parse::<State>().is_ok()), "{state}");
            assert_eq!(state.is_legal_after(None), state == State::Received);
        }
        assert!(State::Claimed.is_legal_after(Some("QUEUED")) && !State::Completed.is_legal_after(Some("CLAIMED")));
        assert_eq!("DONE".parse::<State>().unwrap_err().code(), "invalid");
    }
}
