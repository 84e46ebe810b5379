//! Parts from the side of a host; what their calls do is tried in Python and Node.

use std::sync::Arc;

use bytes::Bytes;

use super::{Given, LIMITS, Part};
use crate::Bus;
use crate::envelope::{Map, Value, codec};
use crate::error::{Error, ErrorKind};
use crate::host::{Completions, Errand, Errands, Order};
use crate::platform::{Intake, SendContext};

fn host() -> (Errands, Arc<Completions<Order>>) {
    let queue = Arc::new(Completions::new(|| {}));
    let orders = queue.clone();
    (Errands::new(move |order| orders.push(order)), queue)
}

fn row<const N: usize>(pairs: [(&str, Value); N]) -> Bytes {
    codec::encode(&Map::from(pairs).into(), &LIMITS).unwrap()
}

async fn ordered(queue: &Completions<Order>) -> Errand {
    loop {
        match queue.drain().pop() {
            Some(Order::Do(errand)) => return errand,
            _ => tokio::task::yield_now().await,
        }
    }
}

async fn refused(part: &Part, call: &str, arguments: &[u8]) -> Error {
    match part.perform(call, arguments).await {
        Err(error) => error,
        Ok(_) => panic!("{call} was not refused"),
    }
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let bus = Bus::connect("memory://").await.unwrap();
    let store = Part::open(&bus, "store", &row([])).unwrap();
    let op = |pairs: Map| row([("ops", vec![pairs].into())]);
    for (pairs, field) in [
        (Map::from([("op", "get")]), "key"),
        (Map::from([("op", Value::from("set")), ("key", "k".into()), ("value", 5.into())]), "value"),
        (Map::from([("op", "get"), ("key", "k"), ("colour", "red")]), "colour"),
    ] {
        let error = refused(&store, "apply", &op(pairs)).await;
        assert_eq!((error.kind(), error.context()[0].1.as_str()), (ErrorKind::Invalid, field), "{error}");
    }
    assert_eq!(refused(&store, "dance", &row([])).await.kind(), ErrorKind::Internal);
    assert_eq!(Part::open(&bus, "proxy", &row([])).unwrap_err().context()[0].1, "platform");
    assert_eq!(store.adapter().unwrap_err().code(), "invalid");
    bus.close().await.unwrap();
}

#[tokio::test]
async fn what_a_host_had_in_hand_that_went_may_have_been_sent() {
    let (errands, queue) = host();
    let adapter = Part::host_adapter(errands.clone(), 7, "wall").adapter().unwrap();
    assert_eq!(adapter.name(), "wall");
    let sending = tokio::spawn(async move { adapter.send("c1", "hi", &SendContext::new()).await });
    let errand = ordered(&queue).await;
    assert_eq!((errand.function, &*errand.what), (7, "send"));
    errands.close();
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.context().contains(&("stored", "unknown".to_owned())), "{error}");
}

#[tokio::test]
async fn what_was_sent_stays_sent_whatever_the_host_gives_as_its_id() {
    let (errands, queue) = host();
    let adapter = Part::host_adapter(errands.clone(), 1, "wall").adapter().unwrap();
    for (given, id) in [("m1".into(), "m1"), (Value::Nil, ""), (5.into(), "")] {
        let adapter = adapter.clone();
        let sending = tokio::spawn(async move { adapter.send("c1", "hi", &SendContext::new()).await });
        let errand = ordered(&queue).await;
        errands.answer(errand.id, true, codec::encode(&given, &LIMITS).unwrap());
        assert_eq!(sending.await.unwrap().unwrap(), id);
    }
}

#[tokio::test]
async fn a_way_in_belongs_to_one_start() {
    let bus = Bus::connect("memory://").await.unwrap();
    let (errands, queue) = host();
    let part = Part::host_adapter(errands.clone(), 1, "web");
    let adapter = part.adapter().unwrap();
    let message = |start: u64| {
        let message = Map::from([("channel_id", "c1"), ("user_id", "u1"), ("text", "hi")]);
        row([("start", start.into()), ("message", message.into())])
    };
    assert_eq!(refused(&part, "message", &message(1)).await.kind(), ErrorKind::Closed);
    for start in 1..=2 {
        let (adapter, intake) = (adapter.clone(), Intake::new(&bus, "web"));
        let starting = tokio::spawn(async move { adapter.start(intake).await });
        let errand = ordered(&queue).await;
        assert_eq!(&errand.arguments[..], &row([("start", start.into())])[..]);
        errands.answer(errand.id, true, codec::encode(&Value::Nil, &LIMITS).unwrap());
        starting.await.unwrap().unwrap();
    }
    assert_eq!(refused(&part, "message", &message(1)).await.kind(), ErrorKind::Closed);
    assert!(matches!(part.perform("message", &message(2)).await, Ok(Given::Stored(..))));
    // Whoever tells of a failure after the end was heard before.
    let told = |start: u64| row([("start", start.into()), ("reason", "gone".into())]);
    part.perform_at_once("failed", &told(1)).unwrap();
    part.perform_at_once("failed", &told(2)).unwrap();
    bus.close().await.unwrap();
}
