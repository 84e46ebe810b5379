//! Looking without touching. Nothing here answers 0 or "fine" when it does not know: it returns the error.

use crate::error::Result;
use crate::publish::Publisher;
use crate::transport::{Entry, EntryId, PendingInfo, StreamInfo};

/// The most entries one call gives.
const PAGE: usize = 1000;

/// A stream at a glance; `NotFound` when there is none.
pub(crate) async fn stream_info(bus: &Publisher, stream: &str) -> Result<StreamInfo> {
    bus.ensure_open()?;
    bus.transport().stream_info(&bus.topology().named_stream(stream)).await
}

/// What a group has read and not finished; `NotFound` when there is no such stream or group.
pub(crate) async fn pending(bus: &Publisher, stream: &str, group: &str) -> Result<PendingInfo> {
    bus.ensure_open()?;
    bus.transport().pending(&bus.topology().named_stream(stream), &group.into()).await
}

/// Entries after an id, oldest first, at most `count` (and 1000). Big bodies are brought in.
pub(crate) async fn entries(bus: &Publisher, stream: &str, after: EntryId, count: usize) -> Result<Vec<Entry>> {
    bus.ensure_open()?;
    let from = EntryId { ms: after.ms, seq: after.seq.saturating_add(1) };
    let stream = bus.topology().named_stream(stream);
    bus.transport().range(&stream, from, EntryId::MAX, count.min(PAGE)).await
}
