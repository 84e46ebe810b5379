//! Errors as plain data: `ts/errors.ts` makes the error object on the main thread and picks its class by the code.

use std::error::Error as _;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use stargazer_core as sg;

use crate::calls;

/// What went wrong, for the TypeScript side to throw.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// Code of the kind.
    pub code: String,
    /// Message for people.
    pub message: String,
    /// What it was about: names and values in turn.
    pub context: Vec<String>,
    /// Text of what caused it.
    pub cause: Option<String>,
    /// Details and writeback of a call that failed where it ran, as msgpack.
    pub more: Option<Buffer>,
}

impl From<sg::Error> for Failure {
    fn from(error: sg::Error) -> Self {
        let more = calls::more(&error);
        Self {
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            context: error.context().iter().flat_map(|(key, value)| [(*key).to_owned(), value.clone()]).collect(),
            // What a call's failure was made of says nothing that is not said already.
            cause: error.source().filter(|_| more.is_none()).map(ToString::to_string),
            more,
        }
    }
}
