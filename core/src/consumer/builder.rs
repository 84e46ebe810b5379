//! Opening a consumer.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Consumer;
use super::content::Judge;
use super::driver::Driver;
use super::machine::{Machine, Now, Policy};
use super::shared::Shared;
use super::traces::Tracing;
use crate::config::{ConsumerConfig, OnLeaseLost};
use crate::envelope::{Envelope, Kind, Value};
use crate::error::{Error, Result};
use crate::publish::Publisher;
use crate::topology::Name;
use crate::transport::{Group, LockId, Ordering, Retention, check};

/// Settings of a consumer that is about to be opened. Nothing happens before [`ConsumerBuilder::open`].
#[derive(Debug, Clone)]
#[must_use = "a consumer reads nothing before `open`"]
pub struct ConsumerBuilder<T = Value> {
    bus: Publisher,
    stream: Name,
    group: Name,
    retention: Retention,
    config: ConsumerConfig,
    body: PhantomData<fn() -> T>,
}

impl<T: Envelope> ConsumerBuilder<T> {
    pub(crate) fn new(bus: Publisher, stream: Name, group: Name, retention: Retention) -> Self {
        let ordering = if T::KIND == Kind::ToolRequest { Ordering::None } else { Ordering::Lanes };
        let config = ConsumerConfig { ordering, ..ConsumerConfig::default() };
        Self { bus, stream, group, retention, config, body: PhantomData }
    }

    /// All settings at once.
    pub fn config(mut self, config: ConsumerConfig) -> Self {
        self.config = config;
        self
    }

    /// Another group than the usual one.
    pub fn group(mut self, group: impl Into<Name>) -> Self {
        self.group = group.into();
        self
    }

    /// First part of its identity, for people who look.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Handlers at the same time.
    pub fn concurrency(mut self, n: usize) -> Self {
        self.config.concurrency = n;
        self
    }

    /// Entries fetched ahead.
    pub fn prefetch(mut self, n: usize) -> Self {
        self.config.prefetch = Some(n);
        self
    }

    /// Which order the group's consumers keep.
    pub fn ordering(mut self, ordering: Ordering) -> Self {
        self.config.ordering = ordering;
        self
    }

    /// Order unaddressed entries, too.
    pub fn order_unaddressed(mut self, on: bool) -> Self {
        self.config.order_unaddressed = on;
        self
    }

    /// In mode `lock`: what the locks are named after, and how long one lasts unless it is renewed.
    pub fn locks(mut self, by: LockId, ttl: Duration) -> Self {
        self.config.lock_id = by;
        self.config.lock_ttl = ttl;
        self
    }

    /// Start the next entry of a lane only after the outcome of the one before was confirmed.
    pub fn strict(mut self, on: bool) -> Self {
        self.config.strict = on;
        self
    }

    /// Starts of an entry before it goes to the dead letters.
    pub fn max_attempts(mut self, n: u32) -> Self {
        self.config.max_attempts = n;
        self
    }

    /// First back-off and longest one.
    pub fn retry_backoff(mut self, base: Duration, max: Duration) -> Self {
        self.config.retry_base = base;
        self.config.retry_max = max;
        self
    }

    /// How long a handler may run.
    pub fn handler_timeout(mut self, limit: Duration) -> Self {
        self.config.handler_timeout = Some(limit);
        self
    }

    /// Lease, and how quickly its end is noticed.
    pub fn lease(mut self, lease: Duration, sweep: Duration) -> Self {
        self.config.lease = lease;
        self.config.sweep = sweep;
        self
    }

    /// What happens to handlers in a long outage.
    pub fn on_lease_lost(mut self, what: OnLeaseLost) -> Self {
        self.config.on_lease_lost = what;
        self
    }

    /// How long handlers may go on when the consumer closes.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.config.drain_timeout = limit;
        self
    }

    /// Registers with the group (made if missing) and starts reading. Must be called inside a tokio runtime.
    ///
    /// `Conflict` when the group runs under other settings, `Invalid` for settings out of range; waits for a server
    /// that cannot be reached as long as the bus' `connect_timeout`, then `Unavailable`.
    pub async fn open(self) -> Result<Consumer<T>> {
        self.config.validate()?;
        self.bus.ensure_open()?;
        check::name("stream", &self.stream)?;
        check::name("group", &self.group)?;
        if *self.stream == *self.bus.topology().dead_letter_stream {
            let text = "what a consumer gives up would come back to it for ever; read dead letters with dead_letters()";
            return Err(Error::invalid(text).with_context("stream", &self.stream));
        }
        let config = self.config;
        let mut group = Group::new(self.stream, self.group, config.ordering, self.retention);
        group.order_unaddressed = config.order_unaddressed;
        group.lock_id = config.lock_id;
        let seed = Uuid::new_v4().as_u64_pair().0;
        let dead_letters: Name = self.bus.topology().dead_letter_stream.as_str().into();
        let letters = dead_letters.clone();
        let policy = Policy::new(&config, group.stream.clone(), group.name.clone(), dead_letters, seed);
        let clock = self.bus.clock().clone();
        let machine = Machine::new(policy, Now { mono: clock.now(), wall_ms: clock.wall_ms() });
        let locks = config.ordering.locks().then_some(config.lock_id);
        let judge = Judge { stream: group.stream.clone(), kind: T::KIND, limits: self.bus.limits(), locks };
        let transport = self.bus.transport().clone();
        let patience = self.bus.config().connect_timeout;
        let tracing = Tracing::new(&self.bus, T::KIND, &group);
        // Who does what workers say on a platform publishes nothing for it, and frees memory.
        let writes = T::KIND != Kind::Outbound;
        let shared = Arc::new(Shared::new(machine, clock, group, self.bus, config.drain_timeout, writes, tracing));
        let mut troubles = shared.notices.subscribe();
        let driver =
            Driver { shared: shared.clone(), transport, judge, letters, lock_ttl: config.lock_ttl, name: config.name };
        shared.bus.track(tokio::spawn(driver.run()));
        let consumer = Consumer::new(shared.clone());
        let mut last = None;
        let opened = async {
            loop {
                let changed = shared.change();
                if shared.is_open() {
                    return Ok(());
                }
                shared.has_ended()?;
                tokio::select! {
                    () = changed => {}
                    Ok(super::Notice::Trouble { error }) = troubles.recv() => last = Some(error),
                }
            }
        };
        let result = tokio::select! {
            biased;
            result = opened => result,
            () = shared.clock.sleep(patience) => Err(Error::unavailable(format!(
                "the group could not be joined within {} s", patience.as_secs_f64()
            ))),
        };
        match result {
            Ok(()) => Ok(consumer),
            Err(error) => {
                consumer.stop();
                Err(match last {
                    Some(cause) if cause.kind() == crate::error::ErrorKind::Auth => cause,
                    Some(cause) if error.kind() == crate::error::ErrorKind::Unavailable => {
                        Error::unavailable(format!("{}; at last: {}", error.message(), cause.message()))
                            .with_source(cause)
                    }
                    _ => error,
                })
            }
        }
    }
}
