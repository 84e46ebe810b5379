//! What is kept and for how long, and what a look tells about it.

use bytes::Bytes;
use stargazer_core::ErrorKind;
use stargazer_core::topology::{Name, body_key, field};
use stargazer_core::transport::{Append, EntryId, Group, Ordering, Record, Retention, Settle, SettleResult, Verdict};

use super::lab::{ACKED, Lab, fields};
use super::player::{Player, ack, outcome, retry};

async fn sweep(lab: &Lab, group: &Group) {
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = lab.transport.sweep(group, at).await.unwrap();
    }
}

async fn left(lab: &Lab) -> Vec<EntryId> {
    let all = lab.transport.range(&"s".into(), EntryId::ZERO, EntryId::MAX, 1000).await.unwrap();
    all.iter().map(|entry| entry.id).collect()
}

/// Appends an entry of lane `x` with a big body; its id and the body's key.
async fn big(lab: &Lab, message_id: &str) -> (EntryId, Name) {
    let key = body_key("s", message_id);
    let fields = fields(&[("key", "x"), (field::REF, &key)]);
    let body = Some((key.clone(), Bytes::from_static(b"body")));
    (lab.append(Append { body, ..Append::new("s".into(), fields) }).await, key)
}

fn done(id: EntryId, body: &Name) -> Settle {
    Settle { body: Some(body.clone()), ..ack(id, "x") }
}

pub(super) async fn acked_entries_go_with_their_bodies(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let ((first, one), (second, two)) = (big(&lab, "1").await, big(&lab, "2").await);
    a.fetch(9).await;
    assert_eq!(a.settle(&[done(first, &one)]).await.unwrap().results, [SettleResult::Done]);
    assert_eq!(left(&lab).await, [second]);
    let bodies = lab.transport.bodies(&[one, two.clone()]).await.unwrap();
    assert_eq!(bodies, [None, Some(Bytes::from_static(b"body"))]);
    let letter = Verdict::Dead { stream: "dead".into(), fields: fields(&[("data", "")]) };
    a.settle(&[Settle { body: Some(two.clone()), ..outcome(second, Some("x"), letter) }]).await.unwrap();
    assert!(left(&lab).await.is_empty());
    assert_eq!(lab.transport.bodies(&[two]).await.unwrap(), [None]);
}

pub(super) async fn two_groups_keep_an_entry_until_both_are_done(lab: Lab) {
    let (g, h) = (lab.group().await, lab.group_with("h", Ordering::Lanes, ACKED).await);
    let (mut a, mut b) = (Player::join(&lab, &g, "a").await, Player::join(&lab, &h, "b").await);
    let mut entries = Vec::new();
    for n in 0..4 {
        entries.push(big(&lab, &n.to_string()).await);
    }
    let ids: Vec<_> = entries.iter().map(|(id, _)| *id).collect();
    a.fetch(9).await;
    for (id, body) in &entries {
        a.settle(&[done(*id, body)]).await.unwrap();
    }
    sweep(&lab, &g).await;
    assert_eq!(left(&lab).await, ids, "h has read nothing");
    b.fetch(3).await;
    for n in [0, 2] {
        b.settle(&[done(ids[n], &entries[n].1)]).await.unwrap();
    }
    sweep(&lab, &h).await;
    assert_eq!(left(&lab).await, ids[1..], "h holds the second");
    b.settle(&[done(ids[1], &entries[1].1)]).await.unwrap();
    sweep(&lab, &g).await;
    assert_eq!(left(&lab).await, ids[3..], "h has not read the last");
    let keys: Vec<_> = entries.iter().map(|(_, key)| key.clone()).collect();
    let bodies = lab.transport.bodies(&keys).await.unwrap();
    assert_eq!(bodies.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, false, true]);
}

pub(super) async fn a_lost_group_keeps_everything(lab: Lab) {
    let (g, h) = (lab.group().await, lab.group_with("h", Ordering::Lanes, ACKED).await);
    let mut a = Player::join(&lab, &g, "a").await;
    let id = lab.publish("x", "").await;
    a.fetch(9).await;
    assert!(lab.destroy(&h));
    a.ack(id, "x").await;
    sweep(&lab, &g).await;
    assert_eq!(left(&lab).await, [id], "what h had not finished is not known");
    lab.transport.recreate(&h).await.unwrap();
    let mut b = Player::join(&lab, &h, "b").await;
    assert_eq!(b.ids(9).await, [id]);
}

pub(super) async fn a_group_of_long_ago_holds_nothing_up(lab: Lab) {
    let (g, h) = (lab.group().await, lab.group_with("h", Ordering::Lanes, ACKED).await);
    let mut a = Player::join(&lab, &g, "a").await;
    let (id, key) = big(&lab, "1").await;
    a.fetch(9).await;
    a.settle(&[done(id, &key)]).await.unwrap();
    lab.age(&h);
    sweep(&lab, &g).await;
    sweep(&lab, &g).await;
    assert!(left(&lab).await.is_empty());
    assert_eq!(lab.transport.bodies(&[key]).await.unwrap(), [None]);
    let next = lab.publish("x", "").await;
    a.fetch(9).await;
    a.ack(next, "x").await;
    assert!(left(&lab).await.is_empty(), "g is the only group that counts");
    let mut b = Player::join(&lab, &h, "b").await;
    let last = lab.publish("x", "").await;
    a.fetch(9).await;
    a.ack(last, "x").await;
    sweep(&lab, &g).await;
    assert_eq!(b.ids(9).await, [last], "since it joined again, h counts");
}

