//! A job that runs on one process of the fleet at a time.
//!
//! Whoever leads runs it. Leadership that is lost ends the job before it can start elsewhere, and is waited for again; that counts
//! as no restart. A job that ends is started again as its policy says, with growing pauses in which the process goes on
//! leading; one that is done, or failed too often, resigns, so that the next process that waits gets its chance.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::keeper::on;
use super::lease::{Lease, LeaseOptions};
use super::restart::{Next, Restart, Restarts};
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;

/// How a job is led and restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SingletonOptions {
    /// How long another process waits after the one that ran the job died; 100 ms to 1 day. 15 s.
    pub ttl: Duration,
    /// Which ends are followed by another start. `on_error`.
    pub restart: Restart,
    /// Restarts within `window` before it is given up here. 5.
    pub max_restarts: u32,
    /// How long a restart counts. 60 s.
    pub window: Duration,
    /// The first pause before a restart, doubled by every restart that counts. 1 s.
    pub backoff: Duration,
    /// The longest pause. 30 s.
    pub max_backoff: Duration,
}

impl Default for SingletonOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15),
            restart: Restart::default(),
            max_restarts: 5,
            window: Duration::from_secs(60),
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
        }
    }
}

impl SingletonOptions {
    /// How long it takes to notice that the leader died.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Which ends are followed by another start.
    #[must_use]
    pub fn with_restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How many restarts in which time are too many.
    #[must_use]
    pub fn with_max_restarts(mut self, most: u32, window: Duration) -> Self {
        (self.max_restarts, self.window) = (most, window);
        self
    }

    /// The first pause and the longest one.
    #[must_use]
    pub fn with_backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.backoff, self.max_backoff) = (first, most);
        self
    }
}

/// What a singleton does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SingletonPhase {
    /// Another process leads, or it was not started yet.
    Waiting,
    /// The job runs here.
    Running,
    /// It leads, and the job starts again after a pause.
    Pausing,
    /// The job is done.
    Finished,
    /// The job failed, or was restarted too often.
    Failed,
    /// It was stopped, or the bus was closed.
    Stopped,
}

impl SingletonPhase {
    /// The word for people and bindings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How a singleton stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SingletonState {
    /// What it does.
    pub phase: SingletonPhase,
    /// The number it leads under.
    pub fence: Option<i64>,
    /// Restarts so far.
    pub restarts: u64,
    /// How the job failed last.
    pub error: Option<String>,
}

/// Whether somebody runs it. Runs are told apart, so that nothing that is left of one touches the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Life {
    /// The number of the run that goes on, or of the last one; 0 before the first.
    run: u64,
    goes_on: bool,
}

/// How a turn of the job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    Done,
    Failed(String),
    Cancelled,
}

/// A job's place in the fleet. Cheap to clone; clones are the same one. Dropping the last one resigns.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// use stargazer_core::lock::SingletonOptions;
/// let bus = stargazer_core::Bus::connect("memory://").await?;
/// let upkeep = bus.singleton("upkeep", &SingletonOptions::default())?;
/// upkeep.run(async |fence| {
///     println!("no other process runs this; my number is {fence}");
///     Ok(())
/// }).await?;
/// # bus.close().await }
/// ```
#[derive(Debug, Clone)]
pub struct Singleton {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    publisher: Publisher,
    name: String,
    lease: Lease,
    restarts: Mutex<Restarts>,
    /// What follows the last turn; `None` while one runs, and at first.
    next: Mutex<Option<Next>>,
    life: Mutex<Life>,
    state: watch::Sender<SingletonState>,
    /// The last run that was stopped.
    stopped: watch::Sender<u64>,
}

