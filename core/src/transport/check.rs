//! What is refused before anybody is asked, by every transport in the same words.

mod ops;

use std::time::Duration;

pub(crate) use ops::{is_counter, ops, tail};

use super::{Append, Fetch, MAX_BATCH, MAX_COUNTER, MAX_STEPS, Settle, TraceStep, Verdict};
use crate::error::{Error, Result, Stored};
use crate::topology;

/// A batch that one call may carry.
pub(crate) fn batch(len: usize) -> Result<()> {
    if len > MAX_BATCH {
        return Err(Error::invalid(format!("at most {MAX_BATCH} in one call, not {len}")));
    }
    Ok(())
}

/// A name that may stand beside a lane's count and beside the mode.
pub(crate) fn identity(name: &str) -> Result<()> {
    if name.is_empty() || name.starts_with('#') || name.contains('|') {
        return Err(Error::invalid(format!(
            "an identity is text without `|` that does not start with `#`, not {name:?}"
        )));
    }
    Ok(())
}

/// A fetch that asks for something.
pub(crate) fn fetch(request: &Fetch) -> Result<()> {
    if request.count == 0 {
        return Err(Error::invalid(format!("count is 1 to {MAX_BATCH}, not 0")));
    }
    batch(request.count)
}

/// Steps of traces that can be added.
pub(crate) fn trace(steps: &[TraceStep]) -> Result<()> {
    if steps.len() > MAX_STEPS {
        return Err(Error::invalid(format!("at most {MAX_STEPS} steps in one call, not {}", steps.len())));
    }
    Ok(())
}

/// A lock that lasts.
pub(crate) fn lock(ttl: Duration) -> Result<()> {
    if ttl < Duration::from_millis(1) {
        return Err(Error::invalid("a lock lasts at least a millisecond"));
    }
    Ok(())
}

/// Outcomes that can be written.
pub(crate) fn settle(outcomes: &[Settle]) -> Result<()> {
    batch(outcomes.len())?;
    if outcomes.iter().any(|outcome| matches!(&outcome.verdict, Verdict::Dead { fields, .. } if fields.is_empty())) {
        return Err(Error::invalid("a dead letter needs at least one field"));
    }
    Ok(())
}

/// An entry that can be written.
pub(crate) fn append(entry: &Append) -> Result<()> {
    if entry.fields.is_empty() {
        return Err(Error::invalid("an entry needs at least one field").with_stored(Stored::No));
    }
    if entry.along.is_some() && (entry.is_conditional() || entry.measure || entry.replicas.is_some()) {
        let text = "an entry that something is kept along with has no conditions, and waits for no replicas";
        return Err(Error::invalid(text).with_stored(Stored::No));
    }
    Ok(())
}

/// A key that holds something else than it should.
pub(crate) fn wrong_type(key: &str, found: &str, wanted: &str) -> Error {
    Error::invalid(format!(
        "key {key:?} holds a {found} where a {wanted} is needed; choose another name, or remove the key"
    ))
    .with_context("key", key)
}

/// `Invalid` for a step that a counter cannot make.
pub(crate) fn over(key: &str) -> Error {
    let most = MAX_COUNTER;
    let text =
        format!("the counter in key {key:?} would leave ±{most}; nothing was done, and it counts on from where it is");
    Error::invalid(text).with_context("key", key).with_context("limit", most)
}

/// `Invalid` for a name that no stream or group may have.
pub(crate) fn name(field: &str, name: &str) -> Result<()> {
    let most = topology::MAX_NAME_BYTES;
    if (1..=most).contains(&name.len()) {
        return Ok(());
    }
    let text = format!("the name of a {field} has 1 to {most} bytes, found {}", name.len());
    Err(Error::invalid(text).with_context("field", field))
}
