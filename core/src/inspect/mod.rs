//! Looking without touching. Nothing here answers 0 or "fine" when it does not know: it returns the error.

mod loss;

use crate::envelope::EntryFields;
use crate::error::Result;
use crate::publish::Publisher;
use crate::topology::{Name, field, is_body_key};
use crate::transport::{Entry, EntryId, Finding, PendingInfo, Retention, StreamInfo};

/// The most entries one call gives.
const PAGE: usize = 1000;

/// Bytes of big bodies after which a call gives no more entries.
const BIG_BODIES: u64 = 64 * 1024 * 1024;

/// A stream at a glance; `NotFound` when there is none.
pub(crate) async fn stream_info(bus: &Publisher, stream: &str) -> Result<StreamInfo> {
    bus.ensure_open()?;
    let stream = bus.topology().named_stream(stream);
    let mut info = bus.transport().stream_info(&stream).await?;
    if let Retention::Capped { max_len } = retention(bus, &stream) {
        loss::foretell(&**bus.transport(), &stream, max_len, &mut info).await?;
    }
    Ok(info)
}

/// What this bus does to a stream: replies have a retention of their own, dead letters stay.
fn retention(bus: &Publisher, stream: &Name) -> Retention {
    let (names, config) = (bus.topology(), bus.config());
    if **stream == *names.dead_letter_stream {
        Retention::Forever
    } else if stream.starts_with(&names.tools_reply_prefix) {
        config.reply_retention
    } else {
        config.retention
    }
}

/// What a group has read and not finished; `NotFound` when there is no such stream or group.
pub(crate) async fn pending(bus: &Publisher, stream: &str, group: &str) -> Result<PendingInfo> {
    bus.ensure_open()?;
    bus.transport().pending(&bus.topology().named_stream(stream), &group.into()).await
}

/// Whether the server is safe to keep messages on, with the rights that the inbound stream needs.
pub(crate) async fn doctor(bus: &Publisher) -> Result<Vec<Finding>> {
    bus.ensure_open()?;
    bus.transport().examine(Some(&bus.topology().inbound_stream.as_str().into())).await
}

/// Entries after an id, oldest first, at most `count` (and 1000). Big bodies are brought in; entries after more than
/// 64 MiB of them are left for the next call. A body that is gone leaves its entry as it stands.
pub(crate) async fn entries(bus: &Publisher, stream: &str, after: EntryId, count: usize) -> Result<Vec<Entry>> {
    bus.ensure_open()?;
    let from = EntryId { ms: after.ms, seq: after.seq.saturating_add(1) };
    let stream = bus.topology().named_stream(stream);
    let mut entries = bus.transport().range(&stream, from, EntryId::MAX, count.min(PAGE)).await?;
    bring_in(bus, &stream, &mut entries).await?;
    Ok(entries)
}

/// Replaces references to big bodies beside the stream by the bodies.
async fn bring_in(bus: &Publisher, stream: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let mut bytes = 0;
    let mut keys: Vec<Name> = Vec::new();
    let mut owners = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        if let Some((key, len)) = EntryFields::read(&entry.fields).body_ref
            && is_body_key(stream, &key)
        {
            if bytes > BIG_BODIES {
                entries.truncate(n);
                break;
            }
            bytes += len;
            keys.push(key.into());
            owners.push(n);
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    for (n, body) in owners.into_iter().zip(bus.transport().bodies(&keys).await?) {
        if let Some(body) = body {
            let fields = &mut entries[n].fields;
            fields.retain(|(name, _)| name != field::REF.as_bytes() && name != field::LEN.as_bytes());
            match fields.iter_mut().find(|(name, _)| name == field::DATA.as_bytes()) {
                Some((_, data)) => *data = body,
                None => fields.push((field::DATA.into(), body)),
            }
        }
    }
    Ok(())
}
