//! Steps of traces.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::keys::Held;
use super::state::{Now, State};
use crate::error::Result;
use crate::topology::{Name, trace_field as field};
use crate::transport::{Kind, MOST_KEPT, TRACE_TTL, TraceStep, check};

type Fields = BTreeMap<Bytes, Bytes>;

/// Adds steps; how many of them the state before did not allow.
pub(super) fn add(state: &mut State, steps: &[TraceStep], now: Now) -> Result<u64> {
    check::trace(steps)?;
    for step in steps {
        if let Some(found) = state.kind(&step.key).filter(|found| *found != Kind::Hash) {
            return Err(check::wrong_type(&step.key, found.as_str(), Kind::Hash.as_str()));
        }
    }
    let mut illegal = 0;
    for step in steps {
        let Some(fields) = fields(state, &step.key) else { continue };
        let before = fields.get(field::STATE.as_bytes());
        let allowed = match before {
            None => step.from.is_empty(),
            Some(before) => step.from.iter().any(|from| from.as_bytes() == before),
        };
        let count = raise(fields, field::STEPS);
        if count <= MOST_KEPT {
            fields.insert(count.to_string().into(), step.text.clone());
        }
        fields.insert(field::STATE.into(), step.state.into());
        fields.insert(field::UPDATED_AT.into(), step.at_ms.to_string().into());
        if let Some(checkpoint) = &step.checkpoint {
            fields.insert(field::CHECKPOINT.into(), checkpoint.clone());
        }
        if !allowed {
            illegal += 1;
            raise(fields, field::ILLEGAL);
        }
        state.keys.set_end(&step.key, Some(now.mono.saturating_add(TRACE_TTL)));
    }
    Ok(illegal)
}

fn fields<'a>(state: &'a mut State, key: &Name) -> Option<&'a mut Fields> {
    match state.keys.held.entry(key.clone()).or_insert_with(|| Held::Hash(Fields::new())) {
        Held::Hash(fields) => Some(fields),
        _ => None,
    }
}

fn raise(fields: &mut Fields, counter: &'static str) -> usize {
    let held = fields.get(counter.as_bytes()).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let count = held.unwrap_or(0usize).saturating_add(1);
    fields.insert(counter.into(), count.to_string().into());
    count
}
