//! A consumer: batches of deliveries one way, outcomes the other.
//!
//! Deliveries stay here, each under a number, until their outcome comes; JavaScript only ever has the number. When its thread
//! ends, the consumer is closed at once: a wait under way would keep it open for ever, and its work from everybody else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::envelope::Envelope;
use stargazer_core::host::Errands;
use stargazer_core::{ConsumerBuilder, Delivery, Notice, Notices, Outcome};
use tokio::sync::Notify;

use crate::batch;
use crate::bus::Publisher;
use crate::error::Failure;
use crate::port::{Answer, Queue, Said, ask, lock};
use crate::settings::{ConsumerSettings, millis};

/// Yes and no in msgpack.
const YES: &[u8] = &[0xc3];
const NO: &[u8] = &[0xc2];

/// A consumer of any kind of body.
trait Source: Send + Sync {
    fn batch(&self, max: usize) -> BoxFuture<'_, sg::Result<Vec<Delivery>>>;
    fn idle(&self) -> BoxFuture<'_, sg::Result<()>>;
    fn close(&self, drain_timeout: Option<Duration>) -> BoxFuture<'_, sg::Result<()>>;
}

impl<T: Envelope> Source for sg::Consumer<T> {
    fn batch(&self, max: usize) -> BoxFuture<'_, sg::Result<Vec<Delivery>>> {
        Box::pin(async move { Ok(self.take_batch(max).await?.into_iter().map(Delivery::untyped).collect()) })
    }

    fn idle(&self) -> BoxFuture<'_, sg::Result<()>> {
        Box::pin(self.idle())
    }

    fn close(&self, drain_timeout: Option<Duration>) -> BoxFuture<'_, sg::Result<()>> {
        match drain_timeout {
            Some(limit) => Box::pin(self.close_within(limit)),
            None => Box::pin(self.close()),
        }
    }
}

struct Open {
    source: Box<dyn Source>,
    /// Handed out and not settled.
    held: Mutex<HashMap<u32, Arc<Delivery>>>,
    next: AtomicU32,
    /// Ends a wait for the next batch.
    enough: Notify,
    /// Number of this consumer.
    number: u32,
}

impl Open {
    async fn pull(&self, max: usize) -> sg::Result<Answer> {
        let batch = tokio::select! {
            biased;
            batch = self.source.batch(max) => batch?,
            () = self.enough.notified() => return Ok(Answer::Nothing),
        };
        let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let numbers = (first..=u32::MAX).chain(0..).take(batch.len());
        // From here on `watch` finds them; what was cancelled before is marked as such.
        let mut held = lock(&self.held);
        held.extend(numbers.clone().zip(batch.into_iter().map(Arc::new)));
        let packed = batch::pack(numbers.filter_map(|number| held.get(&number).map(|delivery| (number, &**delivery))))?;
        Ok(Answer::Deliveries(packed))
    }

    /// Says what of that in hand should end.
    fn tell(&self, queue: &Queue) {
        let held = lock(&self.held);
        let cancelled = held.iter().filter(|(_, delivery)| delivery.is_cancelled());
        let cancelled: Vec<u32> = cancelled.map(|(number, _)| *number).collect();
        drop(held);
        if !cancelled.is_empty() {
            queue.push(Said::Cancelled(self.number, cancelled));
        }
    }
}

/// The JavaScript thread that a consumer belongs to: the way to it, and what ends with it.
pub(crate) struct Home {
    pub(crate) queue: Queue,
    pub(crate) errands: Errands,
}

/// A running consumer.
#[napi]
pub struct Consumer {
    open: Arc<Open>,
    stream: String,
    queue: Queue,
}

impl Consumer {
    pub(crate) async fn open<T: Envelope>(
        builder: ConsumerBuilder<T>,
        settings: ConsumerSettings,
        number: u32,
        Home { queue, errands }: Home,
    ) -> sg::Result<Answer> {
        let (group, config) = settings.into_parts()?;
        let builder = builder.config(config);
        let builder = if let Some(group) = group { builder.group(group) } else { builder };
        let consumer = builder.open().await?;
        let (stream, notices) = (consumer.group().stream.to_string(), consumer.listen());
        let open = Arc::new(Open {
            source: Box::new(consumer),
            held: Mutex::default(),
            next: AtomicU32::new(0),
            enough: Notify::new(),
            number,
        });
        drop(tokio::spawn(look_after(Arc::downgrade(&open), number, notices, queue.clone(), errands)));
        Ok(Answer::Consumer(Self { open, stream, queue }))
    }
}

/// Says what the consumer tells, and closes it when its thread has gone. Stops with the consumer.
async fn look_after(open: Weak<Open>, number: u32, notices: Notices, queue: Queue, errands: Errands) {
    tokio::select! {
        biased;
        () = errands.closed() => {}
        () = watch(&open, number, notices, &queue) => return,
    }
    if let Some(open) = open.upgrade() {
        // Nobody is left to hear how that went; what it could not give back goes to others after the lease.
        let _ = open.source.close(Some(Duration::ZERO)).await;
    }
}

