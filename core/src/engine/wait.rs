//! Waiting for something to do: an append for those who watch the stream, a bell for everybody.

use std::pin::pin;
use std::time::Duration;

use super::Engine;
use crate::error::{Error, Result};
use crate::topology::Name;
use crate::transport::{Group, Hint};

/// Waits as the hint says, at most `timeout`.
pub(super) async fn wait(
    engine: &Engine,
    group: &Group,
    identity: &Name,
    hint: &Hint,
    timeout: Duration,
) -> Result<()> {
    let (bell, appended) = {
        let mut state = engine.state()?;
        let bell = state.routing(&group.keys).bell(identity);
        let appended = match hint {
            Hint::Watch(after) => match state.streams.get(&group.stream) {
                Some(stream) if stream.entries.last_key_value().is_some_and(|(id, _)| id > after) => return Ok(()),
                Some(stream) => Some(stream.appended.clone().notified_owned()),
                None => None,
            },
            Hint::Rest | Hint::Gather | Hint::Back(_) => None,
        };
        // An append after this point is heard: the future exists while the lock is held.
        (bell, appended)
    };
    let appended = async {
        match appended {
            Some(appended) => appended.await,
            None => std::future::pending().await,
        }
    };
    let mut closed = pin!(engine.closing.notified());
    closed.as_mut().enable();
    if engine.is_closed() {
        return Err(Error::closed("connection"));
    }
    tokio::select! {
        () = appended => Ok(()),
        () = bell.notified() => Ok(()),
        () = engine.server.clock.sleep(timeout) => Ok(()),
        () = closed => Err(Error::closed("connection")),
    }
}
