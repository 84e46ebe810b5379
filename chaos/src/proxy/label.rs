//! What a request is about.

use std::collections::HashMap;

/// What a request is about, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// Adds entries to a stream.
    Publish,
    /// Hands out entries.
    Fetch,
    /// Reports outcomes.
    Settle,
    /// Marks entries as started.
    Begin,
    /// Shows that a session lives.
    Renew,
    /// Anything else.
    Other,
}

/// Finds the label of a request.
#[derive(Debug)]
pub(super) struct Labels(HashMap<Vec<u8>, Label>);

impl Labels {
    /// For the scripts of the core.
    pub(super) fn of_the_core() -> Self {
        let label = |name| match name {
            "append" => Label::Publish,
            "fetch" => Label::Fetch,
            "settle" => Label::Settle,
            "begin" => Label::Begin,
            "renew" => Label::Renew,
            _ => Label::Other,
        };
        Self(stargazer_core::redis::script_hashes().map(|(name, hash)| (hash.into_bytes(), label(name))).collect())
    }

    /// By the request's first words.
    pub(super) fn of(&self, words: &[Vec<u8>]) -> Label {
        match words {
            [command, ..] if command.eq_ignore_ascii_case(b"XADD") => Label::Publish,
            [command, ..] if command.eq_ignore_ascii_case(b"XREADGROUP") => Label::Fetch,
            [command, ..] if command.eq_ignore_ascii_case(b"XACK") => Label::Settle,
            [command, hash] if command.eq_ignore_ascii_case(b"EVALSHA") => {
                self.0.get(hash).copied().unwrap_or(Label::Other)
            }
            _ => Label::Other,
        }
    }
}