/// Says what the consumer tells, and which deliveries should end.
async fn watch(open: &Weak<Open>, number: u32, mut notices: Notices, queue: &Queue) {
    while let Some(notice) = notices.next().await {
        let Some(open) = open.upgrade() else { return };
        // Of those that were missed, one may have been of the kind.
        if matches!(notice, Notice::HandlersCancelled | Notice::Missed { .. }) {
            open.tell(queue);
        }
        queue.push(Said::Noticed(number, Some(notice.encoded())));
    }
    queue.push(Said::Noticed(number, None));
}

/// An outcome other than ack.
#[napi(object, object_to_js = false)]
pub struct Settle {
    /// The delivery.
    pub number: u32,
    /// `ack`, `retry`, `reject`, `refuse` or `release`.
    pub kind: String,
    /// Milliseconds.
    pub after_ms: Option<f64>,
    /// Why.
    pub reason: Option<String>,
}

impl Settle {
    fn end(self, delivery: &sg::Delivery) -> sg::Result<()> {
        delivery.settle(match self.kind.as_str() {
            "ack" => Outcome::Ack,
            "retry" => Outcome::Retry { after: self.after_ms.map(millis), error: self.reason },
            "reject" => Outcome::reject(self.reason.unwrap_or_default()),
            "refuse" => return delivery.refuse(&sg::Error::malformed(self.reason.unwrap_or_default())),
            "release" => Outcome::Release,
            other => return Err(sg::Error::internal(format!("there is no outcome {other:?}"))),
        })
    }
}

#[napi]
impl Consumer {
    /// The stream it reads.
    #[napi(getter)]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Waits for the next batch, of at most `max`; an empty one once the consumer has ended, none after `enough`.
    #[napi]
    pub fn pull(&self, token: u32, max: u32) {
        let open = self.open.clone();
        ask(&self.queue, token, async move { open.pull(usize::try_from(max).unwrap_or(usize::MAX)).await });
    }

    /// Ends the wait for a batch.
    #[napi]
    pub fn enough(&self) {
        self.open.enough.notify_one();
    }

    /// Reports outcomes: first those that are done, then the others. Numbers that were settled before are ignored.
    #[napi]
    pub fn settle(&self, done: &[u32], others: Vec<Settle>) -> Option<Failure> {
        let taken = |number: &u32| lock(&self.open.held).remove(number);
        let acks = done.iter().filter_map(taken).map(|delivery| delivery.settle(Outcome::Ack));
        let others = others.into_iter().filter_map(|settle| Some((taken(&settle.number)?, settle)));
        let ended = acks.chain(others.map(|(delivery, settle)| settle.end(&delivery)));
        // All of them, whatever one of them says.
        ended.fold(None, |first, ended| first.or(ended.err().map(Failure::from)))
    }

    /// Says that a delivery, which is no suspect, is about to be run; whether it may be. Asked as late as can be: a process that
    /// stood still for long learns here that it lost it.
    #[napi]
    pub fn begin_now(&self, number: u32) -> bool {
        let delivery = lock(&self.open.held).get(&number).cloned();
        delivery.is_some_and(|delivery| delivery.begin_now())
    }

    /// Says that a suspect is about to be run; the answer is plain: whether it may be.
    #[napi]
    pub fn begin(&self, token: u32, number: u32) {
        let delivery = lock(&self.open.held).get(&number).cloned();
        ask(&self.queue, token, async move {
            let go = match delivery {
                Some(delivery) => delivery.begin().await,
                None => false,
            };
            Ok(Answer::Plain(Bytes::from_static(if go { YES } else { NO })))
        });
    }

    /// What publishes under the fence of a delivery; nothing once it is settled.
    #[napi]
    pub fn fenced(&self, number: u32) -> Option<Publisher> {
        lock(&self.open.held).get(&number).map(|delivery| Publisher::new(delivery.bus(), self.queue.clone()))
    }

    /// A field of a delivery's entry as it came; nothing once it is settled.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // text crosses by value only
    pub fn field(&self, number: u32, name: String) -> Option<Buffer> {
        lock(&self.open.held).get(&number)?.field(&name).map(|value| value.to_vec().into())
    }

    /// Waits until nothing is left to do.
    #[napi]
    pub fn idle(&self, token: u32) {
        let open = self.open.clone();
        ask(&self.queue, token, async move {
            open.source.idle().await?;
            Ok(Answer::Nothing)
        });
    }

    /// Ends it: what is in hand gets the drain time-out, or these milliseconds.
    #[napi]
    pub fn close(&self, token: u32, drain_timeout_ms: Option<f64>) {
        let open = self.open.clone();
        ask(&self.queue, token, async move {
            open.source.close(drain_timeout_ms.map(millis)).await?;
            Ok(Answer::Nothing)
        });
    }
}
