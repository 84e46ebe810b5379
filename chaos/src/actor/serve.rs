//! What workers and gateways share: connecting until it works, keeping the history of a handler's run, and ending.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use stargazer_core::config::BusConfig;
use stargazer_core::envelope::Envelope;
use stargazer_core::transport::EntryId;
use stargazer_core::{
    Bus, Consumer, ConsumerBuilder, Delivery, Error, ErrorKind, HandlerResult, Notice, Outcome, Retention,
};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::options::ActorOptions;
use super::pen::Pen;
use crate::history::{Kind, Record};

/// The history of one process that handles, and what it remembers to tie notices to messages.
#[derive(Debug)]
pub(super) struct Diary {
    pub(super) pen: Pen,
    recent: Mutex<VecDeque<(EntryId, u64, u32)>>,
    handler_timeout: Duration,
    /// Was told to end.
    closing: AtomicBool,
}

/// A handler that was dropped has no outcome.
const NO_OUTCOME: u8 = 4;

/// Entries that are remembered by their id.
const REMEMBERED: usize = 4096;

impl Diary {
    /// Begins the history; from here on the process ends with the one that started it.
    pub(super) fn begin(options: &ActorOptions) -> Result<Arc<Self>, Failure> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let most = Some(options.memory << 20);
        setrlimit(Resource::As, Rlimit { current: most, maximum: most })?;
        // What a message kills leaves no core behind.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        let pen = Pen::open(&options.history, options.actor)?;
        pen.write(&pen.record(Kind::ActorStart))?;
        let handler_timeout = options.profile.handler_timeout();
        Ok(Arc::new(Self { pen, recent: Mutex::default(), handler_timeout, closing: AtomicBool::new(false) }))
    }

    /// A handler starts.
    pub(super) fn run<T>(
        self: &Arc<Self>,
        delivery: &Delivery<T>,
        message: u64,
        lane: u32,
        hash: u64,
    ) -> io::Result<Run> {
        let record = Record {
            detail: u8::from(delivery.redelivered()),
            attempt: u16::try_from(delivery.attempt()).unwrap_or(u16::MAX),
            message,
            lane,
            entry: pair(delivery.id()),
            token: self.pen.token(),
            hash,
            ..self.pen.record(Kind::HandlerStart)
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_back((delivery.id(), message, lane));
        if recent.len() > REMEMBERED {
            recent.pop_front();
        }
        drop(recent);
        self.pen.write(&record)?;
        Ok(Run { diary: self.clone(), start: record, ended: false })
    }

    fn note(&self, notice: &Notice) -> io::Result<()> {
        let (kind, id) = match notice {
            Notice::StaleOutcome { id } => (Kind::SettleStale, *id),
            Notice::Vanished { id } => (Kind::Vanished, *id),
            Notice::GroupRecreated { from, .. } => (Kind::GroupRecreated, *from),
            _ => return Ok(()),
        };
        let mut record = Record { entry: pair(id), ..self.pen.record(kind) };
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, message, lane)) = recent.iter().rev().find(|(known, ..)| *known == id) {
            (record.message, record.lane) = (*message, *lane);
        }
        drop(recent);
        self.pen.write(&record)
    }

    /// Why a handler that started there is ended now: 0 lease lost, 1 time limit, 2 closing.
    fn reason(&self, start: &Record) -> u8 {
        let ran = Duration::from_nanos(self.pen.record(Kind::HandlerCancel).time.saturating_sub(start.time));
        if self.closing.load(Ordering::Relaxed) { 2 } else { u8::from(ran >= self.handler_timeout) }
    }

    pub(super) fn end(&self) -> io::Result<()> {
        self.pen.write(&self.pen.record(Kind::ActorEnd))
    }
}

/// A handler that runs. Dropped before its end, it was cancelled.
#[derive(Debug)]
pub(super) struct Run {
    diary: Arc<Diary>,
    start: Record,
    ended: bool,
}

impl Run {
    /// A record about this run.
    pub(super) fn record(&self, kind: Kind) -> Record {
        let now = self.diary.pen.record(kind);
        Record { kind, time: now.time, detail: 0, ..self.start }
    }

