//! The whole state of the server at one moment: what a restart or a failover brings back.

use std::sync::PoisonError;

use super::state::State;
use super::{Engine, run_id};
use crate::error::Result;

/// Everything the server knew when it was taken.
#[derive(Debug, Clone)]
pub struct Snapshot(State);

impl Engine {
    /// Takes a copy of everything the server knows.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot(self.state()?.clone()))
    }

    /// Starts the server again with what it knew then: whatever was written since is lost. It is another server for
    /// those who compare its run id. Waits that are under way should be dropped, as the connections of a server that
    /// restarts are.
    pub fn restart_from(&self, snapshot: Snapshot) -> Result<()> {
        let before = std::mem::replace(&mut *self.state()?, snapshot.0);
        before.ring_all();
        self.restart()
    }

    /// Starts the server again with all it knows.
    pub fn restart(&self) -> Result<()> {
        drop(self.state()?);
        *self.server.run_id.lock().unwrap_or_else(PoisonError::into_inner) = run_id();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::ManualClock;
    use crate::engine::Engine;
    use crate::transport::{Append, Transport};

    #[tokio::test]
    async fn what_came_after_the_snapshot_is_lost_and_the_server_is_another_one() {
        let engine = Engine::new(ManualClock::new());
        let entry = || vec![Append::new("s".into(), vec![("f".into(), "v".into())])];
        let kept = engine.append(entry()).await.remove(0).unwrap();
        let (snapshot, before) = (engine.snapshot().unwrap(), engine.ping().await.unwrap().run_id);
        let lost = engine.append(entry()).await.remove(0).unwrap();
        engine.restart().unwrap();
        assert_eq!(engine.stream_info(&"s".into()).await.unwrap().length, 2);
        engine.restart_from(snapshot).unwrap();
        let info = engine.stream_info(&"s".into()).await.unwrap();
        assert_eq!((info.length, info.last_id), (1, kept.id));
        assert_ne!(engine.ping().await.unwrap().run_id, before);
        let again = engine.append(entry()).await.remove(0).unwrap();
        assert_eq!(again.id, lost.id, "ids come back");
    }
}
