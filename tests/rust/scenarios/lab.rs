//! Where a scenario runs: a bus on a server of its own, or in memory.

use std::future::Future;
use std::time::Duration;

use stargazer_core::config::{BusConfig, ConsumerConfig};
use stargazer_core::envelope::Inbound;
use stargazer_core::transport::{Entry, EntryId};
use stargazer_core::{Bus, Delivery, Role};
use stargazer_tests::Server;

/// A scenario that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the buses of a scenario connect to.
pub(super) struct Lab {
    pub(super) url: String,
    pub(super) server: Option<Server>,
}

pub(super) fn in_memory<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Lab) -> F) {
    run(scenario(Lab { url: format!("memory://{name}"), server: None }));
}

pub(super) fn on_server<F: Future<Output = ()>>(_: &str, scenario: impl FnOnce(Lab) -> F) {
    let server = Server::start().unwrap();
    run(scenario(Lab { url: server.url(), server: Some(server) }));
}

fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, scenario).await.expect("the scenario hangs") });
}

impl Lab {
    /// A bus of the platform `web`, with everything it needs.
    pub(super) async fn bus(&self) -> Bus {
        self.bus_with(BusConfig::default()).await
    }

    pub(super) async fn bus_with(&self, config: BusConfig) -> Bus {
        Bus::connect(&self.url).role(Role::Standalone).platforms(["web"]).config(config).await.unwrap()
    }
}

/// Settings that notice things soon: lease 2 s, sweep 0.5 s.
pub(super) fn quick() -> ConsumerConfig {
    let mut config = ConsumerConfig::default();
    config.lease = Duration::from_secs(2);
    config.sweep = Duration::from_millis(500);
    config.retry_base = Duration::from_millis(20);
    config.retry_max = Duration::from_millis(100);
    config
}

/// Publishes a message of a channel.
pub(super) async fn say(bus: &Bus, channel: &str, text: &str) -> EntryId {
    bus.publish_inbound(&Inbound::new("web", channel, "u1", text)).await.unwrap().id
}

/// The text of a delivered message.
pub(super) fn text(d: &Delivery<Inbound>) -> String {
    d.data().unwrap().content
}

/// What stands in the dead letters.
pub(super) async fn dead_letters(bus: &Bus) -> Vec<Entry> {
    bus.entries(&bus.topology().dead_letter_stream.clone(), EntryId::ZERO, 100).await.unwrap()
}

/// A field of an entry as text.
pub(super) fn field(entry: &Entry, name: &str) -> String {
    String::from_utf8_lossy(stargazer_core::transport::field(&entry.fields, name).unwrap()).into_owned()
}

/// Waits until a condition holds.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
