//! Reading a stream without a group as entries come.

use std::pin::pin;
use std::time::Duration;

use super::{Engine, look};
use crate::error::{Error, Result};
use crate::topology::Name;
use crate::transport::{Entry, EntryId, Kind, check};

/// Entries after an id, as soon as there are any.
pub(super) async fn tail(
    engine: &Engine,
    stream: &Name,
    after: EntryId,
    count: usize,
    wait: Duration,
) -> Result<Vec<Entry>> {
    check::tail(stream, count)?;
    let mut over = engine.server.clock.sleep(wait);
    loop {
        let mut closed = pin!(engine.closing.notified());
        closed.as_mut().enable();
        let changed = {
            let state = engine.state()?;
            if let Some(found) = state.kind(stream).filter(|found| *found != Kind::Stream) {
                return Err(check::wrong_type(stream, found.as_str(), Kind::Stream.as_str()));
            }
            let entries = look::range(&state, stream, after.next(), EntryId::MAX, count);
            if !entries.is_empty() {
                return Ok(entries);
            }
            // What comes after this point is heard: the future exists while the lock is held.
            let rung = state.streams.get(stream).map_or(&state.created, |stream| &stream.appended);
            rung.clone().notified_owned()
        };
        tokio::select! {
            () = changed => {}
            () = &mut over => return Ok(Vec::new()),
            () = closed => return Err(Error::closed("connection")),
        }
    }
}
