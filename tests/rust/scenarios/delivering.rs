//! From a publish to a finished delivery.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargazer_core::envelope::{Envelope, Inbound, Map, Value};
use stargazer_core::{Delivery, Outcome, PublishOptions};

use super::lab::{Lab, quick, say, text};

pub(super) async fn a_message_is_handled_once(lab: Lab) {
    let bus = lab.bus().await;
    let id = say(&bus, "c1", "hello").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!((d.id(), text(&d).as_str()), (id, "hello"));
    assert_eq!((d.attempt(), d.redelivered(), d.lane()), (1, false, Some("web:c1")));
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    let info = bus.stream_info(&bus.topology().inbound_stream).await.unwrap();
    assert_eq!((info.length, info.groups[0].pending), (0, 0));
    bus.close().await.unwrap();
}

pub(super) async fn until_idle_ends_when_nothing_is_left(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..50 {
        say(&bus, &format!("c{}", n % 5), &n.to_string()).await;
    }
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let seen = Arc::new(Mutex::new(0));
    let (count, again) = (seen.clone(), bus.clone());
    let handler = move |d: Delivery<Inbound>| {
        let (count, again) = (count.clone(), again.clone());
        async move {
            *count.lock().unwrap() += 1;
            if d.data()?.content == "7" {
                // What a handler publishes belongs to what is left to do.
                say(&again, "late", "from a handler").await;
            }
            if d.data()?.content == "9" && d.attempt() == 1 {
                return Ok(Outcome::retry());
            }
            Ok(Outcome::Ack)
        }
    };
    inbox.run_until_idle(handler).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 52);
    bus.close().await.unwrap();
}

pub(super) async fn leaving_releases_what_is_in_hand(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..10 {
        say(&bus, &format!("c{n}"), &n.to_string()).await;
    }
    let mut config = quick();
    config.drain_timeout = Duration::from_millis(50);
    let first = bus.consume_inbound().config(config).open().await.unwrap();
    let taken = first.next().await.unwrap().unwrap();
    taken.ack().await.unwrap();
    let _held = first.next().await.unwrap().unwrap();
    first.close().await.unwrap();
    let second = bus.consume_inbound().config(quick()).open().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..9 {
        let d = second.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        assert_eq!(d.attempt(), 1, "what was given back does not count");
        seen.push(text(&d));
        d.ack().await.unwrap();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 9);
    bus.close().await.unwrap();
}

pub(super) async fn closing_hands_the_rest_to_others(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..40 {
        say(&bus, &format!("c{}", n % 8), &format!("{n:02}")).await;
    }
    let leaving = bus.consume_inbound().concurrency(4).open().await.unwrap();
    let staying = bus.consume_inbound().open().await.unwrap();
    let d = leaving.next().await.unwrap().unwrap();
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    seen.entry(d.data().unwrap().channel_id).or_default().push(text(&d));
    d.ack().await.unwrap();
    leaving.close().await.unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..39 {
        let d = staying.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
        seen.entry(d.data().unwrap().channel_id).or_default().push(text(&d));
        d.ack().await.unwrap();
    }
    // The default lease is 15 s: what was given back did not wait for it.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(seen.values().all(|texts| texts.len() == 5 && texts.is_sorted()), "{seen:?}");
    bus.close().await.unwrap();
}

pub(super) async fn an_entry_is_seen_by_every_group(lab: Lab) {
    let bus = lab.bus().await;
    let audit = bus.consume(&bus.topology().inbound_stream, "audit").config(quick()).open().await.unwrap();
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    say(&bus, "c1", "for both").await;
    let d = inbox.next().await.unwrap().unwrap();
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    let stream = bus.topology().inbound_stream.clone();
    assert_eq!(bus.stream_info(&stream).await.unwrap().length, 1, "the other group has not finished it");
    let d = audit.next().await.unwrap().unwrap();
    assert_eq!(d.value().unwrap().get("content").and_then(Value::as_str), Some("for both"));
    d.ack().await.unwrap();
    let (bus2, name) = (bus.clone(), stream.clone());
    super::lab::until("both groups have finished it", || {
        let (bus, name) = (bus2.clone(), name.clone());
        async move { bus.stream_info(&name).await.unwrap().length == 0 }
    })
    .await;
    bus.close().await.unwrap();
}

pub(super) async fn unaddressed_messages_have_no_lane(lab: Lab) {
    let bus = lab.bus().await;
    let message = Inbound::new("web", "c1", "u1", "to nobody").with_addressed(false);
    bus.publish_inbound(&message).await.unwrap();
    say(&bus, "c1", "to the bot").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let first = inbox.next().await.unwrap().unwrap();
    let second = inbox.next_timeout(Duration::from_secs(5)).await.unwrap().unwrap();
    assert_eq!((first.lane(), second.lane()), (None, Some("web:c1")));
    // Closing would wait for what is in hand.
    drop((first, second));
    bus.close().await.unwrap();
}

pub(super) async fn unicode_bytes_and_unknown_fields_survive(lab: Lab) {
    let bus = lab.bus().await;
    let content = "👩‍👩‍👧‍👦 مرحبا 漢字 e\u{301} \u{0} \u{10ffff}";
    let message = Inbound::new("web", "kanal/ä:1", "u1", content);
    let Value::Map(mut map) = message.to_value().unwrap() else { panic!("an envelope is a map") };
    map.insert("from_the_future", Value::from(bytes::Bytes::from_static(&[0, 255, 128])));
    let mut nested = Map::with_capacity(1);
    nested.insert("деep", 1.5f64);
    map.insert("nested", Value::Map(nested));
    bus.publish_inbound(&Inbound::from_map(&map).unwrap()).await.unwrap();
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(d.data().unwrap().content, content);
    assert_eq!(d.value().unwrap(), Value::Map(map));
    d.ack().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_big_body_travels_whole(lab: Lab) {
    let bus = lab.bus().await;
    let content = "ß漢".repeat(40_000);
    say(&bus, "c1", &content).await;
    let mut body = Map::with_capacity(1);
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
    body.insert("bytes", Value::from(bytes::Bytes::from(bytes.clone())));
    bus.publish("files", &Value::Map(body), PublishOptions::default()).await.unwrap();
    let inbox = bus.consume_inbound().open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(text(&d), content);
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    let files = bus.consume("files", "g").open().await.unwrap();
    let d = files.next().await.unwrap().unwrap();
    assert_eq!(d.value().unwrap().get("bytes"), Some(&Value::from(bytes::Bytes::from(bytes))));
    d.ack().await.unwrap();
    files.idle().await.unwrap();
    if let Some(server) = &lab.server {
        let left = server.command(&["KEYS", "*:body:*"]).unwrap();
        assert_eq!(left, stargazer_tests::Reply::List(vec![]), "bodies go with their entries");
    }
    bus.close().await.unwrap();
}

pub(super) async fn idle_counts_what_a_closed_consumer_left(lab: Lab) {
    let bus = lab.bus().await;
    for n in 0..5 {
        say(&bus, "c1", &n.to_string()).await;
    }
    let first = bus.consume_inbound().config(quick()).open().await.unwrap();
    first.next().await.unwrap().unwrap().release().await.unwrap();
    first.close().await.unwrap();
    let second = bus.consume_inbound().config(quick()).open().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let handler = move |d: Delivery<Inbound>| {
        let log = log.clone();
        async move {
            log.lock().unwrap().push(text(&d));
            Ok(())
        }
    };
    second.run_until_idle(handler).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["0", "1", "2", "3", "4"]);
    bus.close().await.unwrap();
}
