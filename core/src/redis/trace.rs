//! Steps of traces: one script for all of a call.

use std::collections::HashMap;

use super::append::millis;
use super::fetch::call;
use super::link::Link;
use super::parse::{self, Answer};
use super::script::SCRIPTS;
use crate::error::Result;
use crate::topology::{Name, trace_field as field};
use crate::transport::{MOST_KEPT, TRACE_TTL, TraceStep, check};

/// Adds steps; how many of them the state before did not allow.
pub(super) async fn add(link: &Link, steps: &[TraceStep]) -> Result<u64> {
    check::trace(steps)?;
    if steps.is_empty() {
        return Ok(0);
    }
    let (mut keys, mut places): (Vec<&str>, HashMap<&Name, usize>) = (Vec::new(), HashMap::new());
    for step in steps {
        places.entry(&step.key).or_insert_with(|| {
            keys.push(&step.key);
            keys.len()
        });
    }
    let mut cmd = call(&SCRIPTS.trace, &keys);
    cmd.arg(millis(TRACE_TTL)).arg(MOST_KEPT);
    for name in [field::STATE, field::UPDATED_AT, field::STEPS, field::ILLEGAL, field::CHECKPOINT] {
        cmd.arg(name);
    }
    for step in steps {
        let from = if step.from.is_empty() { String::new() } else { format!(",{},", step.from.join(",")) };
        cmd.arg(places[&step.key]).arg(step.state).arg(from).arg(step.at_ms).arg(&step.text[..]);
        cmd.arg(step.checkpoint.as_deref().unwrap_or_default());
    }
    let mut answer = Answer::new(link.script(&SCRIPTS.trace, &cmd).await?)?;
    if answer.word != "ok" {
        return answer.unexpected();
    }
    parse::number(&answer.next())
}
