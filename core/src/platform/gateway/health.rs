//! How the adapters of a gateway are, for everybody who wants to know.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// Where an adapter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdapterState {
    /// It is being started.
    Starting,
    /// It is connected.
    Running,
    /// It failed and is going to be started again; what is to be sent waits.
    Restarting,
    /// It failed for good, or its stream can be read no more; what is to be sent stays on the bus.
    Failed,
    /// It is being stopped.
    Stopping,
    /// It was stopped.
    Stopped,
}

impl AdapterState {
    /// The word for it, the same in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    const ALL: [Self; 6] =
        [Self::Starting, Self::Running, Self::Restarting, Self::Failed, Self::Stopping, Self::Stopped];

    /// Whether it can send.
    pub(super) const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }

    /// Whether nothing more will come.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Stopped)
    }
}

/// From its word. `Invalid` for another one.
impl std::str::FromStr for AdapterState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("the state of an adapter must be one of {known}, found {text:?}"))
                .with_context("field", "state")
        })
    }
}

/// How an adapter is. Counts are of this gateway since it started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AdapterHealth {
    /// The platform.
    pub platform: String,
    /// Where it stands.
    pub state: AdapterState,
    /// Since when, milliseconds since 1970.
    pub since_ms: u64,
    /// How often it was started.
    pub starts: u64,
    /// What failed last, in its connection or in a send; stays after it is well again.
    pub last_error: Option<Error>,
    /// What was done on the platform.
    pub performed: u64,
    /// Of these, what may have been done before, so that the adapter was told.
    pub repeated: u64,
    /// What had been done before and was not done again.
    pub doubled: u64,
    /// What may have been done before and went to the dead letters ([`super::OnUnknown::Skip`]).
    pub skipped: u64,
    /// Tries that failed.
    pub failed: u64,
    /// What is being done at this moment.
    pub under_way: u64,
    /// What waits for the adapter to run.
    pub waiting: u64,
}

/// The health of one adapter, as those see it who change it.
#[derive(Debug)]
pub(super) struct Status {
    clock: Arc<dyn Clock>,
    health: watch::Sender<AdapterHealth>,
}

impl Status {
    pub(super) fn new(platform: &str, clock: Arc<dyn Clock>) -> Self {
        let health = AdapterHealth {
            platform: platform.to_owned(),
            state: AdapterState::Starting,
            since_ms: clock.wall_ms(),
            starts: 0,
            last_error: None,
            performed: 0,
            repeated: 0,
            doubled: 0,
            skipped: 0,
            failed: 0,
            under_way: 0,
            waiting: 0,
        };
        Self { clock, health: watch::Sender::new(health) }
    }

    pub(super) fn now(&self) -> AdapterHealth {
        self.health.borrow().clone()
    }

    pub(super) fn state(&self) -> AdapterState {
        self.health.borrow().state
    }

    pub(super) fn enter(&self, state: AdapterState) {
        let since_ms = self.clock.wall_ms();
        self.health.send_modify(|health| (health.state, health.since_ms) = (state, since_ms));
    }

    pub(super) fn error(&self, error: &Error) {
        self.note(|health| health.last_error = Some(error.clone()));
    }

    /// Changes what nobody waits for.
    pub(super) fn note(&self, change: impl FnOnce(&mut AdapterHealth)) {
        self.health.send_if_modified(|health| {
            change(health);
            false
        });
    }

    /// Waits for a state.
    pub(super) async fn reached(&self, wanted: impl Fn(AdapterState) -> bool) -> AdapterState {
        let mut health = self.health.subscribe();
        let state = health.wait_for(|health| wanted(health.state)).await.map(|health| health.state);
        match state {
            Ok(state) => state,
            // We hold the sender.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the adapter can send; `false` when it never will.
    pub(super) async fn up(&self) -> bool {
        if self.state().is_up() {
            return true;
        }
        let _waiting = Count::of(self, |health| &mut health.waiting);
        self.reached(|state| state.is_up() || state.is_over()).await.is_up()
    }
}

/// Counts one more as long as it lives.
pub(super) struct Count<'a> {
    status: &'a Status,
    which: fn(&mut AdapterHealth) -> &mut u64,
}

impl<'a> Count<'a> {
    pub(super) fn of(status: &'a Status, which: fn(&mut AdapterHealth) -> &mut u64) -> Self {
        status.note(|health| *which(health) += 1);
        Self { status, which }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        let which = self.which;
        self.status.note(|health| *which(health) -= 1);
    }
}
