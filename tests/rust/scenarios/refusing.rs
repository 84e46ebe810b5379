//! Bad input and bad circumstances: each has its code, and nothing is stored or lost.

use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value, codec};
use stargazer_core::{Bus, Error, Ordering, Outgoing, PublishOptions, Target};
use stargazer_tests::{Options, Reply, Server};

use super::lab::{Lab, dead_letters, field, quick, say, text};

fn inbound(change: impl FnOnce(&mut Map)) -> Map {
    let mut map = Map::with_capacity(8);
    for key in ["channel_key", "platform", "channel_id", "user_id", "username", "content", "message_id"] {
        map.insert(key, "x");
    }
    map.insert("timestamp", 1.5f64);
    change(&mut map);
    map
}

async fn refused(bus: &Bus, target: Target, body: &Map) -> Error {
    let limits = stargazer_core::envelope::Limits::new(64 << 20, 500).unwrap();
    let data = codec::encode_map(body, &limits).unwrap();
    let stream = bus.topology().inbound_stream.clone();
    let before = bus.stream_info(&stream).await.unwrap().length;
    let error = bus.publish_one(Outgoing { target, data, options: PublishOptions::default() }).await.unwrap_err();
    assert!(error.context().contains(&("stored", "no".into())), "{error}");
    assert_eq!(bus.stream_info(&stream).await.unwrap().length, before);
    error
}

fn names(error: &Error, name: &str) -> bool {
    error.context().iter().any(|(key, value)| *key == "field" && value == name)
}

pub(super) async fn a_field_of_the_wrong_type_is_invalid(lab: Lab) {
    let bus = lab.bus().await;
    let error = refused(&bus, Target::Inbound, &inbound(|m| drop(m.insert("channel_id", 5i64)))).await;
    assert_eq!(error.code(), "invalid");
    assert!(names(&error, "channel_id"), "{error}");
    bus.close().await.unwrap();
}

pub(super) async fn a_missing_field_is_invalid(lab: Lab) {
    let bus = lab.bus().await;
    let error = refused(&bus, Target::Inbound, &inbound(|m| drop(m.remove("user_id")))).await;
    assert_eq!(error.code(), "invalid");
    assert!(names(&error, "user_id"), "{error}");
    bus.close().await.unwrap();
}

pub(super) async fn an_unknown_type_is_invalid(lab: Lab) {
    let bus = lab.bus().await;
    let mut map = Map::with_capacity(3);
    map.insert("channel_id", "c1");
    map.insert("platform", "web");
    map.insert("type", "telepathy");
    let error = refused(&bus, Target::Outbound { platform: "web".into() }, &map).await;
    assert_eq!(error.code(), "invalid");
    assert!(names(&error, "type"), "{error}");
    bus.close().await.unwrap();
}

pub(super) async fn a_body_over_the_limit_is_too_large(lab: Lab) {
    let bus = lab.bus().await;
    let body = inbound(|m| drop(m.insert("content", "x".repeat(17 << 20))));
    assert_eq!(refused(&bus, Target::Inbound, &body).await.code(), "too_large");
    bus.close().await.unwrap();
}

pub(super) async fn a_body_too_deep_is_too_large(lab: Lab) {
    let bus = lab.bus().await;
    let deep = (0..100).fold(Value::Nil, |inner, _| Value::List(vec![inner]));
    let mut extra = Map::with_capacity(1);
    extra.insert("deep", deep);
    let body = inbound(|m| drop(m.insert("extra", Value::Map(extra))));
    assert_eq!(refused(&bus, Target::Inbound, &body).await.code(), "too_large");
    bus.close().await.unwrap();
}

pub(super) async fn a_group_of_another_mode_is_a_conflict(lab: Lab) {
    let bus = lab.bus().await;
    let lanes = bus.consume_inbound().open().await.unwrap();
    let error = bus.consume_inbound().ordering(Ordering::None).open().await.unwrap_err();
    assert_eq!(error.code(), "conflict");
    lanes.close().await.unwrap();
    let none = bus.consume_inbound().ordering(Ordering::None).open().await.unwrap();
    none.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_closed_bus_says_so(lab: Lab) {
    let bus = lab.bus().await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    bus.close().await.unwrap();
    bus.close().await.unwrap();
    let message = stargazer_core::envelope::Inbound::new("web", "c", "u", "x");
    assert_eq!(bus.publish_inbound(&message).await.unwrap_err().code(), "closed");
    assert_eq!(bus.stream_info("x").await.unwrap_err().code(), "closed");
    assert_eq!(bus.consume_inbound().open().await.unwrap_err().code(), "closed");
    assert!(inbox.next().await.unwrap().is_none());
}

pub(super) async fn an_unknown_stream_is_not_found(lab: Lab) {
    let bus = lab.bus().await;
    assert_eq!(bus.stream_info("nowhere").await.unwrap_err().code(), "not_found");
    assert_eq!(bus.pending(&bus.topology().inbound_stream, "nobody").await.unwrap_err().code(), "not_found");
    bus.close().await.unwrap();
}

pub(super) async fn nothing_in_time_is_a_timeout(lab: Lab) {
    let bus = lab.bus().await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let error = inbox.next_timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("timeout", true));
    // Nothing was lost by giving up.
    say(&bus, "c1", "later").await;
    assert_eq!(text(&inbox.next().await.unwrap().unwrap()), "later");
    bus.close().await.unwrap();
}

