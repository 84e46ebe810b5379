//! Stopping one connection at a chosen request or reply until somebody has decided.

use std::sync::Mutex;

use tokio::sync::oneshot;

use super::label::Label;
use super::locked;

/// Where on its way a request is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before it reaches the server.
    Request,
    /// It has reached the server; its reply has not reached the client.
    Reply,
    /// Its reply has reached the client.
    Replied,
}

/// What becomes of what was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// Its connection is reset.
    Reset,
    /// Half of it goes on, then the connection is reset.
    Half,
}

/// A place where the next request of a kind stops.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    verdict: Option<oneshot::Sender<Verdict>>,
}

impl Gate {
    /// Ends when a request has been stopped; whether one ever can.
    pub async fn reached(&mut self) -> bool {
        match self.reached.take() {
            Some(reached) => reached.await.is_ok(),
            None => true,
        }
    }

    /// Decides; dropping the gate lets it pass.
    pub fn decide(mut self, verdict: Verdict) {
        if let Some(sender) = self.verdict.take() {
            // The connection may have ended since.
            let _ = sender.send(verdict);
        }
    }
}

#[derive(Debug)]
pub(super) struct Barrier {
    label: Label,
    point: Point,
    reached: oneshot::Sender<()>,
    verdict: oneshot::Receiver<Verdict>,
}

impl Barrier {
    /// Says that somebody stands here and waits for the verdict.
    pub(super) async fn stop(self) -> Verdict {
        if self.reached.send(()).is_err() {
            return Verdict::Pass;
        }
        self.verdict.await.unwrap_or(Verdict::Pass)
    }
}

/// The gates of a proxy.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<Vec<Barrier>>);

impl Gates {
    pub(super) fn place(&self, label: Label, point: Point) -> Gate {
        let (reached, seen) = oneshot::channel();
        let (decide, verdict) = oneshot::channel();
        locked(&self.0).push(Barrier { label, point, reached, verdict });
        Gate { reached: Some(seen), verdict: Some(decide) }
    }

    /// The gate that this one stops at, if there is one; it is taken away.
    pub(super) fn take(&self, label: Label, point: Point) -> Option<Barrier> {
        let mut barriers = locked(&self.0);
        barriers.retain(|barrier| !barrier.reached.is_closed());
        let at = barriers.iter().position(|barrier| barrier.label == label && barrier.point == point)?;
        Some(barriers.swap_remove(at))
    }
}
