//! The front door: connect, publish, consume, look, close.

mod connect;
mod locks;
mod time;
mod traces;

use std::ops::Deref;

pub use connect::ConnectBuilder;
pub use time::Time;

use crate::consumer::ConsumerBuilder;
use crate::dead_letter::DeadLetters;
use crate::envelope::{Inbound, Outbound, ToolRequest, Value};
use crate::error::{Error, Result};
use crate::events::{EventBus, EventOptions, EventReader, ReaderOptions};
use crate::inspect;
use crate::provision::{self, Role};
use crate::publish::Publisher;
use crate::tools::{self, RegistryBuilder, ServeTools, Tool, Worker};
use crate::topology::Name;
use crate::transport::{Entry, EntryId, Finding, PendingInfo, Retention, ServerInfo, StreamInfo};

/// A connection to a bus. Cheap to clone; every clone shares the connection, and closing one closes all.
///
/// Everything a [`Publisher`] can do, a bus can.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
/// use stargazer_core::{Bus, Role, envelope::Inbound};
/// let bus = Bus::connect("memory://").role(Role::Worker).await?;
/// bus.publish_inbound(&Inbound::new("web", "c1", "u1", "hello")).await?;
/// let inbox = bus.consume_inbound().open().await?;
/// let delivery = inbox.next().await?.expect("one message");
/// assert_eq!(delivery.data()?.content, "hello");
/// delivery.ack().await?;
/// inbox.close().await?;
/// bus.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Bus {
    publisher: Publisher,
    url: String,
    time: Option<Time>,
}

impl Bus {
    /// Connects to `memory://` (private), `memory://name` (shared in this process), `redis://`, `rediss://`, `unix://`, or
    /// to the primary that sentinels name: `redis+sentinel://host:port,host:port/service`. Await the builder.
    pub fn connect(url: impl Into<String>) -> ConnectBuilder {
        ConnectBuilder::new(url.into())
    }

    /// A bus over any transport.
    #[cfg(test)]
    pub(crate) fn over(
        transport: std::sync::Arc<dyn crate::transport::Transport>,
        clock: std::sync::Arc<dyn crate::clock::Clock>,
        config: crate::config::BusConfig,
    ) -> Self {
        let publisher = Publisher::new(transport, clock, config);
        Self { publisher: publisher.unwrap_or_else(|error| panic!("{error}")), url: "test:".into(), time: None }
    }

    /// The address, without its password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The time of a bus that was connected with `virtual_time`.
    ///
    /// `Invalid` where the time is everybody's.
    pub fn time(&self) -> Result<&Time> {
        self.time.as_ref().ok_or_else(|| {
            let text = "the time of this bus is everybody's; connect to memory:// with virtual_time to move it";
            Error::invalid(text).with_context("setting", "virtual_time")
        })
    }

    /// Makes the streams and groups that a role needs; may be called twice.
    pub async fn ensure_streams(&self, role: Role, platforms: &[String]) -> Result<()> {
        provision::ensure_streams(&self.publisher, role, platforms).await
    }

    /// Reads messages from platforms, in the workers' group.
    pub fn consume_inbound(&self) -> ConsumerBuilder<Inbound> {
        let names = self.topology();
        self.reader(names.inbound_stream.as_str().into(), names.worker_group.as_str().into())
    }

    /// Reads what a platform's gateway is to do, in its group.
    pub fn consume_outbound(&self, platform: &str) -> ConsumerBuilder<Outbound> {
        self.reader(self.topology().outbound_stream(platform), self.topology().gateway_group(platform))
    }

    /// Reads tool requests, in the tools' group, in no order.
    pub fn consume_tools(&self) -> ConsumerBuilder<ToolRequest> {
        let names = self.topology();
        self.reader(names.tools_stream.as_str().into(), names.tools_group.as_str().into())
    }

