//! One adapter at its post: its consumer, its starts, its end.
//!
//! The consumer is opened before the adapter starts and closed after it has stopped. One task keeps the post: it ends when
//! the gateway or the bus closes, or when the adapter failed for good; then the adapter was stopped, and what was in hand
//! is done or given back. Should it die, the consumer is dropped and gives its work back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::config::GatewayConfig;
use super::guard::guarded;
use super::health::{AdapterState, Status};
use super::marks::Marks;
use super::methods::Methods;
use super::perform::Performer;
use crate::consumer::{Consumer, ConsumerBuilder};
use crate::envelope::Outbound;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{Adapter, Intake};
use crate::publish::Publisher;
use crate::rpc::Control;

/// A post, as the gateway holds it.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) shared: Arc<Shared>,
    /// What the end of it came to.
    ended: watch::Receiver<Option<Result<()>>>,
}

/// What everybody at a post needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bus: Publisher,
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) status: Status,
    pub(super) config: Arc<GatewayConfig>,
    pub(super) methods: Methods,
    /// Hears of calls that nobody waits for any more.
    pub(super) control: Arc<Control>,
    drained: AtomicBool,
}

/// Why an adapter that ran does not any more.
enum Broken {
    /// By itself.
    Adapter(Error),
    /// Its consumer ended: the bus closes, or its stream can be read no more.
    Reader(Result<()>),
    /// The gateway ends.
    Stopped,
}

/// What keeps a post.
struct Keeper {
    shared: Arc<Shared>,
    consumer: Arc<Consumer<Outbound>>,
    reader: JoinHandle<Result<()>>,
    stop: watch::Receiver<bool>,
    failures: u32,
}

impl Post {
    /// Opens the consumer; the adapter starts behind it.
    pub(super) async fn open(
        bus: &Publisher,
        adapter: Arc<dyn Adapter>,
        config: Arc<GatewayConfig>,
        methods: Methods,
        stop: watch::Receiver<bool>,
    ) -> Result<Self> {
        let platform = adapter.name();
        let (stream, group) = (bus.topology().outbound_stream(platform), bus.topology().gateway_group(platform));
        let control = Control::new(bus, stream.clone());
        // Before the first call, so that none is cancelled unheard.
        let ear = control.subscribe(bus.config().connect_timeout).await?;
        let builder = ConsumerBuilder::<Outbound>::new(bus.clone(), stream, group, bus.config().retention);
        let consumer = Arc::new(builder.config(config.consumer.clone()).open().await?);
        let status = Status::new(platform, bus.clock().clone());
        let marks = Marks::new(bus, config.remember);
        let (bus_of, drained) = (bus.clone(), AtomicBool::new(false));
        let shared = Shared { bus: bus_of, adapter, status, config, methods, control: control.clone(), drained };
        let shared = Arc::new(shared);
        let performer = Arc::new(Performer { shared: shared.clone(), marks });
        let source = consumer.clone();
        let reader = tokio::spawn(async move {
            tokio::select! {
                ended = source.run(move |delivery| performer.clone().perform(delivery)) => ended,
                () = control.listen(ear) => Ok(()),
            }
        });
        let (tell, ended) = watch::channel(None);
        let keeper = Keeper { shared: shared.clone(), consumer, reader, stop, failures: 0 };
        bus.track(tokio::spawn(async move {
            let result = keeper.keep().await;
            tell.send_replace(Some(result));
        }));
        Ok(Self { shared, ended })
    }

    /// Lets the adapter drain, if it runs and has not drained before.
    pub(super) async fn drain(&self) {
        self.shared.drain().await;
    }

    /// Waits until it has ended; what that came to.
    pub(super) async fn end(&self) -> Result<()> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            _ => Err(Error::internal("the task of an adapter panicked")),
        }
    }
}

impl Shared {
    async fn drain(&self) {
        if self.status.state() != AdapterState::Running || self.drained.swap(true, Ordering::AcqRel) {
            return;
        }
        let drained = async {
            self.adapter.drain().await;
            Ok(())
        };
        let limit = self.config.consumer.drain_timeout;
        if let Err(error) = guarded(&**self.bus.clock(), limit, "drain", drained).await {
            warn!(platform = self.adapter.name(), %error, "an adapter did not drain");
            self.status.error(&error);
        }
    }

    async fn stop_adapter(&self) -> Result<()> {
        guarded(&**self.bus.clock(), self.config.stop_timeout, "stop", self.adapter.stop()).await
    }

    /// Ends when the adapter says that it does not run, or does not say anything. One that has drained is not asked: some
    /// have nothing to run for then.
    async fn fallen(&self) -> Error {
        let (clock, limit) = (self.bus.clock(), self.config.stop_timeout);
        loop {
            clock.sleep(self.config.look).await;
            if self.drained.load(Ordering::Acquire) {
                continue;
            }
            let running = async { Ok(self.adapter.is_running().await) };
            match guarded(&**clock, limit, "is_running", running).await {
                Ok(true) => {}
                Ok(false) => return Error::unavailable("the adapter stopped by itself"),
                Err(error) => return error,
            }
        }
    }
}

