//! What a caller gets: an [`Answer`], or an error whose kind says how the call ended.

use serde::de::DeserializeOwned;

use super::handler::Failure;
use super::wire;
use crate::envelope::{Map, ToolReply, Value, codec};
use crate::error::{Error, ErrorKind, Result};

/// Context of a `Remote` error: the failure's code.
pub(super) const CODE: &str = "remote_code";

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The result.
    pub result: Value,
    /// What is to be merged into the caller's context: `sent_files` (media as raw bytes), `injected_tools`,
    /// `sent_rich_messages`. Untouched.
    pub writeback: Map,
    /// Nothing was sent: the result was remembered from an earlier run of the same turn.
    pub remembered: bool,
}

impl Answer {
    /// The result as a type of your own. `Malformed` when it does not fit.
    pub fn decode<R: DeserializeOwned>(&self) -> Result<R> {
        codec::from_value(&self.result)
    }
}

/// How a reply ends its call: `Remote`, `Expired` or `Cancelled` where it holds no result.
pub(super) fn of(reply: ToolReply, name: &str, remembered: bool) -> Result<Answer> {
    let writeback = reply.writeback;
    let error = match reply.result {
        Ok(result) => return Ok(Answer { result, writeback, remembered }),
        Err(error) => error,
    };
    let error = match error.rest.text(wire::KIND) {
        Some(wire::EXPIRED) => expired(),
        Some(wire::CANCELLED) => cancelled(),
        Some(wire::OUT_OF_TIME) => Error::new(ErrorKind::Timeout, "the deadline came while it ran"),
        _ => {
            let failure = Failure::new(error.code, error.message);
            failure.with_details(error.rest).with_writeback(writeback).into_remote()
        }
    };
    Err(error.with_context("call", name))
}

pub(super) fn expired() -> Error {
    Error::new(ErrorKind::Expired, "the deadline had passed before it was run; call again if it is still wanted")
}

pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::ToolError;

    fn kind(rest: Map) -> ErrorKind {
        let mut error = ToolError::new("no", "no such city");
        error.rest = rest;
        of(ToolReply::error("1", error), "weather", false).unwrap_err().kind()
    }

    #[test]
    fn a_reply_ends_its_call_in_one_way() {
        let reply = ToolReply::ok("1", "21").with_writeback(Map::from([("sent_files", 1)]));
        let answer = of(reply, "weather", false).unwrap();
        assert_eq!((answer.decode::<String>().unwrap(), answer.writeback.len()), ("21".into(), 1));
        assert_eq!(answer.decode::<u8>().unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(kind(Map::new()), ErrorKind::Remote);
        assert_eq!(kind(Map::from([("kind", "expired")])), ErrorKind::Expired);
        assert_eq!(kind(Map::from([("kind", "cancelled")])), ErrorKind::Cancelled);
        assert_eq!(kind(Map::from([("kind", "timeout")])), ErrorKind::Timeout);
        assert_eq!(kind(Map::from([("kind", "of its own")])), ErrorKind::Remote);
    }

    #[test]
    fn a_remote_error_tells_name_and_code() {
        let error = of(ToolReply::error("1", ToolError::new("no_city", "no such city")), "weather", false).unwrap_err();
        assert_eq!(error.to_string(), "remote: no such city (remote_code=no_city, call=weather)");
    }

    #[test]
    fn a_remote_error_keeps_details_and_writeback() {
        let mut told = ToolError::new("no_city", "no such city");
        told.rest = Map::from([("city", "Xanadu")]);
        let reply = ToolReply::error("1", told).with_writeback(Map::from([("sent_files", 1)]));
        let error = of(reply, "weather", false).unwrap_err();
        let failure = Failure::of(&error).unwrap();
        assert_eq!((failure.code.as_str(), failure.details.text("city")), ("no_city", Some("Xanadu")));
        assert_eq!(&Failure::from(error.clone()), failure, "also when it is passed on");
        assert!(failure.writeback.contains_key("sent_files"));
        assert_eq!(Failure::of(&Error::internal("x")), None);
    }
}
