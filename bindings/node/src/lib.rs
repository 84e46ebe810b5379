//! The private native module of the Node package `@stargazer/core`.
//!
//! It converts, names and closes; whatever decides about the bus stands in the core crate. The public, typed and
//! documented surface is TypeScript in `ts/`.
//!
//! Calls are coarse: a burst of publishes, of outcomes, of deliveries crosses as one buffer. What is asked for is
//! answered under the number that came with the request, in [`port::Port::drain`]; the only thing that the I/O thread
//! ever says by itself is one "drain now" per burst. No JavaScript value leaves the main thread.

mod batch;
mod bus;
mod calls;
mod consumer;
pub mod envelope;
mod error;
pub mod events;
mod inspect;
pub mod lease;
pub mod lock;
pub mod made;
mod outgoing;
pub mod part;
mod port;
mod serving;
mod settings;
pub mod singleton;
pub mod tools;
pub mod topology;
pub mod trace;

use napi_derive::napi;
use stargazer_core as sg;

/// The version that all packages of stargazer share.
#[napi]
pub fn version() -> &'static str {
    sg::VERSION
}

/// Every kind of notice.
#[napi]
pub fn notice_kinds() -> Vec<&'static str> {
    sg::Notice::KINDS.to_vec()
}

/// The code of every kind of error, in the order of the table, and whether it may be retried.
#[napi]
pub fn error_codes() -> Vec<ErrorCode> {
    sg::ErrorKind::ALL
        .iter()
        .map(|kind| ErrorCode { code: kind.code().to_owned(), retryable: kind.retryable() })
        .collect()
}

/// A kind of error.
#[napi(object, object_from_js = false)]
pub struct ErrorCode {
    /// Its code.
    pub code: String,
    /// Whether the same call may succeed later without a change.
    pub retryable: bool,
}
