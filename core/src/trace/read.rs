//! Reading a trace.

use bytes::Bytes;

use super::{State, checkpoint};
use crate::envelope::{Limits, Map, Value, json};
use crate::error::{Error, ErrorKind, Result};
use crate::topology::{trace_field as field, trace_key};
use crate::transport::{Op, Transport};

/// The life of whatever has a trace id.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// The trace id.
    pub id: String,
    /// The state it is in; what another program called it, if it wrote last.
    pub state: String,
    /// When it came there, milliseconds since 1970.
    pub updated_at_ms: u64,
    /// The steps, in the order in which the server took them.
    pub steps: Vec<Step>,
    /// How many there were: more than [`Trace::steps`] where a trace is very long.
    pub total: u64,
    /// How many of all steps the state before did not allow.
    pub illegal: u64,
    /// The last checkpoint.
    pub checkpoint: Option<Value>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// When, milliseconds since 1970, by the clock of whoever wrote it.
    pub at_ms: u64,
    /// The state it came to.
    pub state: String,
    /// Who wrote it, `""` when that is not said.
    pub by: String,
    /// Whether the state before allowed it.
    pub legal: bool,
    /// What else was said: stream, entry, attempt, tool, reason, …
    pub detail: Map,
}

impl Trace {
    /// Everything, as plain values.
    pub fn to_map(&self) -> Map {
        let steps = self.steps.iter().map(|step| {
            Value::Map(Map::from([
                ("at_ms", Value::from(step.at_ms)),
                ("state", step.state.as_str().into()),
                ("by", step.by.as_str().into()),
                ("legal", Value::Bool(step.legal)),
                ("detail", Value::Map(step.detail.clone())),
            ]))
        });
        Map::from([
            ("id", Value::from(self.id.as_str())),
            ("state", self.state.as_str().into()),
            ("updated_at_ms", self.updated_at_ms.into()),
            ("steps", steps.collect()),
            ("total", self.total.into()),
            ("illegal", self.illegal.into()),
            ("checkpoint", self.checkpoint.clone().unwrap_or(Value::Nil)),
        ])
    }
}

pub(super) async fn read(transport: &dyn Transport, id: &str, limits: &Limits) -> Result<Trace> {
    let mut answers = transport.apply(vec![Op::HashGetAll { key: trace_key(id) }]).await?;
    let pairs = answers.pop().ok_or_else(|| Error::internal("an operation gave no answer"))?.pairs()?;
    if pairs.is_empty() {
        let text = "there is no such trace: nobody traced it, or its last step was more than a day ago";
        return Err(Error::new(ErrorKind::NotFound, text).with_context("trace", id));
    }
    let mut numbered: Vec<(u64, &Bytes)> =
        pairs.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?.parse().ok()?, value))).collect();
    numbered.sort_unstable_by_key(|(number, _)| *number);
    let text = |name: &str| {
        let found = pairs.iter().find(|(field, _)| field == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let count = |name: &str| text(name).parse().unwrap_or_default();
    let packed = pairs.iter().find(|(name, _)| name == field::CHECKPOINT.as_bytes());
    let mut before: Option<String> = None;
    let mut steps = Vec::with_capacity(numbered.len());
    for (number, said) in numbered {
        let step = step(said, before.as_deref(), limits).map_err(|error| error.with_context("step", number))?;
        before = Some(step.state.clone());
        steps.push(step);
    }
    Ok(Trace {
        id: id.to_owned(),
        state: text(field::STATE),
        updated_at_ms: count(field::UPDATED_AT),
        steps,
        total: count(field::STEPS),
        illegal: count(field::ILLEGAL),
        checkpoint: packed.map(|(_, packed)| checkpoint::unpack(packed, limits)).transpose()?,
    })
}

fn step(said: &[u8], before: Option<&str>, limits: &Limits) -> Result<Step> {
    let Value::Map(mut detail) = json::decode(said, limits)? else {
        return Err(Error::malformed("a step of a trace is no map"));
    };
    let mut text = |name| detail.remove(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let (state, by) = (text("state"), text("by"));
    let at_ms = detail.remove("at").and_then(|at| at.as_u64()).unwrap_or_default();
    // What nobody knows is not judged.
    let legal = state.parse::<State>().is_ok_and(|state| state.is_legal_after(before));
    Ok(Step { at_ms, state, by, legal, detail })
}
