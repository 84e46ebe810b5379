//! How long the oldest entry that a group has not finished has left, where streams are trimmed to a length.
//!
//! An entry goes when as many have come after it as the stream keeps. The rate is that of the newest entries, by their
//! ids, so by the server's clock. What is told is never later than what comes at that rate; what is not known is `None`.

use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::topology::Name;
use crate::transport::{Entry, EntryId, GroupInfo, StreamInfo, Transport};

/// The newest entries, whose rate counts as the present one.
const SAMPLE: usize = 100;

/// Entries that are counted one by one, at most.
const COUNTED: usize = 1000;

/// Tells it of every group of a stream that keeps about `max_len` entries.
pub(super) async fn foretell(bus: &dyn Transport, stream: &Name, max_len: u64, info: &mut StreamInfo) -> Result<()> {
    if info.groups.is_empty() {
        return Ok(());
    }
    let newest = bus.range_back(stream, EntryId::ZERO, EntryId::MAX, SAMPLE).await?;
    let (length, first) = (info.length, info.first_entry.unwrap_or(EntryId::MAX));
    for group in &mut info.groups {
        group.time_to_loss = match room(bus, stream, length, first, max_len, group).await {
            Ok(0) => Some(Duration::ZERO),
            Ok(room) => time_for(room, &newest),
            // It was destroyed meanwhile, or its name is no text.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

/// How many more entries may come, at least, until the group's oldest unfinished one goes; 0 when it is gone.
async fn room(
    bus: &dyn Transport,
    stream: &Name,
    length: u64,
    first: EntryId,
    max_len: u64,
    group: &GroupInfo,
) -> Result<u64> {
    let pending = group.pending > 0;
    let oldest = if pending { bus.pending(stream, &group.name.as_str().into()).await?.oldest } else { None };
    if oldest.is_some_and(|oldest| oldest < first) {
        return Ok(0);
    }
    // Everything up to here is finished.
    let done = oldest.map_or(group.last_delivered, EntryId::before);
    let handed_out = match oldest {
        Some(oldest) => bus.range(stream, oldest, group.last_delivered, COUNTED).await?.len(),
        None => 0,
    };
    let before = match group.lag {
        Some(lag) if handed_out < COUNTED => length.saturating_sub(lag.saturating_add(handed_out as u64)),
        // Too many to count from behind: those before it, of which there may be more.
        _ if first <= done => bus.range(stream, first, done, COUNTED).await?.len() as u64,
        _ => 0,
    };
    Ok(max_len.saturating_add(before).saturating_sub(length))
}

/// How long that many entries take to come, at the rate of these, newest first.
fn time_for(entries: u64, newest: &[Entry]) -> Option<Duration> {
    let (last, earliest) = (newest.first()?, newest.last()?);
    let steps = u64::try_from(newest.len()).ok()?.checked_sub(1).filter(|steps| *steps > 0)?;
    let span = last.id.ms.checked_sub(earliest.id.ms).filter(|ms| *ms > 0)?;
    Some(Duration::from_millis(span.saturating_mul(entries) / steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(ms: &[u64]) -> Vec<Entry> {
        ms.iter().map(|ms| Entry { id: EntryId::new(*ms, 0), fields: Vec::new() }).collect()
    }

    #[test]
    fn the_rate_is_that_of_the_entries() {
        assert_eq!(time_for(10, &entries(&[1200, 1100, 1000])), Some(Duration::from_secs(1)));
        assert_eq!(time_for(1, &entries(&[1001, 1001, 1000])), Some(Duration::ZERO), "less than a millisecond");
        assert_eq!(time_for(u64::MAX, &entries(&[9, 1])), Some(Duration::from_millis(u64::MAX)));
    }

    #[test]
    fn without_a_rate_nothing_is_known() {
        assert_eq!(time_for(10, &entries(&[])), None);
        assert_eq!(time_for(10, &entries(&[1000])), None);
        assert_eq!(time_for(10, &entries(&[1000, 1000])), None, "all within a millisecond");
        assert_eq!(time_for(10, &entries(&[1000, 1001])), None);
    }
}