    pub(super) fn token(&self) -> u64 {
        self.start.token
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        self.diary.pen.write(record)
    }

    /// The handler has decided.
    pub(super) fn end(mut self, outcome: Outcome) -> HandlerResult<Outcome> {
        let detail = match outcome {
            Outcome::Ack => 0,
            Outcome::Retry { .. } => 1,
            Outcome::Reject { .. } => 2,
            Outcome::Release => 3,
        };
        self.ended = true;
        self.write(&Record { detail, ..self.record(Kind::HandlerEnd) })?;
        Ok(outcome)
    }

    /// It is about to panic, which counts as asking for another attempt.
    pub(super) fn panics(mut self) -> io::Result<()> {
        self.ended = true;
        self.write(&Record { detail: 1, ..self.record(Kind::HandlerEnd) })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            // The disk being full is found out by the next record; a drop has nobody to tell.
            let _ = self.write(&Record { detail: self.diary.reason(&self.start), ..self.record(Kind::HandlerCancel) });
            let _ = self.write(&Record { detail: NO_OUTCOME, ..self.record(Kind::HandlerEnd) });
        }
    }
}

/// Milliseconds and sequence number of an id.
pub(super) fn pair(id: EntryId) -> (u64, u64) {
    (id.ms, id.seq)
}

/// Entries that a stream of the run may hold.
pub const CAP: u64 = 3000;

/// Connects, however long it takes: a server that is away is what these processes are for.
pub(super) async fn connect(url: &str) -> Result<Bus, Failure> {
    let mut config = BusConfig::default();
    config.publish_timeout = Duration::from_secs(3);
    config.retention = Retention::Acked { cap: CAP };
    loop {
        match Bus::connect(url).config(config.clone()).await {
            Ok(bus) => return Ok(bus),
            Err(error) if passes(&error) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether trouble of this kind ends when the fault does.
pub(super) fn passes(error: &Error) -> bool {
    let kind = error.kind();
    // A key of another type is a mistake of somebody else, and mended.
    let mistaken = kind == ErrorKind::Invalid && error.context().iter().any(|(key, _)| *key == "key");
    kind.retryable() || kind == ErrorKind::Auth || mistaken
}

/// Opens a consumer, however long it takes, runs the handler until told to end, and closes.
pub(super) async fn serve<T, H, F>(
    builder: ConsumerBuilder<T>,
    bus: Bus,
    diary: Arc<Diary>,
    handler: H,
) -> Result<(), Failure>
where
    T: Envelope + 'static,
    H: Fn(Delivery<T>) -> F + Send + Sync + 'static,
    F: Future<Output = HandlerResult<Outcome>> + Send + 'static,
{
    let mut told = signal(SignalKind::terminate())?;
    let consumer = tokio::select! {
        consumer = open(builder) => consumer?,
        _ = told.recv() => return Ok(diary.end()?),
    };
    let mut notices = consumer.notices();
    let listener = diary.clone();
    let listening = tokio::spawn(async move {
        while let Ok(notice) = notices.recv().await {
            if listener.note(&notice).is_err() {
                std::process::abort();
            }
        }
    });
    let consumer = Arc::new(consumer);
    let (closing, teller) = (consumer.clone(), diary.clone());
    let closed = tokio::spawn(async move {
        told.recv().await;
        teller.closing.store(true, Ordering::Relaxed);
        closing.close().await
    });
    let mut result = consumer.run(handler).await;
    // Told to end while the server was away, it says that others may run again what it could not report.
    if diary.closing.load(Ordering::Relaxed) && result.as_ref().is_err_and(passes) {
        result = Ok(());
    }
    if result.is_ok() {
        match closed.await? {
            Err(error) if !passes(&error) => return Err(error.into()),
            _ => bus.close().await?,
        }
        diary.end()?;
    }
    listening.abort();
    Ok(result?)
}

async fn open<T: Envelope>(builder: ConsumerBuilder<T>) -> Result<Consumer<T>, Failure> {
    loop {
        match builder.clone().open().await {
            Ok(consumer) => return Ok(consumer),
            Err(error) if passes(&error) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(error.into()),
        }
    }
}
