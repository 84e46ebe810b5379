//! Jobs that run on one process at a time.

// Arguments of what JavaScript calls are taken out of its values, hence owned.
#![allow(clippy::needless_pass_by_value)]

use std::sync::{Arc, Mutex};

use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Value;
use stargazer_core::lock::SingletonOptions;

use crate::bus::Bus;
use crate::error::Failure;
use crate::events::plain;
use crate::port::{Answer, Queue, ask, lock as locked};
use crate::settings::millis;

/// How a job is led and restarted.
#[napi(object, object_to_js = false)]
pub struct SingletonSettings {
    /// Milliseconds.
    pub ttl_ms: Option<f64>,
    /// `never`, `on_error` or `always`.
    pub restart: Option<String>,
    /// Restarts.
    pub max_restarts: Option<u32>,
    /// Milliseconds.
    pub window_ms: Option<f64>,
    /// Milliseconds.
    pub backoff_ms: Option<f64>,
    /// Milliseconds.
    pub max_backoff_ms: Option<f64>,
}

impl SingletonSettings {
    fn into_core(self) -> sg::Result<SingletonOptions> {
        let mut options = SingletonOptions::default();
        options.ttl = self.ttl_ms.map_or(options.ttl, millis);
        if let Some(restart) = self.restart {
            options.restart = restart.parse()?;
        }
        options.max_restarts = self.max_restarts.unwrap_or(options.max_restarts);
        options.window = self.window_ms.map_or(options.window, millis);
        options.backoff = self.backoff_ms.map_or(options.backoff, millis);
        options.max_backoff = self.max_backoff_ms.map_or(options.max_backoff, millis);
        Ok(options)
    }
}

/// How a singleton stands.
#[napi(object, object_from_js = false)]
pub struct SingletonState {
    /// What it does.
    pub phase: String,
    /// The number it leads under.
    pub fence: Option<f64>,
    /// Restarts so far.
    pub restarts: f64,
    /// How the job failed last.
    pub error: Option<String>,
}

/// A job that runs on one process at a time.
#[napi]
pub struct Singleton {
    job: sg::lock::Singleton,
    /// The turn that runs.
    turn: Arc<Mutex<Option<sg::lock::Turn>>>,
    queue: Queue,
}

#[napi]
#[allow(clippy::cast_precision_loss)] // JavaScript counts so
impl Singleton {
    /// How it stands.
    #[napi(getter)]
    pub fn state(&self) -> SingletonState {
        let state = self.job.state();
        SingletonState {
            phase: state.phase.as_str().to_owned(),
            fence: state.fence.map(|fence| fence as f64),
            restarts: state.restarts as f64,
            error: state.error,
        }
    }

    /// Ends it.
    #[napi]
    pub fn stop(&self) {
        self.job.stop();
    }

    /// Begins a run; why it cannot.
    #[napi]
    pub fn begin(&self) -> Option<Failure> {
        self.job.begin().err().map(Into::into)
    }

    /// The job's next turn here: the answer is its number, or nothing.
    #[napi]
    pub fn next(&self, token: u32) {
        let (job, place) = (self.job.clone(), self.turn.clone());
        ask(&self.queue, token, async move {
            let turn = job.next().await?;
            let fence = turn.as_ref().map_or(Value::Nil, |turn| turn.fence().into());
            *locked(&place) = turn;
            plain(&fence)
        });
    }

    /// Fails with the reason once the job must end, or has ended.
    #[napi]
    pub fn lost(&self, token: u32) {
        let waiting = locked(&self.turn).as_ref().map(sg::lock::Turn::lost);
        ask(&self.queue, token, async move {
            match waiting {
                Some(waiting) => Err(waiting.await),
                None => Ok(Answer::Nothing),
            }
        });
    }

    /// The job is done.
    #[napi]
    pub fn done(&self) {
        self.end(sg::lock::Turn::done);
    }

    /// The job failed.
    #[napi]
    pub fn failed(&self, error: String) {
        self.end(|turn| turn.failed(error));
    }

    /// The job was ended because it had to.
    #[napi]
    pub fn cancelled(&self) {
        self.end(sg::lock::Turn::cancelled);
    }
}

impl Singleton {
    /// A job by its name.
    pub(crate) fn of(bus: &Bus, name: &str, settings: SingletonSettings) -> sg::Result<Self> {
        let (bus, queue) = bus.core();
        let job = bus.singleton(name, &settings.into_core()?)?;
        Ok(Self { job, turn: Arc::default(), queue: queue.clone() })
    }

    fn end(&self, end: impl FnOnce(sg::lock::Turn)) {
        let turn = locked(&self.turn).take();
        turn.map(end);
    }
}
