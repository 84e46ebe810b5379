//! The way back: everything that the I/O thread has to say to one JavaScript thread.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use napi::Env;
use napi::bindgen_prelude::{Buffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::Receipt;
use stargazer_core::config::url_from_env;
use stargazer_core::host::{Completions, Errands, Host, Order};
use stargazer_core::transport;

use crate::batch::{Deliveries, Gathered, Packed, Receipts};
use crate::bus::{Bus, Publisher};
use crate::consumer::Consumer;
use crate::error::Failure;
use crate::inspect::{Finding, PendingInfo, RawEntry, StreamInfo};
use crate::part::{Part, StoredReceipt};
use crate::serving::Serving;
use crate::settings::BusSettings;
use crate::tools::{ToolRegistry, ToolService};

/// What the I/O thread says.
pub(crate) enum Said {
    /// What became of a burst of publishes: its number, how many they are, the results.
    Published(u32, usize, Published),
    /// The answer to a request.
    Answered(u32, sg::Result<Answer>),
    /// These deliveries of a consumer should end.
    Cancelled(u32, Vec<u32>),
    /// A consumer tells something, as msgpack; nothing: it has ended.
    Noticed(u32, Option<bytes::Bytes>),
    /// Something for this thread to do, or to end.
    Ordered(Order),
}

/// One result for each publish of a burst, or one error for all of them.
pub(crate) type Published = sg::Result<Vec<sg::Result<Receipt>>>;

/// What a request is answered with.
pub(crate) enum Answer {
    Nothing,
    Bus(sg::Bus),
    Consumer(Consumer),
    Deliveries(Packed),
    StreamInfo(transport::StreamInfo),
    Pending(transport::PendingInfo),
    Entries(Vec<transport::Entry>),
    /// Plain values as msgpack.
    Plain(bytes::Bytes),
    Findings(Vec<transport::Finding>),
    Part(sg::host::Part),
    Stored(Receipt, bytes::Bytes),
    Serving(Serving),
    ToolService(ToolService),
    ToolRegistry(ToolRegistry),
}

pub(crate) type Queue = Arc<Completions<Said>>;

/// The answer to a request.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Reply {
    /// The number of the request.
    pub token: u32,
    /// Why it failed; nothing else is there then.
    pub failure: Option<Failure>,
    /// A batch.
    pub deliveries: Option<Deliveries>,
    /// A stream.
    pub stream_info: Option<StreamInfo>,
    /// A group.
    pub pending: Option<PendingInfo>,
    /// Entries.
    pub entries: Option<Vec<RawEntry>>,
    /// Plain values as msgpack.
    pub plain: Option<Buffer>,
    /// Findings.
    pub findings: Option<Vec<Finding>>,
    /// What was stored; beside it stands something plain.
    pub stored: Option<StoredReceipt>,
}

/// Deliveries that should end.
#[napi(object, object_from_js = false)]
pub struct Cancellation {
    /// The number under which their consumer was opened.
    pub consumer: u32,
    /// Their numbers.
    pub deliveries: Vec<u32>,
}

/// What a consumer tells besides deliveries.
#[napi(object, object_from_js = false)]
pub struct Told {
    /// The number under which the consumer was opened.
    pub consumer: u32,
    /// Kind and details as msgpack; absent once the consumer has ended.
    pub notice: Option<Buffer>,
}

/// Something to be done on this thread.
#[napi(object, object_from_js = false)]
pub struct Errand {
    /// What it is answered under.
    pub id: f64,
    /// Which function is to do it.
    pub function: u32,
    /// What that one is to do.
    pub what: String,
    /// Arguments as msgpack.
    pub arguments: Buffer,
}

/// Something that is to end.
#[napi(object, object_from_js = false)]
pub struct End {
    /// What it would be answered under.
    pub id: f64,
    /// Why.
    pub reason: &'static str,
}

/// Everything that was said since the last look.
#[napi(object, object_from_js = false)]
pub struct Drained {
    /// What became of publishes.
    pub receipts: Option<Receipts>,
    /// Why some of them failed, in their order.
    pub refusals: Vec<Failure>,
    /// Answers. A handle among them is fetched with `takeBus`, `takeConsumer` or `takePart`.
    pub replies: Vec<Reply>,
    /// Deliveries that should end.
    pub cancellations: Vec<Cancellation>,
    /// What consumers tell.
    pub notices: Vec<Told>,
    /// What is to be done. The bus of one that has one is fetched with `takePublisher`.
    pub errands: Vec<Errand>,
    /// What is to end.
    pub ends: Vec<End>,
}