async fn malformed(lab: Lab, data: &str) {
    let server = lab.server.as_ref().unwrap();
    let bus = lab.bus().await;
    server
        .command(&[
            "EVAL",
            &format!("return redis.call('XADD', KEYS[1], '*', 'data', {data}, 'key', 'web:c1')"),
            "1",
            &bus.topology().inbound_stream,
        ])
        .unwrap();
    say(&bus, "c1", "sound").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(text(&d), "sound", "no handler sees the other");
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(field(&letters[0], "reason"), "malformed");
    bus.close().await.unwrap();
}

/// Whoever may write to a stream could name any key as the body of an entry, and a body goes with its entry.
pub(super) async fn a_body_that_stands_elsewhere_is_malformed_and_left_alone(lab: Lab) {
    let server = lab.server.as_ref().unwrap();
    let bus = lab.bus().await;
    server.command(&["SET", "precious", "kept"]).unwrap();
    let (inbound, letters) = (&*bus.topology().inbound_stream, &*bus.topology().dead_letter_stream);
    for named in ["precious", inbound, letters, "sg:other:body:#1"] {
        server.command(&["XADD", inbound, "*", "data", "", "ref", named, "len", "4"]).unwrap();
    }
    say(&bus, "c1", "sound").await;
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let d = inbox.next().await.unwrap().unwrap();
    assert_eq!(text(&d), "sound");
    d.ack().await.unwrap();
    inbox.idle().await.unwrap();
    assert_eq!(server.command(&["GET", "precious"]).unwrap(), Reply::Text(b"kept".to_vec()));
    let written = dead_letters(&bus).await;
    assert_eq!(written.len(), 4, "each is told, and none has taken the letters along");
    assert!(written.iter().all(|letter| field(letter, "reason") == "malformed"));
    // Giving the letters up leaves it alone, too.
    let ids: Vec<_> = written.iter().map(|letter| letter.id).collect();
    bus.dead_letters().discard(&ids).await.unwrap();
    assert_eq!(server.command(&["GET", "precious"]).unwrap(), Reply::Text(b"kept".to_vec()));
    bus.close().await.unwrap();
}

pub(super) async fn an_entry_that_is_no_msgpack_is_malformed(lab: Lab) {
    malformed(lab, r"'\193\193\193'").await;
}

pub(super) async fn an_entry_with_text_that_is_not_utf8_is_malformed(lab: Lab) {
    malformed(lab, r"'\129\167content\162\255\254'").await;
}

pub(super) async fn an_unreachable_server_is_unavailable(_: Lab) {
    let mut config = BusConfig::default();
    config.connect_timeout = Duration::from_millis(200);
    let started = tokio::time::Instant::now();
    // Port 1 of the loopback: nobody listens there.
    let error = Bus::connect("redis://user:s3cret@127.0.0.1:1").config(config).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("unavailable", true));
    assert!(!format!("{error:?}").contains("s3cret"));
    assert!(started.elapsed() < Duration::from_secs(5));
}

pub(super) async fn a_wrong_password_is_an_auth_error(_: Lab) {
    let server = Server::start_with(Options { password: Some("right".into()), ..Options::default() }).unwrap();
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let error = Bus::connect(url).await.unwrap_err();
    assert_eq!(error.code(), "auth");
    Bus::connect(server.url()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_could_only_go_wrong_is_refused() {
    let bus = Bus::connect("memory://").await.unwrap();
    let long = format!("s:{}", "x".repeat(600));
    for (stream, group) in [(long.as_str(), "g"), ("s", ""), ("s", &long), ("sg:stream:dlq", "g")] {
        let error = bus.consume(stream, group).open().await.unwrap_err();
        assert_eq!(error.code(), "invalid", "{error}");
    }
    bus.close().await.unwrap();
}

#[tokio::test]
async fn a_publish_that_would_wait_for_replicas_too_long_is_refused() {
    let server = Server::start().unwrap();
    let mut config = BusConfig::default();
    config.replica_timeout = config.response_timeout;
    let bus = Bus::connect(server.url()).config(config).await.unwrap();
    let options = PublishOptions { wait_replicas: Some(1), ..PublishOptions::default() };
    let error = bus.publish("s", &Value::from("x"), options).await.unwrap_err();
    assert_eq!(error.code(), "invalid", "{error}");
    assert!(error.context().contains(&("stored", "no".into())), "{error}");
    bus.close().await.unwrap();
}