    /// Serves tools: await the builder.
    pub fn serve_tools(&self, tools: impl IntoIterator<Item = Tool>) -> ServeTools {
        ServeTools::new(&self.publisher, tools)
    }

    /// The tools that can be called from here, wherever they run: await the builder.
    pub fn tool_registry(&self) -> RegistryBuilder {
        RegistryBuilder::new(&self.publisher)
    }

    /// The instances of tools services that live, as they told of themselves at their last sign of life.
    pub async fn tool_workers(&self) -> Result<Vec<Worker>> {
        self.ensure_open()?;
        tools::workers(&self.publisher).await
    }

    /// Reads any stream in any group.
    pub fn consume(&self, stream: &str, group: &str) -> ConsumerBuilder<Value> {
        self.reader(self.topology().named_stream(stream), group.into())
    }

    fn reader<T: crate::envelope::Envelope>(&self, stream: Name, group: Name) -> ConsumerBuilder<T> {
        let retention = self.config().retention;
        ConsumerBuilder::new(self.publisher.clone(), stream, group, retention)
    }

    /// A stream at a glance; `NotFound` when there is none.
    pub async fn stream_info(&self, stream: &str) -> Result<StreamInfo> {
        inspect::stream_info(&self.publisher, stream).await
    }

    /// What a group has read and not finished; `NotFound` when there is no such stream or group.
    pub async fn pending(&self, stream: &str, group: &str) -> Result<PendingInfo> {
        inspect::pending(&self.publisher, stream, group).await
    }

    /// Entries of a stream after an id, oldest first, at most `count` (and 1000).
    pub async fn entries(&self, stream: &str, after: EntryId, count: usize) -> Result<Vec<Entry>> {
        inspect::entries(&self.publisher, stream, after, count).await
    }

    /// The entries that were given up: to look at, to put back, to throw away.
    pub fn dead_letters(&self) -> DeadLetters {
        self.dead_letters_in(&self.topology().dead_letter_stream)
    }

    /// The dead letters in another stream than this bus writes them to.
    pub fn dead_letters_in(&self, stream: &str) -> DeadLetters {
        DeadLetters::new(self.publisher.clone(), self.topology().named_stream(stream))
    }

    /// Publishes lifecycle events: best effort, never in the way. See [`crate::events`].
    pub fn events(&self, options: EventOptions) -> Result<EventBus> {
        EventBus::new(&self.publisher, options)
    }

    /// Reads lifecycle events.
    pub fn event_reader(&self, options: ReaderOptions) -> Result<EventReader> {
        EventReader::new(&self.publisher, options)
    }

    /// One round trip; what the server is.
    pub async fn ping(&self) -> Result<ServerInfo> {
        self.ensure_open()?;
        self.transport().ping().await
    }

    /// Whether the server is safe to keep messages on, check by check: version, role, eviction, persistence, rights and
    /// more. What it does not let us see is `unknown`, never `ok`.
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        inspect::doctor(&self.publisher).await
    }

    /// Retention of the work streams.
    pub fn retention(&self) -> Retention {
        self.config().retention
    }

    /// Closes it for every clone: consumers drain, then the connections end. May be called twice.
    pub async fn close(&self) -> Result<()> {
        self.publisher.shut().await
    }
}

impl Deref for Bus {
    type Target = Publisher;

    fn deref(&self) -> &Publisher {
        &self.publisher
    }
}

impl From<Bus> for Publisher {
    fn from(bus: Bus) -> Self {
        bus.publisher
    }
}

impl From<&Bus> for Publisher {
    fn from(bus: &Bus) -> Self {
        bus.publisher.clone()
    }
}

fn unknown_scheme(url: &str) -> Error {
    let scheme = url.split(':').next().unwrap_or_default();
    Error::invalid(format!(
        "an address begins with memory://, redis://, rediss://, unix:// or redis+sentinel://, not with {scheme:?}"
    ))
    .with_context("field", "url")
}
