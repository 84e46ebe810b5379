//! Time that a test moves.

use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::Value;
use stargazer_core::{Bus, ErrorKind, Outcome, PublishOptions};

fn still() -> BusConfig {
    let mut config = BusConfig::default();
    config.virtual_time = true;
    config
}

#[tokio::test]
async fn time_stands_still_until_it_is_moved() {
    let bus = Bus::connect("memory://").config(still()).await.unwrap();
    bus.publish("s", &Value::from(1), PublishOptions::default()).await.unwrap();
    let hour = Duration::from_secs(3600);
    let consumer = bus.consume("s", "g").retry_backoff(hour, hour).open().await.unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    first.settle(Outcome::retry()).unwrap();
    bus.time().unwrap().advance(hour * 2).await;
    let second = consumer.next().await.unwrap().unwrap();
    assert_eq!((second.attempt(), bus.time().unwrap().now()), (2, hour * 2));
    second.ack().await.unwrap();
    consumer.close().await.unwrap();
    bus.close().await.unwrap();
}

#[tokio::test]
async fn time_that_is_everybodys_is_not_moved() {
    let error = Bus::connect("memory://shared-time").config(still()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let bus = Bus::connect("memory://").await.unwrap();
    assert_eq!(bus.time().unwrap_err().kind(), ErrorKind::Invalid);
    bus.close().await.unwrap();
}
