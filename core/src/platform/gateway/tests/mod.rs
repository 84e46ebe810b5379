//! A gateway on the in-process engine, with paused time.

mod calls;
mod crashes;
mod fake;
mod sends;
mod starts;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::bus::Bus;
use crate::envelope::{Envelope, Outbound};
use crate::platform::Adapter;
use crate::transport::{EntryId, field};
use fake::{Fake, Said};

async fn bus() -> Bus {
    Bus::connect("memory://").await.unwrap()
}

fn config() -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.consumer.retry_base = Duration::from_millis(20);
    config.consumer.retry_max = Duration::from_millis(100);
    config
}

fn gateway(bus: &Bus, fake: &Arc<Fake>, config: GatewayConfig) -> Gateway {
    Gateway::new(bus, [fake.clone() as Arc<dyn Adapter>]).with_config(config)
}

async fn started(bus: &Bus, fake: &Arc<Fake>, config: GatewayConfig) -> Gateway {
    let gateway = gateway(bus, fake, config);
    gateway.start().await.unwrap();
    gateway
}

async fn publish(bus: &Bus, actions: impl IntoIterator<Item = Outbound>) {
    for action in actions {
        bus.publish_outbound(fake::NAME, &action).await.unwrap();
    }
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(600), waited).await.is_ok(), "never: {what}");
}

/// Waits until nothing is left on the outbound stream.
async fn finished(bus: &Bus) {
    let stream = bus.topology().outbound_stream(fake::NAME);
    until("the stream is empty", async || bus.stream_info(&stream).await.is_ok_and(|info| info.length == 0)).await;
}

/// The reasons in the dead letters.
async fn dead(bus: &Bus) -> Vec<String> {
    let entries = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 1000).await.unwrap();
    entries.iter().map(|e| String::from_utf8_lossy(field(&e.fields, "error").unwrap()).into_owned()).collect()
}

fn texts(said: &[Said]) -> Vec<&str> {
    said.iter().map(|said| said.text.as_str()).collect()
}

fn health(gateway: &Gateway) -> AdapterHealth {
    gateway.health().remove(0)
}
