//! Streams that are read without a group, and notifications.

use std::sync::Arc;
use std::time::Duration;

use stargazer_core::ErrorKind;
use stargazer_core::transport::{Answer, Entry, EntryId, Heard, LogOptions, Op, Subscription, Transport};

use super::lab::{Lab, fields};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

async fn append(transport: &Arc<dyn Transport>, stream: &str, text: &str) -> EntryId {
    append_with(transport, stream, text, LogOptions::default()).await
}

async fn append_with(transport: &Arc<dyn Transport>, stream: &str, text: &str, options: LogOptions) -> EntryId {
    let op = Op::LogAppend { stream: stream.into(), fields: fields(&[("data", text)]), options };
    transport.apply(vec![op]).await.unwrap().remove(0).id().unwrap()
}

async fn read(lab: &Lab, after: EntryId, count: usize) -> Vec<EntryId> {
    let op = Op::LogRead { stream: "log".into(), after, count };
    let entries = lab.transport.apply(vec![op]).await.unwrap().remove(0).entries().unwrap();
    entries.into_iter().map(|entry| entry.id).collect()
}

async fn last(lab: &Lab) -> EntryId {
    lab.transport.apply(vec![Op::LogLast { stream: "log".into() }]).await.unwrap().remove(0).id().unwrap()
}

fn texts(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8(entry.fields[0].1.to_vec()).unwrap()).collect()
}

pub(super) async fn a_log_is_read_from_any_place(lab: Lab) {
    assert_eq!(last(&lab).await, EntryId::ZERO);
    assert!(read(&lab, EntryId::ZERO, 9).await.is_empty());
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d"] {
        ids.push(append(&lab.transport, "log", text).await);
    }
    assert_eq!(last(&lab).await, ids[3]);
    assert_eq!(read(&lab, EntryId::ZERO, 9).await, ids);
    assert_eq!(read(&lab, ids[0], 2).await, ids[1..3]);
    assert!(read(&lab, ids[3], 9).await.is_empty());
    assert!(read(&lab, EntryId::MAX, 9).await.is_empty());
    lab.delete(&"log".into(), ids[3]);
    assert_eq!(last(&lab).await, ids[3], "the last id that it gave, not the last entry");
    let exact = LogOptions { max_len: Some(2), ..LogOptions::default() };
    let new = append_with(&lab.transport, "log", "e", exact).await;
    assert_eq!(read(&lab, EntryId::ZERO, 9).await, [ids[2], new]);
    let about = LogOptions { max_len: Some(1), approximate: true, ttl: Some(LONG) };
    append_with(&lab.transport, "log", "f", about).await;
    let left = lab.transport.apply(vec![Op::TimeToLive { key: "log".into() }]).await.unwrap().remove(0);
    assert!(left.left().unwrap().is_some());
}

pub(super) async fn a_log_is_trimmed_up_to_an_id(lab: Lab) {
    let trim = async |up_to| {
        let op = Op::LogTrim { stream: "log".into(), up_to };
        lab.transport.apply(vec![op]).await.unwrap().remove(0).number().unwrap()
    };
    assert_eq!(trim(EntryId::MAX).await, 0, "there is none");
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d"] {
        ids.push(append(&lab.transport, "log", text).await);
    }
    assert_eq!(trim(ids[1]).await, 2);
    assert_eq!(read(&lab, EntryId::ZERO, 9).await, ids[2..]);
    assert_eq!((trim(ids[1]).await, trim(EntryId::ZERO).await), (0, 0));
    assert_eq!(trim(ids[3]).await, 2);
    assert_eq!(last(&lab).await, ids[3], "an empty log knows where it ended");
    let exists = lab.transport.apply(vec![Op::Exists { key: "log".into() }]).await.unwrap().remove(0);
    assert!(exists.flag().unwrap(), "and stays");
}

pub(super) async fn a_tail_hears_of_what_comes(lab: Lab) {
    let stream = "log".into();
    let other = lab.reconnect().await;
    let write = async {
        // The stream does not exist when the tail begins.
        append(&other, "log", "a").await;
    };
    let (entries, ()) = tokio::join!(lab.transport.tail(&stream, EntryId::ZERO, 9, LONG), write);
    let entries = entries.unwrap();
    assert_eq!(texts(&entries), ["a"]);
    append(&other, "log", "b").await;
    append(&other, "log", "c").await;
    let entries = lab.transport.tail(&stream, entries[0].id, 1, LONG).await.unwrap();
    assert_eq!(texts(&entries), ["b"], "at most as many as were asked for");
    let entries = lab.transport.tail(&stream, entries[0].id, 9, LONG).await.unwrap();
    assert_eq!(texts(&entries), ["c"]);
    let idle = lab.transport.tail(&stream, entries[0].id, 9, SHORT);
    let (none, ()) = tokio::join!(idle, lab.pass(SHORT * 2));
    assert_eq!(none.unwrap(), []);
}

