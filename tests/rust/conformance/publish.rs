//! Publishing and reading back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stargazer_core::topology::{body_key, message_id_key};
use stargazer_core::transport::{
    Along, Append, Appended, Dedupe, EntryId, Fence, Hint, Op, Refusal, Retention, When, field,
};
use stargazer_core::{Error, ErrorKind};

use super::lab::{Lab, fields};
use super::player::Player;

fn entry(text: &str) -> Append {
    Append::new("s".into(), fields(&[("data", text)]))
}

async fn one(lab: &Lab, entry: Append) -> Result<Appended, Error> {
    lab.transport.append(vec![entry]).await.remove(0)
}

fn dedupe(window: Duration) -> Dedupe {
    Dedupe { key: message_id_key("s", "m"), window }
}

fn refused(answer: Result<Appended, Error>, kind: ErrorKind) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), kind);
    assert!(error.context().contains(&("stored", "no".to_owned())), "{error}");
}

async fn length(lab: &Lab) -> usize {
    lab.transport.range(&"s".into(), EntryId::ZERO, EntryId::MAX, 1000).await.unwrap().len()
}

pub(super) async fn appended_entries_are_read_back_in_order(lab: Lab) {
    let raw = vec![
        (Bytes::from_static(b"data"), Bytes::from_static(b"\xff\x00\r\n")),
        (Bytes::from_static(b""), Bytes::new()),
        (Bytes::from_static(b"data"), Bytes::from_static(b"twice")),
    ];
    let batch = vec![Append::new("s".into(), raw.clone()), entry("2"), entry("3")];
    let ids: Vec<_> = lab.transport.append(batch).await.into_iter().map(|a| a.unwrap().id).collect();
    assert!(ids.is_sorted() && ids[0] < ids[1] && ids[1] < ids[2]);
    let s = "s".into();
    let all = lab.transport.range(&s, EntryId::ZERO, EntryId::MAX, 10).await.unwrap();
    assert_eq!(all.iter().map(|e| e.id).collect::<Vec<_>>(), ids);
    assert_eq!(all[0].fields, raw);
    let some = lab.transport.range(&s, ids[1], ids[2], 1).await.unwrap();
    assert_eq!(some, all[1..2]);
    assert!(lab.transport.range(&s, ids[2], ids[0], 9).await.unwrap().is_empty());
    assert!(lab.transport.range(&"none".into(), EntryId::ZERO, EntryId::MAX, 9).await.unwrap().is_empty());
    assert!(lab.delete(&s, ids[1]));
    let read = lab.transport.read(&s, &[ids[2], ids[1], ids[0]]).await.unwrap();
    assert_eq!(read, vec![Some(all[2].clone()), None, Some(all[0].clone())]);
}

pub(super) async fn one_batch_spans_streams_and_fails_singly(lab: Lab) {
    one(&lab, entry("1")).await.unwrap();
    let full = Append { strict_cap: Some(1), ..entry("2") };
    let elsewhere = Append::new("t".into(), fields(&[("data", "3")]));
    let answers = lab.transport.append(vec![full, elsewhere, entry("4")]).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(length(&lab).await, 2);
    assert_eq!(lab.transport.stream_info(&"t".into()).await.unwrap().length, 1);
}

pub(super) async fn a_message_id_is_stored_once_inside_its_window(lab: Lab) {
    let entry = Append { dedupe: Some(dedupe(Duration::from_secs(60))), ..entry("1") };
    let first = one(&lab, entry.clone()).await.unwrap();
    assert!(!first.duplicate);
    let again = lab.transport.append(vec![entry.clone(), entry]).await;
    for answer in again {
        let answer = answer.unwrap();
        assert_eq!((answer.id, answer.duplicate), (first.id, true));
    }
    assert_eq!(length(&lab).await, 1);
}

pub(super) async fn a_message_id_is_forgotten_after_its_window(lab: Lab) {
    let entry = Append { dedupe: Some(dedupe(Duration::from_millis(40))), ..entry("1") };
    let first = one(&lab, entry.clone()).await.unwrap();
    lab.until(async || !one(&lab, entry.clone()).await.unwrap().duplicate).await;
    assert_eq!(length(&lab).await, 2);
    assert!(one(&lab, entry).await.unwrap().id > first.id);
}

