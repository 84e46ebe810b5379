//! What a bus with the retention `capped` tells of the entries that it will lose.

use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::transport::{EntryId, GroupInfo};
use stargazer_core::{Bus, PublishOptions, Retention};

use super::lab::{Lab, until};

fn capped(max_len: u64) -> BusConfig {
    let mut config = BusConfig::default();
    config.retention = Retention::Capped { max_len };
    config
}

async fn publish(bus: &Bus, ids: &mut Vec<EntryId>, count: usize) {
    let body = Value::Map(Map::with_capacity(0));
    for _ in 0..count {
        ids.push(bus.publish("s", &body, PublishOptions::default()).await.unwrap().id);
    }
}

/// Publishes until the server's clock has moved, so that there is a rate.
async fn publish_later(bus: &Bus, ids: &mut Vec<EntryId>) {
    let before = ids.last().unwrap().ms;
    while ids.last().unwrap().ms == before {
        publish(bus, ids, 1).await;
    }
}

async fn group(bus: &Bus) -> GroupInfo {
    bus.stream_info("s").await.unwrap().groups.remove(0)
}

async fn oldest(bus: &Bus) -> Option<EntryId> {
    bus.pending("s", "g").await.unwrap().oldest
}

/// How long that many entries take at the rate of the last 100.
fn time_for(room: usize, ids: &[EntryId]) -> Option<Duration> {
    let newest = &ids[ids.len().saturating_sub(100)..];
    let span = newest.last().unwrap().ms - newest[0].ms;
    (span * room as u64).checked_div(newest.len() as u64 - 1).map(Duration::from_millis)
}

pub(super) async fn a_capped_stream_tells_the_time_to_loss(lab: Lab) {
    let bus = lab.bus_with(capped(1000)).await;
    let reader = bus.consume("s", "g").open().await.unwrap();
    assert_eq!(group(&bus).await.time_to_loss, None, "nothing has come, so there is no rate");
    let mut ids = Vec::new();
    publish(&bus, &mut ids, 1).await;
    assert_eq!(group(&bus).await.time_to_loss, None, "one entry has no rate");
    publish_later(&bus, &mut ids).await;
    let first = reader.next().await.unwrap().unwrap();
    assert_eq!(group(&bus).await.time_to_loss, time_for(1000 - ids.len(), &ids));
    let second = reader.next().await.unwrap().unwrap();
    first.ack().await.unwrap();
    until("the ack is stored", async || oldest(&bus).await == Some(ids[1])).await;
    assert_eq!(group(&bus).await.time_to_loss, time_for(1001 - ids.len(), &ids), "the oldest is the second now");
    // The other bus does not know how long the stream may get.
    let other = lab.bus().await;
    assert_eq!(group(&other).await.time_to_loss, None);
    other.close().await.unwrap();
    publish(&bus, &mut ids, 1300).await;
    assert_ne!(bus.stream_info("s").await.unwrap().first_entry, Some(ids[0]));
    assert_eq!(group(&bus).await.time_to_loss, Some(Duration::ZERO), "it is gone");
    second.ack().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn what_stands_before_the_oldest_is_counted(lab: Lab) {
    let bus = lab.bus_with(capped(2000)).await;
    let reader = bus.consume("s", "g").open().await.unwrap();
    let mut ids = Vec::new();
    publish(&bus, &mut ids, 1250).await;
    publish_later(&bus, &mut ids).await;
    let mut held = None;
    for id in &ids {
        let delivery = reader.next().await.unwrap().unwrap();
        if *id == ids[150] {
            held = Some(delivery);
        } else {
            delivery.ack().await.unwrap();
        }
    }
    until("the others are finished", async || group(&bus).await.pending == 1).await;
    // More than are counted stand behind it, so those before it are.
    assert_eq!(group(&bus).await.time_to_loss, time_for(2000 + 150 - ids.len(), &ids));
    held.unwrap().ack().await.unwrap();
    until("everything is finished", async || oldest(&bus).await.is_none()).await;
    assert_eq!(group(&bus).await.time_to_loss, time_for(2000, &ids), "what an entry has that comes now");
    bus.close().await.unwrap();
}