pub(super) async fn many_tails_share_one_reader(lab: Lab) {
    let names: Vec<String> = (0..20).map(|n| format!("log {n}")).collect();
    let tails = names.iter().map(|name| {
        let transport = lab.transport.clone();
        let name = name.as_str().into();
        async move { texts(&transport.tail(&name, EntryId::ZERO, 9, LONG).await.unwrap()) }
    });
    // Each begins after the one before it has joined the read, and two stand on one stream.
    let mut tasks: Vec<_> = Vec::new();
    for tail in tails {
        tasks.push(tokio::spawn(tail));
        tokio::task::yield_now().await;
    }
    let (first, transport) = (names[0].as_str().into(), lab.transport.clone());
    let twin = tokio::spawn(async move { transport.tail(&first, EntryId::ZERO, 9, LONG).await.unwrap().len() });
    // One that is dropped costs the others nothing.
    let left = "log gone".into();
    let gone = lab.transport.tail(&left, EntryId::ZERO, 9, LONG);
    assert!(tokio::time::timeout(Duration::from_millis(30), gone).await.is_err());
    // The connection for commands is free meanwhile.
    for name in names.iter().rev() {
        append(&lab.transport, name, name).await;
    }
    for (task, name) in tasks.into_iter().zip(&names) {
        assert_eq!(task.await.unwrap(), [name.as_str()]);
    }
    assert_eq!(twin.await.unwrap(), 1);
}

pub(super) async fn a_tail_outlives_its_stream(lab: Lab) {
    let id = append(&lab.transport, "log", "a").await;
    let stream = "log".into();
    let change = async {
        tokio::task::yield_now().await;
        assert!(lab.drop_stream(&stream));
        lab.pass(Duration::from_millis(2)).await;
        append(&lab.transport, "log", "b").await;
    };
    let (entries, ()) = tokio::join!(lab.transport.tail(&stream, id, 9, LONG), change);
    assert_eq!(texts(&entries.unwrap()), ["b"]);
}

pub(super) async fn a_bad_tail_does_not_harm_the_others(lab: Lab) {
    let good = lab.transport.clone();
    let good = tokio::spawn(async move { good.tail(&"log".into(), EntryId::ZERO, 9, LONG).await });
    tokio::task::yield_now().await;
    let list = Op::ListPush { key: "list".into(), values: vec!["v".into()], ttl: None };
    lab.transport.apply(vec![list]).await.unwrap();
    let error = lab.transport.tail(&"list".into(), EntryId::ZERO, 9, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    append(&lab.transport, "log", "a").await;
    assert_eq!(texts(&good.await.unwrap().unwrap()), ["a"]);
    for count in [0, 1001] {
        let error = lab.transport.tail(&"log".into(), EntryId::ZERO, count, LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

pub(super) async fn closing_ends_tails_and_subscriptions(lab: Lab) {
    let stream = "log".into();
    let mut subscription = lab.transport.subscribe(&["c".into()]).await.unwrap();
    let close = async {
        tokio::task::yield_now().await;
        lab.transport.close().await;
    };
    let (tail, heard, ()) =
        tokio::join!(lab.transport.tail(&stream, EntryId::ZERO, 9, LONG), subscription.next(), close);
    assert_eq!(tail.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lab.transport.subscribe(&["c".into()]).await.unwrap_err().kind(), ErrorKind::Closed);
    let later = lab.transport.tail(&"log".into(), EntryId::ZERO, 9, LONG).await;
    assert_eq!(later.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lab.transport.apply(vec![Op::Get { key: "k".into() }]).await.unwrap_err().kind(), ErrorKind::Closed);
}

async fn tell(lab: &Lab, channel: &str, payload: &'static str) -> i64 {
    let op = Op::Notify { channel: channel.into(), payload: payload.into() };
    let Answer::Number(ears) = lab.transport.apply(vec![op]).await.unwrap().remove(0) else { panic!("no number") };
    ears
}

async fn heard(subscription: &mut Subscription) -> (String, String) {
    match subscription.next().await.unwrap() {
        Heard::Notification { channel, payload } => (channel.to_string(), String::from_utf8(payload.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn notifications_reach_those_who_listen(lab: Lab) {
    assert_eq!(tell(&lab, "c", "too early").await, 0);
    let mut both = lab.transport.subscribe(&["c".into(), "d".into()]).await.unwrap();
    let mut one = lab.transport.subscribe(&["d".into()]).await.unwrap();
    let other = lab.reconnect().await;
    let mut far = other.subscribe(&["c".into()]).await.unwrap();
    assert_eq!(tell(&lab, "c", "1").await, 2, "two connections");
    assert_eq!(tell(&lab, "d", "2").await, 1);
    assert_eq!(heard(&mut both).await, ("c".into(), "1".into()));
    assert_eq!(heard(&mut both).await, ("d".into(), "2".into()));
    assert_eq!(heard(&mut one).await, ("d".into(), "2".into()));
    assert_eq!(heard(&mut far).await, ("c".into(), "1".into()));
    drop(both);
    assert_eq!(tell(&lab, "d", "3").await, 1);
    assert_eq!(heard(&mut one).await, ("d".into(), "3".into()));
    // Nobody of ours is left on the channel.
    drop(far);
    lab.until(async || tell(&lab, "c", "4").await == 0).await;
}

pub(super) async fn notifications_keep_their_bytes_and_order(lab: Lab) {
    let mut ear = lab.transport.subscribe(&["c é".into()]).await.unwrap();
    for n in 0..500_u16 {
        let op = Op::Notify { channel: "c é".into(), payload: n.to_be_bytes().to_vec().into() };
        lab.transport.apply(vec![op]).await.unwrap();
    }
    for n in 0..500_u16 {
        let Heard::Notification { payload, .. } = ear.next().await.unwrap() else { panic!("missed") };
        assert_eq!(payload[..], n.to_be_bytes());
    }
}