pub(super) async fn a_stale_session_publishes_nothing(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let fence = Arc::new(Fence { consumers: group.keys.consumers.clone(), session: a.session.clone() });
    let fenced = Append { fence: Some(fence), dedupe: Some(dedupe(Duration::from_secs(60))), ..entry("1") };
    one(&lab, fenced.clone()).await.unwrap();
    a.adopted_by("b").await;
    refused(one(&lab, fenced.clone()).await, ErrorKind::Stale);
    lab.flush();
    refused(one(&lab, fenced).await, ErrorKind::Stale);
    assert_eq!(length(&lab).await, 0);
}

pub(super) async fn a_strict_cap_refuses_and_stores_nothing(lab: Lab) {
    let capped = Append {
        strict_cap: Some(2),
        dedupe: Some(dedupe(Duration::from_secs(60))),
        body: Some((body_key("s", "m"), Bytes::from_static(b"big"))),
        ..entry("3")
    };
    one(&lab, entry("1")).await.unwrap();
    let second = one(&lab, entry("2")).await.unwrap();
    refused(one(&lab, capped.clone()).await, ErrorKind::Full);
    assert_eq!(lab.transport.bodies(&[body_key("s", "m")]).await.unwrap(), [None]);
    assert!(lab.delete(&"s".into(), second.id));
    let answer = one(&lab, capped).await.unwrap();
    assert!(!answer.duplicate, "a refused publish leaves no marker");
    assert_eq!(length(&lab).await, 2);
}

pub(super) async fn a_duplicate_is_answered_although_the_stream_is_full(lab: Lab) {
    let capped = Append { strict_cap: Some(1), dedupe: Some(dedupe(Duration::from_secs(60))), ..entry("1") };
    let first = one(&lab, capped.clone()).await.unwrap();
    let again = one(&lab, capped).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first.id, true));
}

pub(super) async fn the_length_is_told_when_asked(lab: Lab) {
    assert_eq!(one(&lab, entry("1")).await.unwrap().len, None);
    let measured = Append { measure: true, dedupe: Some(dedupe(Duration::from_secs(60))), ..entry("2") };
    assert_eq!(one(&lab, measured.clone()).await.unwrap().len, Some(2));
    assert_eq!(one(&lab, measured).await.unwrap().len, Some(2));
    assert_eq!(one(&lab, Append { measure: true, ..entry("3") }).await.unwrap().len, Some(3));
}

pub(super) async fn a_big_body_stands_beside_its_entry(lab: Lab) {
    let key = body_key("s", "m");
    let body = Bytes::from(vec![0xff; 100_000]);
    let id = one(&lab, Append { body: Some((key.clone(), body.clone())), ..entry("1") }).await.unwrap().id;
    let read = lab.transport.bodies(&[body_key("s", "other"), key]).await.unwrap();
    assert_eq!(read, [None, Some(body)]);
    let read = lab.transport.read(&"s".into(), &[id]).await.unwrap().remove(0).unwrap();
    assert_eq!(field(&read.fields, "data"), Some(&Bytes::from_static(b"1")));
    assert!(lab.transport.bodies(&[]).await.unwrap().is_empty());
}

pub(super) async fn an_entry_without_fields_is_invalid(lab: Lab) {
    refused(one(&lab, Append::new("s".into(), Vec::new())).await, ErrorKind::Invalid);
}

pub(super) async fn ids_are_not_given_twice_after_a_deletion(lab: Lab) {
    let first = one(&lab, entry("1")).await.unwrap().id;
    assert!(lab.delete(&"s".into(), first));
    assert!(one(&lab, entry("2")).await.unwrap().id > first);
}

pub(super) async fn a_capped_stream_loses_its_oldest(lab: Lab) {
    lab.group_with("g", stargazer_core::transport::Ordering::None, Retention::Capped { max_len: 1000 }).await;
    let capped = || Append { max_len: Some(1000), ..entry("x") };
    let mut last = EntryId::ZERO;
    for _ in 0..3 {
        let batch = std::iter::repeat_with(capped).take(500).collect();
        last = lab.transport.append(batch).await.pop().unwrap().unwrap().id;
    }
    let info = lab.transport.stream_info(&"s".into()).await.unwrap();
    assert!((1000..1200).contains(&info.length), "{} entries", info.length);
    assert_eq!(info.last_id, last);
}

fn along(text: &str, mark: Option<&str>, ttl: Duration) -> Append {
    let mark = mark.map(|key| (key.into(), Duration::from_secs(60)));
    Append { along: Some(Along { ttl, mark }), ..entry(text) }
}

async fn left(lab: &Lab, key: &str) -> Option<Duration> {
    let answers = lab.transport.apply(vec![Op::TimeToLive { key: key.into() }]).await;
    answers.unwrap().remove(0).left().unwrap()
}

