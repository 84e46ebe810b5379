//! Where a process stands in its life.

use std::sync::Arc;

use tokio::sync::watch;

/// Where a process stands; goes forward only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Connecting and starting.
    Starting,
    /// At work.
    Ready,
    /// Finishing what it took.
    Draining,
    /// Everything has ended; what still waits ends now.
    Ended,
}

impl Phase {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "up",
            Self::Draining => "draining",
            Self::Ended => "down",
        }
    }
}

/// The phase of this process, shared. Clones see the same.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<watch::Sender<Phase>>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Starting)))
    }
}

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on to a later phase; an earlier one changes nothing.
    pub fn enter(&self, next: Phase) {
        self.0.send_if_modified(|phase| {
            let later = next > *phase;
            *phase = next.max(*phase);
            later
        });
    }

    /// Ends when this phase, or a later one, is reached.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // We hold a sender, so it cannot close.
        let _ = receiver.wait_for(|now| *now >= phase).await;
    }
}
