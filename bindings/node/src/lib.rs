//! The private native module of the Node package `@stargazer/core`.
//!
//! It converts, names and closes; whatever decides about the bus stands in the core crate. The public, typed and
//! documented surface is TypeScript in `ts/`.

use napi_derive::napi;

/// The version that all packages of stargazer share.
#[napi]
pub fn version() -> &'static str {
    stargazer_core::VERSION
}