pub(super) async fn forever_keeps_everything(lab: Lab) {
    let group = lab.group_with("g", Ordering::Lanes, Retention::Forever).await;
    let mut a = Player::join(&lab, &group, "a").await;
    let (id, key) = big(&lab, "1").await;
    a.fetch(9).await;
    assert_eq!(a.settle(&[done(id, &key)]).await.unwrap().results, [SettleResult::Done]);
    sweep(&lab, &group).await;
    assert_eq!(left(&lab).await, [id]);
    assert_eq!(a.holds().await, 0);
    assert!(lab.transport.bodies(&[key]).await.unwrap()[0].is_some(), "a body stands as long as its entry");
}

pub(super) async fn at_full_memory_work_goes_on_and_nothing_new_comes(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for lane in ["x", "y", "x", "z"] {
        ids.push(lab.publish(lane, "").await);
    }
    a.fetch(3).await;
    assert!(lab.transport.has_room(&group).await.unwrap());
    lab.fill_memory(true);
    assert!(!lab.transport.has_room(&group).await.unwrap());
    let body = Some((body_key("s", "big"), Bytes::from_static(b"big")));
    let entry = Append::new("s".into(), fields(&[("data", "")]));
    for refused in [entry.clone(), Append { strict_cap: Some(100), ..entry.clone() }, Append { body, ..entry }] {
        let error = lab.transport.append(vec![refused]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        assert!(error.context().contains(&("stored", "no".to_owned())), "{error}");
    }
    assert_eq!(lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap(), [Ok(1)]);
    let record = Record { starts: 2, running: true, ..Record::default() };
    lab.transport.begin(&group, &a.session, &[(ids[0], record)]).await.unwrap().unwrap();
    let letter = Verdict::Dead { stream: "dead".into(), fields: fields(&[("data", "1")]) };
    let batch = [outcome(ids[0], Some("x"), letter), retry(ids[1], "y", record), ack(ids[2], "x")];
    assert_eq!(a.settle(&batch).await.unwrap().results, [SettleResult::Done; 3]);
    assert_eq!(lab.transport.stream_info(&"dead".into()).await.unwrap().length, 1);
    let mut heir = a.adopted_by("heir").await;
    assert_eq!(heir.ids(9).await, [ids[1], ids[3]]);
    lab.transport.stop(&group, std::slice::from_ref(&heir.session)).await.unwrap();
    let b = Player::join(&lab, &group, "b").await;
    assert_eq!(b.adopted_by("c").await.session.fence.parts(), (2, "c"));
    lab.fill_memory(false);
    assert!(lab.transport.has_room(&group).await.unwrap());
    lab.publish("x", "").await;
}

pub(super) async fn a_sweep_frees_lanes_of_nobody(lab: Lab) {
    let group = lab.group().await;
    let (mut a, b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    for lane in ["x", "y"] {
        let id = lab.publish(lane, "").await;
        a.fetch(9).await;
        assert!(lab.delete(&group.stream, id));
        a.settle(&[outcome(id, None, Verdict::Ack)]).await.unwrap();
    }
    lab.transport.retire(&group, &a.session).await.unwrap().unwrap();
    sweep(&lab, &group).await;
    // The identity comes back, which none of ours ever does: lanes that were left would be its own again.
    let a = Player::join(&lab, &group, "a").await;
    let settled = a.settle(&[ack(EntryId::new(1, 1), "x"), ack(EntryId::new(1, 2), "y")]).await.unwrap();
    assert!(settled.lanes.is_empty());
    assert_eq!(b.holds().await, 0);
}

pub(super) async fn information_tells_what_is_known(lab: Lab) {
    let s: Name = "s".into();
    let unknown = lab.transport.stream_info(&s).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let group = lab.group().await;
    let empty = lab.transport.stream_info(&s).await.unwrap();
    assert_eq!((empty.length, empty.last_id, empty.first_entry), (0, EntryId::ZERO, None));
    let mut a = Player::join(&lab, &group, "a").await;
    let ids = [lab.publish("x", "").await, lab.publish("x", "").await, lab.publish("y", "").await];
    a.fetch(2).await;
    let info = lab.transport.stream_info(&s).await.unwrap();
    assert_eq!((info.length, info.last_id, info.first_entry), (3, ids[2], Some(ids[0])));
    let seen = &info.groups[0];
    assert_eq!((&*seen.name, seen.consumers, seen.pending, seen.last_delivered), ("g", 1, 2, ids[1]));
    assert_eq!(seen.lag, Some(1));
    assert!(lab.delete(&s, ids[2]));
    let last = lab.publish("x", "").await;
    assert_eq!(a.ids(9).await, [last]);
    let lag = lab.transport.stream_info(&s).await.unwrap().groups[0].lag;
    assert_eq!(lag, Some(0), "all is read, whatever was deleted");
    let pending = lab.transport.pending(&s, &group.name).await.unwrap();
    assert_eq!((pending.count, pending.oldest, pending.newest), (3, Some(ids[0]), Some(last)));
    assert_eq!(pending.consumers, [("a".to_owned(), 3)]);
    for (stream, name) in [("s", "other"), ("other", "g")] {
        let error = lab.transport.pending(&stream.into(), &name.into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let server = lab.transport.ping().await.unwrap();
    assert_eq!(server, lab.reconnect().await.ping().await.unwrap());
    assert!(!server.run_id.is_empty());
}
