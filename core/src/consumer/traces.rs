//! What a consumer tells of the messages that it handles, for their traces.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::machine::Started;
use crate::envelope::{Kind, Map};
use crate::publish::Publisher;
use crate::topology::field as name;
use crate::trace::{State, Tracer};
use crate::transport::{EntryId, Group, Settle, Verdict, field};

/// Notes steps of the entries of one consumer.
#[derive(Debug)]
pub(super) struct Tracing {
    tracer: Tracer,
    /// Whether what it handles is sent to a platform, and not worked on.
    delivers: bool,
    group: Group,
    /// Trace ids of what was started here, and whether it waits for another start.
    known: Mutex<HashMap<EntryId, (Arc<str>, bool)>>,
}

impl Tracing {
    /// For a consumer of a kind; nothing is noted of calls, which tell of themselves, or where nobody asked for traces.
    pub(super) fn new(bus: &Publisher, kind: Kind, group: &Group) -> Option<Self> {
        let tracer = bus.tracing().filter(|_| !matches!(kind, Kind::ToolRequest | Kind::ToolReply))?;
        let delivers = kind == Kind::Outbound;
        Some(Self { tracer, delivers, group: group.clone(), known: Mutex::default() })
    }

    /// A handler is about to run.
    pub(super) fn started(&self, started: &Started) {
        let Some(trace_id) = text(&started.fields, name::TRACE_ID) else { return };
        let before = self.known().insert(started.id, (trace_id.into(), false));
        let mut detail = self.detail(started.id);
        detail.insert("attempt", u64::from(started.attempt));
        if self.delivers {
            if started.redelivered {
                self.tracer.note(trace_id, State::Delivering, detail);
            }
            return;
        }
        // What another process left in the middle; what we put back ourselves is queued.
        if started.redelivered && !before.is_some_and(|(_, waits)| waits) {
            self.tracer.note(trace_id, State::Reclaimed, detail.clone());
        }
        self.tracer.note(trace_id, State::Claimed, detail);
    }

    /// Outcomes are about to be reported, perhaps again.
    pub(super) fn settles(&self, batch: &[Settle]) {
        for settle in batch {
            self.settle(settle);
        }
    }

    fn settle(&self, settle: &Settle) {
        let mut detail = self.detail(settle.id);
        match &settle.verdict {
            Verdict::Ack => {
                let Some((trace_id, _)) = self.known().remove(&settle.id) else { return };
                let state = if self.delivers { State::Delivered } else { State::Completed };
                self.tracer.note(&trace_id, state, detail);
            }
            Verdict::Retry(record) => {
                let trace_id = {
                    let mut known = self.known();
                    let Some((trace_id, waits)) = known.get_mut(&settle.id) else { return };
                    // Once for each start, however often it is reported.
                    if std::mem::replace(waits, true) {
                        return;
                    }
                    trace_id.clone()
                };
                detail.insert("starts", u64::from(record.starts));
                detail.insert("due_in_ms", u64::try_from(record.due_in.as_millis()).unwrap_or(u64::MAX));
                for state in [State::Errored, State::Retrying, State::Queued] {
                    self.tracer.note(&trace_id, state, detail.clone());
                }
            }
            Verdict::Dead { stream, fields } => {
                let known = self.known().remove(&settle.id);
                // Also what was given up without a start.
                let Some(trace_id) = known.map(|(id, _)| id).or_else(|| text(fields, name::TRACE_ID).map(Into::into))
                else {
                    return;
                };
                detail.insert("dead_letters", &**stream);
                for (what, name) in [("reason", name::REASON), ("error", name::ERROR), ("attempt", name::ATTEMPT)] {
                    detail.insert(what, text(fields, name).unwrap_or_default());
                }
                self.tracer.note(&trace_id, State::Errored, detail);
            }
        }
    }

    pub(super) fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    fn detail(&self, id: EntryId) -> Map {
        Map::from([
            ("stream", crate::envelope::Value::from(&*self.group.stream)),
            ("group", (&*self.group.name).into()),
            ("id", id.to_string().into()),
        ])
    }

    fn known(&self) -> MutexGuard<'_, HashMap<EntryId, (Arc<str>, bool)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text<'a>(fields: &'a crate::transport::Fields, name: &str) -> Option<&'a str> {
    field(fields, name).and_then(|value| std::str::from_utf8(value).ok()).filter(|text| !text.is_empty())
}
