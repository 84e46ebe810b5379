//! Why the host could not do what it was told: an error of ours or one of its own language, as plain data.

use crate::envelope::{Map, Value, codec};
use crate::error::{Error, ErrorKind};
use crate::rpc::Failure;

use super::Errands;

/// Why an errand failed. As the host writes it: a map of `kind` (the code of one of our errors; left out for an error of the
/// host's own), `code`, `message`, `context` (of one of our errors), `details` and `writeback`.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Failed {
    /// The kind, where it was an error of ours that the host raised.
    pub kind: Option<ErrorKind>,
    /// A word for programs: what the host's function said, else the name of the exception's class.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What an error of ours was about.
    pub context: Map,
    /// More for programs, by name.
    pub details: Map,
    /// What is merged into a caller's context all the same.
    pub writeback: Map,
    /// The host has gone: it was not done, or not to its end.
    pub gone: bool,
}

/// Names in the context of an error that mean the same on both sides of the border.
const CARRIED: [&str; 10] =
    ["argument", "call", "expected", "field", "found", "platform", "setting", "stored", "stream", "tool"];

impl Failed {
    /// The host has gone.
    pub(super) fn gone() -> Self {
        let message = "whoever was to do it has gone: its event loop or thread has ended";
        Self { kind: Some(ErrorKind::Closed), gone: true, ..Self::new(ErrorKind::Closed.code(), message) }
    }

    fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    /// From what the host wrote.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let Ok(Value::Map(told)) = codec::decode(bytes, &Errands::limits()) else {
            let unsound = Self::new(ErrorKind::Internal.code(), "the host told a failure that cannot be read");
            return Self { kind: Some(ErrorKind::Internal), ..unsound };
        };
        let map = |name| told.get(name).and_then(Value::as_map).cloned().unwrap_or_default();
        let text = |name| told.text(name).unwrap_or_default().to_owned();
        let kind = ErrorKind::ALL.into_iter().find(|kind| told.text("kind") == Some(kind.code()));
        let (context, details, writeback) = (map("context"), map("details"), map("writeback"));
        Self { kind, code: text("code"), message: text("message"), context, details, writeback, gone: false }
    }

    /// As an error: of its own kind, or `Remote` with the code as `remote_code`.
    pub(super) fn into_error(self) -> Error {
        let kind = self.kind.unwrap_or(ErrorKind::Remote);
        let mut error = Error::new(kind, self.message);
        if kind == ErrorKind::Remote {
            error = error.with_context("remote_code", self.code);
        }
        for name in CARRIED {
            if let Some(value) = self.context.text(name) {
                error = error.with_context(name, value);
            }
        }
        error
    }

    /// As the failure of a call.
    pub(super) fn into_failure(self) -> Failure {
        let (code, details, writeback) = (self.code.clone(), self.details.clone(), self.writeback.clone());
        let mut failure = Failure::from(self.into_error()).with_details(details).with_writeback(writeback);
        failure.code = code;
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_keeps_its_kind_and_what_it_was_about() {
        let context = Map::from([("stored", "unknown"), ("of its own", "x")]);
        let failed = Failed { kind: Some(ErrorKind::Timeout), context, ..Failed::new("timeout", "too slow") };
        assert_eq!(failed.clone().into_error().to_string(), "timeout: too slow (stored=unknown)");
        assert_eq!(failed.into_failure().to_string(), "timeout: too slow");
    }

    #[test]
    fn an_error_of_the_host_is_a_remote_one() {
        let failed = Failed { details: Map::from([("city", "Xanadu")]), ..Failed::new("KeyError", "no such city") };
        assert_eq!(failed.clone().into_error().to_string(), "remote: no such city (remote_code=KeyError)");
        let failure = failed.into_failure();
        assert_eq!((failure.code.as_str(), failure.details.text("city")), ("KeyError", Some("Xanadu")));
    }
}