impl Keeper {
    async fn keep(mut self) -> Result<()> {
        let (intake, state, mut result) = loop {
            let intake = Intake::new(self.shared.bus.clone(), self.shared.adapter.name());
            match self.live(&intake).await {
                Broken::Stopped | Broken::Reader(Ok(())) => break (intake, AdapterState::Stopped, Ok(())),
                Broken::Reader(Err(error)) => break (intake, AdapterState::Failed, Err(error)),
                Broken::Adapter(error) if is_final(&error) => break (intake, AdapterState::Failed, Err(error)),
                // It takes nothing any more, and must not begin again.
                Broken::Adapter(_) if self.shared.drained.load(Ordering::Acquire) => {
                    break (intake, AdapterState::Stopped, Ok(()));
                }
                Broken::Adapter(error) => self.recover(&intake, &error).await,
            }
        };
        if let Err(error) = &result {
            warn!(platform = self.shared.adapter.name(), %error, "an adapter failed for good");
            self.shared.status.error(error);
        }
        if state == AdapterState::Stopped {
            if self.reader.is_finished() {
                debug!(platform = self.shared.adapter.name(), "the bus closes");
            } else {
                self.shared.drain().await;
            }
            self.shared.status.enter(AdapterState::Stopping);
        }
        let stopped = self.shared.stop_adapter().await;
        intake.close();
        // Whoever waits for the adapter is sent away by this.
        self.shared.status.enter(state);
        let closed = self.consumer.close().await;
        if !self.reader.is_finished() {
            // Else it told how it ended, or ended as the consumer did.
            result = result.and(joined((&mut self.reader).await));
        }
        result.and(stopped).and(closed)
    }

    /// One life of the adapter: from its start until it runs no more.
    async fn live(&mut self, intake: &Intake) -> Broken {
        self.shared.status.enter(AdapterState::Starting);
        self.shared.status.note(|health| health.starts += 1);
        let clock = self.shared.bus.clock().clone();
        let start =
            guarded(&*clock, self.shared.config.start_timeout, "start", self.shared.adapter.start(intake.clone()));
        tokio::select! {
            biased;
            () = stopping(&mut self.stop) => return Broken::Stopped,
            started = start => if let Err(error) = started {
                return Broken::Adapter(error);
            },
            read = &mut self.reader => return Broken::Reader(joined(read)),
        }
        let began = clock.now();
        self.shared.status.enter(AdapterState::Running);
        info!(platform = self.shared.adapter.name(), "an adapter runs");
        let broken = tokio::select! {
            biased;
            () = stopping(&mut self.stop) => Broken::Stopped,
            read = &mut self.reader => Broken::Reader(joined(read)),
            error = intake.broken() => Broken::Adapter(error),
            error = self.shared.fallen() => Broken::Adapter(error),
        };
        if clock.now().saturating_sub(began) > self.shared.config.restart_max {
            self.failures = 0;
        }
        broken
    }

    /// After a failure: ends what is left of the connection, and waits before the next start.
    async fn recover(&mut self, intake: &Intake, error: &Error) {
        let pause = self.pause();
        let platform = self.shared.adapter.name();
        warn!(platform, %error, pause_ms = pause.as_millis(), "an adapter failed and is started again");
        self.shared.status.error(error);
        self.shared.status.enter(AdapterState::Restarting);
        if let Err(error) = self.shared.stop_adapter().await {
            warn!(platform, %error, "a failed adapter did not stop");
        }
        intake.close();
        let clock = self.shared.bus.clock().clone();
        tokio::select! {
            () = clock.sleep(pause) => {}
            () = stopping(&mut self.stop) => {}
        }
    }

    /// The pause before the next start: doubled with each failure, up to a fifth longer by chance, so that the gateways of
    /// a platform that was gone do not come back all at once.
    fn pause(&mut self) -> Duration {
        let doubled = self.shared.config.restart_base.saturating_mul(1 << self.failures.min(20));
        self.failures += 1;
        let chance = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        doubled.min(self.shared.config.restart_max).mul_f64(1.0 + chance / 5.0)
    }
}

async fn stopping(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The gateway was dropped: the same.
    }
}

/// Whether another start would fail the same way.
fn is_final(error: &Error) -> bool {
    use ErrorKind::{Auth, Conflict, Invalid, NotFound, Rejected};
    matches!(error.kind(), Invalid | Auth | NotFound | Conflict | Rejected)
}

/// The result of a task of ours; a panic is a bug.
fn joined(result: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    result.unwrap_or_else(|error| Err(Error::internal("the reader of an adapter panicked").with_source(error)))
}
