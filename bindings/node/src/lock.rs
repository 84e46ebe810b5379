//! Locks, leases and singleton jobs.

// Arguments of what JavaScript calls are taken out of its values, hence owned.
#![allow(clippy::needless_pass_by_value)]

use std::sync::{Arc, Mutex};

use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Value;
use stargazer_core::host::{self, Host};
use stargazer_core::lock::{LeaseOptions, LockOptions, SingletonOptions};

use crate::bus::Bus;
use crate::error::Failure;
use crate::events::plain;
use crate::port::{Answer, Queue, ask, lock as locked};
use crate::settings::millis;

/// One request to take something, to be given up by whoever stops waiting.
#[napi]
#[derive(Default)]
pub struct Asking(host::Asking);

#[napi]
impl Asking {
    /// A new one.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody waits for it any more.
    #[napi]
    pub fn give_up(&self) {
        self.0.give_up();
    }
}

/// A time to wait as JavaScript has it; less than nothing is for ever.
fn limit(wait_ms: f64) -> Option<std::time::Duration> {
    (wait_ms >= 0.0).then(|| millis(wait_ms))
}

/// How a lock is taken and kept.
#[napi(object, object_to_js = false)]
pub struct LockSettings {
    /// Milliseconds.
    pub ttl_ms: Option<f64>,
    /// Renew it.
    pub auto_renew: Option<bool>,
    /// How often.
    pub max_renewals: Option<u32>,
    /// Milliseconds.
    pub wait_ms: Option<f64>,
}

impl LockSettings {
    fn into_core(self) -> LockOptions {
        let mut options = LockOptions::default().with_max_renewals(self.max_renewals);
        options.ttl = self.ttl_ms.map_or(options.ttl, millis);
        options.auto_renew = self.auto_renew.unwrap_or(options.auto_renew);
        options.wait = self.wait_ms.and_then(limit);
        options
    }
}

/// A lock of the fleet.
#[napi]
pub struct Lock {
    lock: sg::lock::Lock,
    queue: Queue,
}

#[napi]
impl Lock {
    /// The key it stands under.
    #[napi(getter)]
    pub fn key(&self) -> &str {
        self.lock.key()
    }

    /// Whether it is held.
    #[napi(getter)]
    pub fn held(&self) -> bool {
        self.lock.is_held()
    }

    /// The token of what is held.
    #[napi(getter)]
    pub fn token(&self) -> Option<String> {
        self.lock.token().map(|token| token.to_string())
    }

    /// Takes it; waits as long as the settings say, or `wait_ms` (less than nothing: for ever).
    #[napi]
    pub fn acquire(&self, token: u32, asking: &Asking, wait_ms: Option<f64>) {
        let lock = self.lock.clone();
        self.take(token, asking, async move {
            match wait_ms {
                None => lock.acquire().await?,
                Some(wait) => lock.acquire_within(limit(wait)).await?,
            }
            Ok(Answer::Nothing)
        });
    }

    /// Takes it if nobody else holds it; the answer says whether.
    #[napi]
    pub fn try_acquire(&self, token: u32, asking: &Asking) {
        let lock = self.lock.clone();
        self.take(token, asking, async move { plain(&lock.try_acquire().await?.into()) });
    }

    /// Lets it last from now; the answer says whether it is held.
    #[napi]
    pub fn renew(&self, token: u32) {
        let lock = self.lock.clone();
        ask(&self.queue, token, async move { plain(&lock.renew().await?.into()) });
    }

    /// Gives it up; the answer says whether it was ours.
    #[napi]
    pub fn release(&self, token: u32) {
        let lock = self.lock.clone();
        ask(&self.queue, token, async move { plain(&lock.release().await?.into()) });
    }

    /// Gives it up at the end of a block.
    #[napi]
    pub fn leave(&self, token: u32) {
        let lock = self.lock.clone();
        ask(&self.queue, token, async move {
            lock.leave().await;
            Ok(Answer::Nothing)
        });
    }

    /// Fails with the reason once it is lost; answered when it was given up.
    #[napi]
    pub fn lost(&self, token: u32) {
        let ended = self.lock.lost();
        ask(&self.queue, token, async move { ended.await.map_or(Ok(Answer::Nothing), Err) });
    }
}

impl Lock {
    fn take(&self, token: u32, asking: &Asking, work: impl Future<Output = sg::Result<Answer>> + Send + 'static) {
        let (asking, lock) = (asking.0.clone(), self.lock.clone());
        let back = move || on_host(async move { lock.leave().await });
        ask(&self.queue, token, async move { asking.take(work, back).await });
    }
}

/// Does something on the I/O thread that nobody waits for.
fn on_host(work: impl Future<Output = ()> + Send + 'static) {
    // What was taken was taken on that thread: it is there. Otherwise the lock lapses.
    if let Ok(host) = Host::get() {
        host.spawn(work);
    }
}

/// How a lease is taken and kept.
#[napi(object, object_to_js = false)]
pub struct LeaseSettings {
    /// Milliseconds.
    pub ttl_ms: Option<f64>,
    /// Milliseconds.
    pub wait_ms: Option<f64>,
}

