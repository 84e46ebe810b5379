//! Locks of the fleet, and what waiting for them has in common with leases.

use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::host::{self, Host};
use stargazer_core::lock::LockOptions;

use crate::bus::Bus;
use crate::events::plain;
use crate::port::{Answer, Queue, ask};
use crate::settings::millis;

/// One request to take something, to be given up by whoever stops waiting.
#[napi]
#[derive(Default)]
pub struct Asking(pub(crate) host::Asking);

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
pub(crate) fn limit(wait_ms: f64) -> Option<std::time::Duration> {
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
    /// A lock by its name, or by the id of a channel.
    pub(crate) fn of(bus: &Bus, name: &str, of_channel: bool, settings: LockSettings) -> sg::Result<Self> {
        let ((bus, queue), options) = (bus.core(), settings.into_core());
        let lock = if of_channel { bus.channel_lock(name, options)? } else { bus.lock(name, options)? };
        Ok(Self { lock, queue: queue.clone() })
    }

    fn take(&self, token: u32, asking: &Asking, work: impl Future<Output = sg::Result<Answer>> + Send + 'static) {
        let (asking, lock) = (asking.0.clone(), self.lock.clone());
        let back = move || on_host(async move { lock.leave().await });
        ask(&self.queue, token, async move { asking.take(work, back).await });
    }
}

/// Does something on the I/O thread that nobody waits for.
pub(crate) fn on_host(work: impl Future<Output = ()> + Send + 'static) {
    // What was taken was taken on that thread: it is there. Otherwise the lock lapses.
    if let Ok(host) = Host::get() {
        host.spawn(work);
    }
}
