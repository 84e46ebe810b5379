//! What the suites that cross a border share: where the repository is, and servers to test against.
//!
//! Rust uses it as a library; Python and Node start the program `sg-test-server`, which is the same thing behind standard
//! input and output.

// Nothing here is measured by a test's own clock, and `SG_TEST_SERVER` is read for the person who runs the tests.
#![allow(clippy::disallowed_methods, reason = "the harness drives real processes in real time")]

use std::path::{Path, PathBuf};

mod find;
mod resp;
mod sentinels;
mod server;

pub use find::{Program, find, find_both};
pub use resp::{Reply, command};
pub use sentinels::{SERVICE, Sentinels};
pub use server::{Options, Server};

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}