async fn text(lab: &Lab, key: &str) -> Option<Bytes> {
    let answers = lab.transport.apply(vec![Op::Get { key: key.into() }]).await;
    answers.unwrap().remove(0).value().unwrap()
}

pub(super) async fn an_entry_leaves_a_mark_and_its_stream_an_end(lab: Lab) {
    const HOUR: Duration = Duration::from_secs(3600);
    let elsewhere = Append { stream: "t".into(), ..along("2", None, HOUR) };
    let batch = vec![entry("0"), along("1", Some("one"), HOUR), elsewhere, along("3", Some("three"), HOUR)];
    let ids: Vec<_> = lab.transport.append(batch).await.into_iter().map(|a| a.unwrap().id).collect();
    let s = lab.transport.range(&"s".into(), EntryId::ZERO, EntryId::MAX, 9).await.unwrap();
    assert_eq!(s.iter().map(|e| e.id).collect::<Vec<_>>(), [ids[0], ids[1], ids[3]]);
    assert_eq!(s[1].fields, fields(&[("data", "1")]));
    for (key, most) in [("s", 3600), ("t", 3600), ("one", 60), ("three", 60)] {
        let left = left(&lab, key).await.expect(key);
        assert!(left > Duration::from_secs(most - 30) && left <= Duration::from_secs(most), "{key}: {left:?}");
    }
    assert_eq!((text(&lab, "one").await, text(&lab, "two").await), (Some(Bytes::new()), None));
    let capped = (0..30).map(|n| Append { max_len: Some(10_000), ..along(&n.to_string(), None, HOUR) });
    assert!(lab.transport.append(capped.collect()).await.iter().all(Result::is_ok));
    one(&lab, along("last", None, Duration::from_millis(40))).await.unwrap();
    lab.until(async || length(&lab).await == 0).await;
}

pub(super) async fn what_is_kept_along_is_refused_with_its_entry(lab: Lab) {
    const HOUR: Duration = Duration::from_secs(3600);
    let set = Op::Set { key: "text".into(), value: "x".into(), ttl: None, when: When::Always };
    lab.transport.apply(vec![set]).await.unwrap();
    let wrong = Append { stream: "text".into(), ..along("1", None, HOUR) };
    let answers = lab.transport.append(vec![along("0", None, HOUR), wrong, along("2", Some("two"), HOUR)]).await;
    let [first, wrong, last] = <[_; 3]>::try_from(answers).unwrap();
    assert!(first.is_ok() && last.is_ok(), "the others are stored");
    assert!(wrong.as_ref().unwrap_err().context().contains(&("key", "text".to_owned())));
    refused(wrong, ErrorKind::Invalid);
    lab.fill_memory(true);
    for answer in lab.transport.append(vec![along("3", Some("three"), HOUR), along("4", None, HOUR)]).await {
        refused(answer, ErrorKind::Full);
    }
    lab.fill_memory(false);
    assert_eq!((text(&lab, "two").await, text(&lab, "three").await), (Some(Bytes::new()), None));
    let conditional = [
        Append { strict_cap: Some(9), ..along("5", None, HOUR) },
        Append { dedupe: Some(dedupe(HOUR)), ..along("5", None, HOUR) },
        Append { measure: true, ..along("5", None, HOUR) },
    ];
    for entry in conditional {
        refused(one(&lab, entry).await, ErrorKind::Invalid);
    }
    assert_eq!(length(&lab).await, 2);
}

pub(super) async fn a_closed_transport_says_so(lab: Lab) {
    let group = lab.group().await;
    let other = lab.reconnect().await;
    lab.transport.close().await;
    lab.transport.close().await;
    refused(one(&lab, entry("1")).await, ErrorKind::Closed);
    assert_eq!(lab.transport.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lab.transport.recreate(&group).await.unwrap_err().kind(), ErrorKind::Closed);
    let wait = lab.transport.wait(&group, &"a".into(), &Hint::Rest, Duration::from_secs(60)).await;
    assert_eq!(wait.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!other.ping().await.unwrap().version.is_empty(), "another connection goes on");
}

pub(super) async fn deleted_streams_are_gone_with_all_beside_them(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    lab.publish("l", "1").await;
    a.fetch(1).await;
    lab.transport.delete_stream(&"s".into()).await.unwrap();
    lab.transport.delete_stream(&"s".into()).await.unwrap();
    assert_eq!(lab.transport.stream_info(&"s".into()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(lab.transport.signs(&group).await.unwrap().is_empty());
    assert_eq!(a.try_fetch(1).await.unwrap_err(), Refusal::Forgotten);
}