/// One JavaScript thread's connection to the I/O thread.
#[napi]
pub struct Port {
    queue: Queue,
    buses: Mutex<HashMap<u32, sg::Bus>>,
    consumers: Mutex<HashMap<u32, Consumer>>,
    parts: Mutex<HashMap<u32, Part>>,
    /// What the core has done on this thread.
    errands: Errands,
    /// The buses of errands, until they are fetched or answered.
    publishers: Mutex<HashMap<u64, sg::Publisher>>,
    servings: Mutex<HashMap<u32, Serving>>,
    tool_services: Mutex<HashMap<u32, ToolService>>,
    registries: Mutex<HashMap<u32, ToolRegistry>>,
}

#[napi]
impl Port {
    /// `ring` is called, once per burst, when there is something to drain. It does not keep the process alive.
    #[napi(constructor)]
    pub fn new(env: Env, ring: Function<(), ()>) -> napi::Result<Self> {
        let bell = ring.build_threadsafe_function::<()>().weak::<true>().build_callback(|_| Ok(()))?;
        let queue = Completions::new(move || {
            // Refused only when this JavaScript thread is gone, and then nobody waits.
            bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        });
        let queue = Arc::new(queue);
        let orders = queue.clone();
        let errands = Errands::new(move |order| orders.push(Said::Ordered(order)));
        // A thread that is ended in the middle does not drop what it has in any order that helps.
        env.add_env_cleanup_hook(errands.clone(), |errands| errands.close())?;
        Ok(Self {
            queue,
            errands,
            buses: Mutex::default(),
            consumers: Mutex::default(),
            publishers: Mutex::default(),
            servings: Mutex::default(),
            tool_services: Mutex::default(),
            registries: Mutex::default(),
            parts: Mutex::default(),
        })
    }

