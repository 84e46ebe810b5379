//! A bus and what publishes through it.

use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;
use stargazer_core as sg;
use stargazer_core::host::{self, Errands};
use stargazer_core::transport::EntryId;

use crate::calls::{self, Calling, Cancel};
use crate::consumer::{Consumer, Home};
use crate::events::{EventBus, EventReader, Opened, ReaderSettings, packed};
use crate::outgoing;
use crate::part::{Converted, OpenedPart, Part};
use crate::port::{Answer, Port, Published, Queue, Said, ask, run};
use crate::serving::{HandlerRow, ServeSettings, Serving};
use crate::settings::{ConsumerSettings, millis};
use crate::tools::{self, AuthorityRow, RegistrySettings, ToolRegistry, ToolRow, ToolService, ToolServiceSettings};
use crate::topology::Topology;

/// Publishes: for the whole bus, or under the fence of a delivery.
#[napi]
pub struct Publisher {
    inner: sg::Publisher,
    queue: Queue,
}

impl Publisher {
    pub(crate) fn new(inner: sg::Publisher, queue: Queue) -> Self {
        Self { inner, queue }
    }

    pub(crate) fn core(&self) -> &sg::Publisher {
        &self.inner
    }
}

#[napi]
impl Publisher {
    /// A part of the core that uses this publisher, with its arguments in msgpack.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // taken out of a JavaScript value
    pub fn part(&self, name: String, arguments: &[u8]) -> OpenedPart {
        Part::open(&self.inner, self.queue.clone(), &name, arguments)
    }

    /// An adapter that is called in errands of the function with this number.
    #[napi]
    pub fn host_adapter(&self, port: &Port, number: u32, name: String) -> Part {
        Part::new(host::Part::host_adapter(port.errands(), number, name), self.queue.clone())
    }

    /// A gateway, with the names of calls that it answers itself and the numbers of the functions that do; its settings in
    /// msgpack.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // taken out of a JavaScript value
    pub fn gateway(
        &self,
        port: &Port,
        adapters: Vec<ClassInstance<'_, Part>>,
        names: Vec<String>,
        functions: Vec<u32>,
        consumer: ConsumerSettings,
        settings: &[u8],
    ) -> OpenedPart {
        let methods = names.into_iter().zip(functions).collect();
        Part::gateway(&self.inner, self.queue.clone(), &port.errands(), &adapters, methods, (consumer, settings))
    }

    /// Publishes a burst under its number. See `outgoing` for how it is packed.
    #[napi]
    pub fn submit(&self, burst: u32, bytes: &[u8], ends: &[u32]) {
        let read = outgoing::read(bytes, ends);
        let publisher = self.inner.clone();
        let publish = async move {
            let refused: Vec<_> = read.iter().map(|one| one.as_ref().err().cloned()).collect();
            let mut sent = publisher.publish_encoded(read.into_iter().flatten().collect()).await.into_iter();
            let lost = || Err(sg::Error::internal("a publish gave no result"));
            Ok(refused.into_iter().map(|error| error.map_or_else(|| sent.next().unwrap_or_else(lost), Err)).collect())
        };
        let count = ends.len() / 2;
        run(&self.queue, publish, move |published: Published| Said::Published(burst, count, published));
    }
}

/// What the calls of a bus have come to.
#[napi(object, object_from_js = false)]
pub struct CallFigures {
    /// Waiting.
    pub in_flight: f64,
    /// Came too late.
    pub late: f64,
    /// Was no answer.
    pub malformed: f64,
}

#[napi]
impl Publisher {
    /// Calls a name; the answer is the list of result, writeback, and whether it was remembered.
    #[napi]
    pub fn call(&self, token: u32, cancel: &Cancel, name: String, arguments: &[u8], options: Calling) {
        let (bus, arguments, options) = (self.inner.clone(), arguments.to_vec(), options.into_core(cancel));
        ask(&self.queue, token, async move {
            calls::packed(&bus.call_with(&name, calls::map(&arguments)?, options?).await?)
        });
    }

