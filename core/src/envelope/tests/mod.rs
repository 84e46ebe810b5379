mod bytes;
mod entries;
mod kinds;
mod messages;

use super::*;
use crate::error::{Error, ErrorKind};

/// The value of a context key.
fn context<'e>(error: &'e Error, key: &str) -> &'e str {
    error.context().iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v)
}

fn limits() -> Limits {
    Limits::default()
}