    /// Everything that was said since the last look.
    #[napi]
    pub fn drain(&self) -> Drained {
        let mut gathered = Gathered::default();
        let (mut replies, mut cancellations, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        let (mut errands, mut ends) = (Vec::new(), Vec::new());
        for said in self.queue.drain() {
            match said {
                Said::Published(burst, count, published) => {
                    gathered.begin(burst);
                    let results = published.unwrap_or_else(|error| vec![Err(error); count]);
                    for result in results {
                        gathered.add(result);
                    }
                }
                Said::Answered(token, answer) => replies.push(self.reply(token, answer)),
                Said::Cancelled(consumer, deliveries) => cancellations.push(Cancellation { consumer, deliveries }),
                Said::Noticed(consumer, notice) => {
                    notices.push(Told { consumer, notice: notice.map(|notice| notice.to_vec().into()) });
                }
                Said::Ordered(Order::Do(errand)) => errands.push(self.errand(errand)),
                Said::Ordered(Order::End { id, reason }) => {
                    ends.push(End { id: number(id), reason: reason.as_str() });
                }
            }
        }
        let (receipts, refusals) = gathered.into_parts();
        Drained { receipts, refusals, replies, cancellations, notices, errands, ends }
    }

    fn errand(&self, errand: sg::host::Errand) -> Errand {
        if let Some(bus) = errand.bus {
            lock(&self.publishers).insert(errand.id, bus);
        }
        Errand {
            id: number(errand.id),
            function: errand.function,
            what: errand.what.to_string(),
            arguments: errand.arguments.to_vec().into(),
        }
    }

    /// The bus of an errand; once.
    #[napi]
    pub fn take_publisher(&self, id: f64) -> Option<Publisher> {
        lock(&self.publishers).remove(&of_number(id)).map(|bus| Publisher::new(bus, self.queue.clone()))
    }

    /// Answers an errand: with a value as msgpack if it is sound, else with why it failed. Whether somebody still waited.
    #[napi]
    pub fn answer(&self, id: f64, sound: bool, answer: &[u8]) -> bool {
        lock(&self.publishers).remove(&of_number(id));
        self.errands.answer(of_number(id), sound, bytes::Bytes::copy_from_slice(answer))
    }

    /// What the core has done on this thread.
    pub(crate) fn errands(&self) -> Errands {
        self.errands.clone()
    }

    fn reply(&self, token: u32, answer: sg::Result<Answer>) -> Reply {
        let mut reply = Reply { token, ..Reply::default() };
        match answer {
            Err(error) => reply.failure = Some(error.into()),
            Ok(Answer::Nothing) => {}
            Ok(Answer::Bus(bus)) => drop(lock(&self.buses).insert(token, bus)),
            Ok(Answer::Consumer(consumer)) => drop(lock(&self.consumers).insert(token, consumer)),
            Ok(Answer::Serving(serving)) => drop(lock(&self.servings).insert(token, serving)),
            Ok(Answer::ToolService(service)) => drop(lock(&self.tool_services).insert(token, service)),
            Ok(Answer::ToolRegistry(registry)) => drop(lock(&self.registries).insert(token, registry)),
            Ok(Answer::Deliveries(deliveries)) => reply.deliveries = Some(deliveries.into()),
            Ok(Answer::StreamInfo(info)) => reply.stream_info = Some(info.into()),
            Ok(Answer::Pending(info)) => reply.pending = Some(info.into()),
            Ok(Answer::Plain(values)) => reply.plain = Some(values.to_vec().into()),
            Ok(Answer::Part(part)) => drop(lock(&self.parts).insert(token, Part::new(part, self.queue.clone()))),
            Ok(Answer::Stored(receipt, values)) => {
                (reply.stored, reply.plain) = (Some(receipt.into()), Some(values.to_vec().into()));
            }
            Ok(Answer::Findings(findings)) => reply.findings = Some(findings.into_iter().map(Into::into).collect()),
            Ok(Answer::Entries(entries)) => reply.entries = Some(entries.into_iter().map(Into::into).collect()),
        }
        reply
    }

    /// Connects, without an address to that of the environment; the answer is a bus.
    #[napi]
    pub fn connect(
        &self,
        token: u32,
        url: Option<String>,
        role: Option<String>,
        platforms: Vec<String>,
        settings: BusSettings,
    ) {
        // What JavaScript lent is read here, on its thread.
        let settings = settings.into_core();
        ask(&self.queue, token, async move {
            let role = role.map_or(Ok(sg::Role::None), |role| role.parse())?;
            let url = url.or_else(url_from_env).ok_or_else(|| {
                sg::Error::invalid("an address is missing: give one, or set REDIS_URL").with_context("field", "url")
            })?;
            let connect = sg::Bus::connect(url).role(role).platforms(platforms).config(settings?);
            connect.await.map(Answer::Bus)
        });
    }

    /// The bus that a request was answered with; once.
    #[napi]
    pub fn take_bus(&self, token: u32) -> Option<Bus> {
        lock(&self.buses).remove(&token).map(|bus| Bus::new(bus, self.queue.clone(), self.errands()))
    }

    /// The server of calls that a request was answered with; once.
    #[napi]
    pub fn take_serving(&self, token: u32) -> Option<Serving> {
        lock(&self.servings).remove(&token)
    }

    /// The tools service that a request was answered with; once.
    #[napi]
    pub fn take_tool_service(&self, token: u32) -> Option<ToolService> {
        lock(&self.tool_services).remove(&token)
    }

    /// The registry of tools that a request was answered with; once.
    #[napi]
    pub fn take_tool_registry(&self, token: u32) -> Option<ToolRegistry> {
        lock(&self.registries).remove(&token)
    }

    /// The part that a request was answered with; once.
    #[napi]
    pub fn take_part(&self, token: u32) -> Option<Part> {
        lock(&self.parts).remove(&token)
    }

    /// The consumer that a request was answered with; once.
    #[napi]
    pub fn take_consumer(&self, token: u32) -> Option<Consumer> {
        lock(&self.consumers).remove(&token)
    }
}

/// Numbers of errands begin at 1 and stay far below what a float holds exactly.
#[allow(clippy::cast_precision_loss)]
fn number(id: u64) -> f64 {
    id as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn of_number(id: f64) -> u64 {
    id as u64
}

/// Does something on the I/O thread and answers under the number.
pub(crate) fn ask<F>(queue: &Queue, token: u32, what: F)
where
    F: Future<Output = sg::Result<Answer>> + Send + 'static,
{
    // Boxed, so that what runs it is compiled once and not for every call.
    run(queue, what.boxed(), move |answer| Said::Answered(token, answer));
}

/// Does something on the I/O thread and says what came of it. A panic there becomes an error here.
pub(crate) fn run<F, T>(queue: &Queue, what: F, say: impl FnOnce(sg::Result<T>) -> Said + Send + 'static)
where
    F: Future<Output = sg::Result<T>> + Send + 'static,
    T: Send,
{
    let host = match Host::get() {
        Ok(host) => host,
        Err(error) => return queue.push(say(Err(error))),
    };
    let queue = queue.clone();
    host.spawn(async move {
        let result = AssertUnwindSafe(what).catch_unwind().await;
        queue.push(say(result.unwrap_or_else(|_| Err(sg::Error::internal("the call panicked on the I/O thread")))));
    });
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