    /// Calls a method of a platform's gateway; the answer is that of `call`.
    #[napi]
    pub fn call_gateway(
        &self,
        token: u32,
        cancel: &Cancel,
        platform: String,
        method: String,
        params: &[u8],
        options: Calling,
    ) {
        let (bus, params, options) = (self.inner.clone(), params.to_vec(), options.into_core(cancel));
        ask(&self.queue, token, async move {
            calls::packed(&bus.call_gateway(&platform, &method, calls::map(&params)?, options?).await?)
        });
    }

    /// What the calls of this bus have come to.
    #[napi]
    #[allow(clippy::cast_precision_loss)] // JavaScript counts so
    pub fn call_figures(&self) -> CallFigures {
        let figures = self.inner.call_figures();
        CallFigures {
            in_flight: figures.in_flight as f64,
            late: figures.late as f64,
            malformed: figures.malformed as f64,
        }
    }
}

/// A connected bus.
#[napi]
pub struct Bus {
    inner: sg::Bus,
    queue: Queue,
    errands: Errands,
}

impl Bus {
    pub(crate) fn new(inner: sg::Bus, queue: Queue, errands: Errands) -> Self {
        Self { inner, queue, errands }
    }

    /// The core's bus and the way back, for what stands in files of its own.
    pub(crate) fn core(&self) -> (&sg::Bus, &Queue) {
        (&self.inner, &self.queue)
    }

    /// The thread that it belongs to.
    fn home(&self) -> Home {
        Home { queue: self.queue.clone(), errands: self.errands.clone() }
    }

    fn ask<F>(&self, token: u32, what: impl FnOnce(sg::Bus) -> F)
    where
        F: Future<Output = sg::Result<Answer>> + Send + 'static,
    {
        ask(&self.queue, token, what(self.inner.clone()));
    }
}

#[napi]
impl Bus {
    /// The address, without its password.
    #[napi(getter)]
    pub fn url(&self) -> &str {
        self.inner.url()
    }

    /// The names of its streams and groups, after settings and environment.
    #[napi(getter)]
    pub fn topology(&self) -> Topology {
        Topology(self.inner.topology().clone())
    }

    /// What publishes for the whole bus.
    #[napi]
    pub fn publisher(&self) -> Publisher {
        Publisher::new((*self.inner).clone(), self.queue.clone())
    }

    /// What time it is, as msgpack: milliseconds since the bus was connected.
    #[napi]
    pub fn now(&self) -> Converted {
        self.inner.time().and_then(|time| packed(&(time.now().as_secs_f64() * 1000.0).into())).into()
    }

    /// Lets so many milliseconds of virtual time pass; none at all says whether there is such a time.
    #[napi]
    pub fn advance(&self, token: u32, ms: f64) {
        self.ask(token, move |bus| async move {
            bus.time()?.advance(millis(ms)).await;
            Ok(Answer::Nothing)
        });
    }

    /// Answers once so many milliseconds have passed, by the clock of the bus.
    #[napi]
    pub fn sleep(&self, token: u32, ms: f64) {
        self.ask(token, move |bus| async move {
            bus.clock().sleep(millis(ms)).await;
            Ok(Answer::Nothing)
        });
    }

    /// Makes what a role needs.
    #[napi]
    pub fn ensure_streams(&self, token: u32, role: String, platforms: Vec<String>) {
        self.ask(token, |bus| async move {
            bus.ensure_streams(role.parse()?, &platforms).await?;
            Ok(Answer::Nothing)
        });
    }

    /// A stream at a glance.
    #[napi]
    pub fn stream_info(&self, token: u32, stream: String) {
        self.ask(token, |bus| async move { bus.stream_info(&stream).await.map(Answer::StreamInfo) });
    }

    /// A group's unfinished entries.
    #[napi]
    pub fn pending(&self, token: u32, stream: String, group: String) {
        self.ask(token, |bus| async move { bus.pending(&stream, &group).await.map(Answer::Pending) });
    }

    /// Whether the server is safe to keep messages on.
    #[napi]
    pub fn doctor(&self, token: u32) {
        self.ask(token, |bus| async move { bus.doctor().await.map(Answer::Findings) });
    }