impl Singleton {
    pub(crate) fn new(publisher: &Publisher, name: &str, options: &SingletonOptions) -> Result<Self> {
        let lease = Lease::new(publisher, name, &LeaseOptions::default().with_ttl(options.ttl))?;
        if options.backoff > options.max_backoff {
            let text = format!("backoff is at most max_backoff ({:?}), not {:?}", options.max_backoff, options.backoff);
            return Err(Error::invalid(text).with_context("setting", "backoff"));
        }
        let dice = uuid::Uuid::new_v4().as_u64_pair().0;
        let (restart, most, window) = (options.restart, options.max_restarts, options.window);
        let restarts = Restarts::new(restart, most, window, options.backoff, options.max_backoff, dice);
        let state = SingletonState { phase: SingletonPhase::Waiting, fence: None, restarts: 0, error: None };
        let inner = Inner {
            publisher: publisher.clone(),
            name: name.into(),
            lease,
            restarts: Mutex::new(restarts),
            next: Mutex::default(),
            life: Mutex::default(),
            state: watch::Sender::new(state),
            stopped: watch::Sender::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How it stands.
    pub fn state(&self) -> SingletonState {
        self.inner.state.borrow().clone()
    }

    /// Ends its run: a job that runs is told ([`Turn::lost`]), then it resigns. May be called twice. Before its first run it
    /// ends that one at its start; after a run it does nothing, and the next run begins anew.
    pub fn stop(&self) {
        let life = *locked(&self.inner.life);
        if life.goes_on || life.run == 0 {
            self.inner.stopped.send_replace(life.run.max(1));
        }
    }

    /// Ends its run without waiting for anything, for those who ask for turns themselves and wait no longer: it is stopped, resigns
    /// in the background, and may be run again. How a turn of that run ends counts no more. Without a run it does nothing.
    pub fn abandon(&self) {
        let life = *locked(&self.inner.life);
        self.inner.abandon(life.run);
    }

    /// Begins a run, for those who ask for turns themselves ([`Singleton::next`]). One that has ended begins anew:
    /// restarts, error and a stop of the last one are forgotten. `Conflict` while one goes on.
    pub fn begin(&self) -> Result<()> {
        let inner = &self.inner;
        let mut life = locked(&inner.life);
        if life.goes_on {
            let text = "this singleton runs already; wait for its end, or stop it, before it is run again";
            return Err(Error::new(ErrorKind::Conflict, text).with_context("singleton", &inner.name));
        }
        locked(&inner.restarts).reset();
        *locked(&inner.next) = None;
        let phase = SingletonPhase::Waiting;
        inner.state.send_replace(SingletonState { phase, fence: None, restarts: 0, error: None });
        *life = Life { run: life.run + 1, goes_on: true };
        Ok(())
    }

    /// Runs the job whenever it leads, with the fencing number, until it is done or stopped; the job is dropped where it
    /// stands when leadership is lost. The job's last error when it failed for good. After its end it may be run again, as if
    /// for the first time; `Conflict` while it runs.
    pub async fn run<F>(&self, mut job: impl FnMut(i64) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        self.begin()?;
        let mut ends = Ends(Some(self));
        let mut last = None;
        while let Some(turn) = self.next().await? {
            let result = tokio::select! {
                biased;
                _ = turn.lost() => None,
                result = job(turn.fence()) => Some(result),
            };
            match result {
                None => turn.cancelled(),
                Some(Ok(())) => turn.done(),
                Some(Err(error)) => {
                    turn.failed(error.to_string());
                    last = Some(error);
                }
            }
        }
        ends.0 = None;
        match last {
            Some(error) if self.state().phase == SingletonPhase::Failed => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until the job is to run here: while another process leads, and through the pause before a restart. `None`
    /// once it is done, was given up or stopped ([`Singleton::state`] says which). One turn at a time. Dropped, it goes on leading
    /// if it led.
    pub async fn next(&self) -> Result<Option<Turn>> {
        let inner = &self.inner;
        let run = {
            let mut life = locked(&inner.life);
            if life.run == 0 {
                *life = Life { run: 1, goes_on: true };
            }
            if !life.goes_on {
                return Ok(None);
            }
            life.run
        };
        let next = tokio::select! {
            biased;
            () = inner.stopped(run) => None,
            next = inner.next() => next?,
        };
        let stops = *inner.stopped.borrow() >= run;
        {
            let life = locked(&inner.life);
            if *life != (Life { run, goes_on: true }) {
                // Abandoned meanwhile; what was just won is nobody's, if nobody runs it again.
                if !life.goes_on {
                    inner.lease.let_go();
                }
                return Ok(None);
            }
            if let Some(fence) = next.filter(|_| !stops) {
                *locked(&inner.next) = None;
                inner.show(SingletonPhase::Running, Some(fence));
                return Ok(Some(Turn { inner: inner.clone(), run, fence, over: watch::Sender::new(false) }));
            }
            if stops {
                inner.show(SingletonPhase::Stopped, None);
            }
        }
        inner.lease.leave().await;
        let mut life = locked(&inner.life);
        if life.run == run {
            life.goes_on = false;
        }
        Ok(None)
    }
}

/// Ends a run that is dropped or fails.
struct Ends<'a>(Option<&'a Singleton>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if let Some(singleton) = self.0 {
            singleton.abandon();
        }
    }
}

impl Inner {
    fn abandon(&self, run: u64) {
        let mut life = locked(&self.life);
        if *life != (Life { run, goes_on: true }) {
            return;
        }
        life.goes_on = false;
        self.stopped.send_replace(run);
        self.lease.let_go();
        self.show(SingletonPhase::Stopped, None);
    }

    /// Waits until this run is stopped.
    fn stopped(&self, run: u64) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.subscribe();
        async move {
            // Whoever waits keeps the sender.
            let _ = stopped.wait_for(|last| *last >= run).await;
        }
    }

    /// The number to run under; `None` when nothing follows.
    async fn next(&self) -> Result<Option<i64>> {
        if self.state.borrow().phase == SingletonPhase::Running {
            return Err(Error::invalid("the job runs; say how it ended before you ask for its next turn"));
        }
        let next = *locked(&self.next);
        match next {
            Some(Next::Finish) => {
                self.show(SingletonPhase::Finished, None);
                return Ok(None);
            }
            Some(Next::GiveUp) => {
                self.show(SingletonPhase::Failed, None);
                return Ok(None);
            }
            Some(Next::Start(pause)) if self.lease.is_leader() => {
                self.show(SingletonPhase::Pausing, self.lease.fence());
                tokio::select! {
                    () = self.publisher.clock().sleep(pause) => {}
                    _ = self.lease.lost() => {}
                }
            }
            Some(Next::Start(_)) | None => {}
        }
        if let Some(fence) = self.lease.fence() {
            return Ok(Some(fence));
        }
        self.show(SingletonPhase::Waiting, None);
        match self.lease.acquire().await {
            Ok(fence) => Ok(Some(fence)),
            Err(error) if error.kind() == ErrorKind::Closed => {
                self.show(SingletonPhase::Stopped, None);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn show(&self, phase: SingletonPhase, fence: Option<i64>) {
        self.state.send_modify(|state| {
            if state.phase != phase {
                tracing::info!(job = self.name, phase = phase.as_str(), fence, "a singleton job changes its phase");
            }
            (state.phase, state.fence) = (phase, fence);
        });
    }

    fn ended(&self, run: u64, ending: Ending) {
        let life = locked(&self.life);
        if *life != (Life { run, goes_on: true }) {
            return;
        }
        let now = self.publisher.clock().now();
        let next = match (&ending, self.lease.is_leader()) {
            (Ending::Done, _) => locked(&self.restarts).ended(true, now),
            (Ending::Failed(_), true) => locked(&self.restarts).ended(false, now),
            // What fails because it was told to end has not failed.
            _ => Next::Start(Duration::ZERO),
        };
        *locked(&self.next) = Some(next);
        let restarts = locked(&self.restarts).total;
        self.state.send_modify(|state| {
            state.restarts = restarts;
            if let Ending::Failed(error) = ending {
                tracing::warn!(job = self.name, error, "a singleton job failed");
                state.error = Some(error);
            }
        });
        self.show(SingletonPhase::Waiting, self.lease.fence());
    }
}

/// The job's turn on this process. Say how it ended; dropped, it counts as cancelled.
#[derive(Debug)]
pub struct Turn {
    inner: Arc<Inner>,
    run: u64,
    fence: i64,
    over: watch::Sender<bool>,
}

impl Turn {
    /// The number it leads under: larger than those of all turns before on any process.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Waits until the job must end: why (`Stale`: leadership is lost, `Cancelled`: stopped).
    pub fn lost(&self) -> impl Future<Output = Error> + Send + use<> {
        let (inner, stopped, mut over) = (self.inner.clone(), self.inner.stopped(self.run), self.over.subscribe());
        async move {
            tokio::select! {
                biased;
                () = on(&mut over) => Error::new(ErrorKind::Cancelled, "the turn has ended"),
                () = stopped => Error::new(ErrorKind::Cancelled, "the job was stopped"),
                lost = inner.lease.lost() => lost.unwrap_or_else(|| Error::new(ErrorKind::Stale, "it leads no more")),
            }
        }
    }

    /// The job is done.
    pub fn done(self) {
        self.end(Ending::Done);
    }

    /// The job failed.
    pub fn failed(self, error: impl Into<String>) {
        self.end(Ending::Failed(error.into()));
    }

    /// The job was ended because it had to.
    pub fn cancelled(self) {
        self.end(Ending::Cancelled);
    }

    fn end(&self, ending: Ending) {
        if !self.over.send_replace(true) {
            self.inner.ended(self.run, ending);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end(Ending::Cancelled);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