/// Leadership under a name.
#[napi]
pub struct Lease {
    lease: Arc<sg::lock::Lease>,
    queue: Queue,
}

#[napi]
#[allow(clippy::cast_precision_loss)] // JavaScript counts so, and a counter does not get that far
impl Lease {
    /// The fencing number for as long as it leads.
    #[napi(getter)]
    pub fn fence(&self) -> Option<f64> {
        self.lease.fence().map(|fence| fence as f64)
    }

    /// Leads; waits as long as the settings say, or `wait_ms` (less than nothing: for ever). The answer is the number.
    #[napi]
    pub fn acquire(&self, token: u32, asking: &Asking, wait_ms: Option<f64>) {
        let lease = self.lease.clone();
        self.take(token, asking, async move {
            let fence = match wait_ms {
                None => lease.acquire().await?,
                Some(wait) => lease.acquire_within(limit(wait)).await?,
            };
            plain(&fence.into())
        });
    }

    /// Leads if nobody else does; the answer is the number, or nothing.
    #[napi]
    pub fn try_acquire(&self, token: u32, asking: &Asking) {
        let lease = self.lease.clone();
        self.take(token, asking, async move { plain(&lease.try_acquire().await?.map_or(Value::Nil, Value::from)) });
    }

    /// Lets somebody else lead; the answer says whether it led.
    #[napi]
    pub fn resign(&self, token: u32) {
        let lease = self.lease.clone();
        ask(&self.queue, token, async move { plain(&lease.resign().await?.into()) });
    }

    /// Resigns at the end of a block.
    #[napi]
    pub fn leave(&self, token: u32) {
        let lease = self.lease.clone();
        ask(&self.queue, token, async move {
            lease.leave().await;
            Ok(Answer::Nothing)
        });
    }

    /// Fails with the reason once it is lost; answered when it resigned.
    #[napi]
    pub fn lost(&self, token: u32) {
        let ended = self.lease.lost();
        ask(&self.queue, token, async move { ended.await.map_or(Ok(Answer::Nothing), Err) });
    }
}

impl Lease {
    fn take(&self, token: u32, asking: &Asking, work: impl Future<Output = sg::Result<Answer>> + Send + 'static) {
        let (asking, lease) = (asking.0.clone(), self.lease.clone());
        let back = move || on_host(async move { lease.leave().await });
        ask(&self.queue, token, async move { asking.take(work, back).await });
    }
}

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
    fn end(&self, end: impl FnOnce(sg::lock::Turn)) {
        let turn = locked(&self.turn).take();
        turn.map(end);
    }
}

/// A handle, or why there is none: JavaScript makes the error.
#[napi]
#[derive(Default)]
pub struct Made {
    lock: Option<Lock>,
    lease: Option<Lease>,
    singleton: Option<Singleton>,
    failure: Option<Failure>,
}

#[napi]
impl Made {
    /// A lock by its name, or by the id of a channel.
    #[napi(factory)]
    pub fn of_lock(bus: &Bus, name: String, of_channel: bool, settings: LockSettings) -> Self {
        let (bus, queue) = bus.core();
        let options = settings.into_core();
        let made = if of_channel { bus.channel_lock(&name, options) } else { bus.lock(&name, options) };
        match made {
            Ok(lock) => Self { lock: Some(Lock { lock, queue: queue.clone() }), ..Self::default() },
            Err(error) => Self { failure: Some(error.into()), ..Self::default() },
        }
    }

    /// A lease by its name.
    #[napi(factory)]
    pub fn of_lease(bus: &Bus, name: String, settings: LeaseSettings) -> Self {
        let (bus, queue) = bus.core();
        let mut options = LeaseOptions::default();
        options.ttl = settings.ttl_ms.map_or(options.ttl, millis);
        options.wait = settings.wait_ms.and_then(limit);
        match bus.lease(&name, &options) {
            Ok(lease) => Self { lease: Some(Lease { lease: lease.into(), queue: queue.clone() }), ..Self::default() },
            Err(error) => Self { failure: Some(error.into()), ..Self::default() },
        }
    }

    /// A singleton job by its name.
    #[napi(factory)]
    pub fn of_singleton(bus: &Bus, name: String, settings: SingletonSettings) -> Self {
        let (bus, queue) = bus.core();
        match settings.into_core().and_then(|options| bus.singleton(&name, &options)) {
            Ok(job) => {
                let singleton = Singleton { job, turn: Arc::default(), queue: queue.clone() };
                Self { singleton: Some(singleton), ..Self::default() }
            }
            Err(error) => Self { failure: Some(error.into()), ..Self::default() },
        }
    }

    /// Why there is none; once.
    #[napi]
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The lock; once.
    #[napi]
    pub fn lock(&mut self) -> Option<Lock> {
        self.lock.take()
    }

    /// The lease; once.
    #[napi]
    pub fn lease(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    /// The singleton; once.
    #[napi]
    pub fn singleton(&mut self) -> Option<Singleton> {
        self.singleton.take()
    }
}