    /// Entries after an id.
    #[napi]
    pub fn entries(&self, token: u32, stream: String, after: Option<String>, count: u32) {
        self.ask(token, |bus| async move {
            let after = after.map_or(Ok(EntryId::ZERO), |id| id.parse())?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            bus.entries(&stream, after, count).await.map(Answer::Entries)
        });
    }

    /// A call to the dead letters by its name, with named arguments in msgpack; the answer is plain.
    #[napi]
    pub fn dead_letters(&self, token: u32, stream: Option<String>, call: String, arguments: &[u8]) {
        let arguments = arguments.to_vec();
        self.ask(token, |bus| async move {
            let letters = stream.map_or_else(|| bus.dead_letters(), |stream| bus.dead_letters_in(&stream));
            letters.perform_encoded(&call, &arguments).await.map(Answer::Plain)
        });
    }

    /// A publisher of events.
    #[napi]
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // a count, checked by the package
    pub fn events(&self, stream: Option<String>, max_len: f64) -> Opened {
        Opened::bus(EventBus::open(&self.inner, self.queue.clone(), stream, max_len as u64))
    }

    /// A reader of events.
    #[napi]
    pub fn event_reader(&self, settings: ReaderSettings) -> Opened {
        Opened::of_reader(EventReader::open(&self.inner, self.queue.clone(), settings))
    }

    /// Opens a consumer of inbound messages; its number is the request's.
    #[napi]
    pub fn consume_inbound(&self, token: u32, settings: ConsumerSettings) {
        let home = self.home();
        self.ask(token, |bus| Consumer::open(bus.consume_inbound(), settings, token, home));
    }

    /// Opens a consumer of what a platform's gateway is to do; its number is the request's.
    #[napi]
    pub fn consume_outbound(&self, token: u32, platform: String, settings: ConsumerSettings) {
        let home = self.home();
        self.ask(
            token,
            |bus| async move { Consumer::open(bus.consume_outbound(&platform), settings, token, home).await },
        );
    }

    /// Opens a consumer of any stream; its number is the request's.
    #[napi]
    pub fn consume(&self, token: u32, stream: String, group: String, settings: ConsumerSettings) {
        let home = self.home();
        self.ask(token, |bus| async move { Consumer::open(bus.consume(&stream, &group), settings, token, home).await });
    }

    /// Serves calls; the answer is a server.
    #[napi]
    pub fn serve(&self, token: u32, handlers: Vec<HandlerRow>, settings: ServeSettings) {
        let (errands, queue) = (self.errands.clone(), self.queue.clone());
        self.ask(token, |bus| Serving::open(bus, handlers, settings, errands, queue));
    }

    /// Serves tools; the answer is a tools service.
    #[napi]
    pub fn serve_tools(
        &self,
        token: u32,
        rows: Vec<ToolRow>,
        authority: Option<AuthorityRow>,
        settings: ToolServiceSettings,
    ) {
        let (errands, queue) = (self.errands.clone(), self.queue.clone());
        self.ask(token, |bus| ToolService::open(bus, rows, authority, settings, errands, queue));
    }

    /// Reads the catalog of tools and follows it; the answer is a registry.
    #[napi]
    pub fn tool_registry(
        &self,
        token: u32,
        rows: Vec<ToolRow>,
        authority: Option<AuthorityRow>,
        settings: RegistrySettings,
    ) {
        let (errands, queue) = (self.errands.clone(), self.queue.clone());
        self.ask(token, |bus| ToolRegistry::open(bus, rows, authority, settings, errands, queue));
    }

    /// The instances of tools services that live; the answer is plain.
    #[napi]
    pub fn tool_workers(&self, token: u32) {
        self.ask(token, |bus| async move { tools::workers(&bus.tool_workers().await?) });
    }

    /// Closes it: consumers drain, then the connections end.
    #[napi]
    pub fn close(&self, token: u32) {
        self.ask(token, |bus| async move {
            bus.close().await?;
            Ok(Answer::Nothing)
        });
    }
}
