//! What is stored, how often, and what is not.

use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Envelope, Inbound, Map, Value};
use stargazer_core::{PublishOptions, Retention};

use super::lab::{Lab, dead_letters};

pub(super) async fn a_message_id_is_stored_once(lab: Lab) {
    let bus = lab.bus().await;
    let body = Value::Map(Map::with_capacity(0));
    let options = || PublishOptions { message_id: Some("m1".into()), ..PublishOptions::default() };
    let first = bus.publish("orders", &body, options()).await.unwrap();
    let second = bus.publish("orders", &body, options()).await.unwrap();
    assert_eq!((first.duplicate, second.duplicate), (false, true));
    assert_eq!(first.id, second.id);
    assert_eq!(bus.stream_info("orders").await.unwrap().length, 1);
    bus.close().await.unwrap();
}

pub(super) async fn a_full_stream_refuses_a_publish(lab: Lab) {
    let mut config = BusConfig::default();
    config.retention = Retention::Acked { cap: 10 };
    config.strict_cap = true;
    config.publish_timeout = Duration::from_millis(100);
    let bus = lab.bus_with(config).await;
    let message = Inbound::new("web", "c1", "u1", "x");
    for _ in 0..10 {
        bus.publish_inbound(&message).await.unwrap();
    }
    let error = bus.publish_inbound(&message).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("full", true));
    assert!(error.context().contains(&("stored", "no".into())), "{error}");
    // Nothing was dropped to make room, and room is used as soon as there is some.
    assert_eq!(bus.stream_info(&bus.topology().inbound_stream).await.unwrap().length, 10);
    let inbox = bus.consume_inbound().open().await.unwrap();
    inbox.next().await.unwrap().unwrap().ack().await.unwrap();
    inbox.next().await.unwrap().unwrap().ack().await.unwrap();
    bus.publish_inbound(&message).await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_dead_letter_keeps_the_original_bytes(lab: Lab) {
    let bus = lab.bus().await;
    for content in ["small".to_owned(), "big".repeat(40_000)] {
        let message = Inbound::new("web", "c1", "u1", content).with_trace_id("trace-1");
        bus.publish_inbound(&message).await.unwrap();
    }
    let inbox = bus.consume_inbound().open().await.unwrap();
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let d = inbox.next().await.unwrap().unwrap();
        bytes.push(d.raw());
        d.reject("no").await.unwrap();
    }
    inbox.idle().await.unwrap();
    let letters = dead_letters(&bus).await;
    for (letter, bytes) in letters.iter().zip(&bytes) {
        let data = stargazer_core::transport::field(&letter.fields, "data").unwrap();
        assert_eq!(data, bytes);
        assert!(Inbound::decode(data).is_ok());
        assert_eq!(super::lab::field(letter, "key"), "web:c1");
        assert_eq!(super::lab::field(letter, "trace_id"), "trace-1");
    }
    assert_eq!(letters.len(), 2);
    bus.close().await.unwrap();
}
