//! Mode `exclusive`: one session at a time reads what is new.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::transport::{EntryId, Fetch, Group, Hint, Ordering, Record, Refusal, SettleResult, Sign, Verdict};

use super::lab::{ACKED, Lab, fields};
use super::player::{Player, ack, outcome, retry};

/// A group of this mode and two sessions in it.
async fn two(lab: &Lab) -> (Player, Player) {
    let group = lab.group_with("g", Ordering::Exclusive, ACKED).await;
    (Player::join(lab, &group, "a").await, Player::join(lab, &group, "b").await)
}

/// Who holds the stream, as a look shows it.
async fn holders(lab: &Lab, group: &Group) -> Vec<String> {
    let signs: Vec<Sign> = lab.transport.signs(group).await.unwrap();
    signs.iter().filter(|sign| sign.holder).map(|sign| sign.identity.to_string()).collect()
}

async fn stands_by(player: &Player) -> bool {
    let answer = player.try_fetch(9).await.unwrap();
    answer.entries.is_empty() && answer.hint == Some(Hint::Rest)
}

pub(super) async fn the_first_to_ask_holds_the_stream(lab: Lab) {
    let (mut a, b) = two(&lab).await;
    assert!(holders(&lab, &a.group).await.is_empty());
    let first = lab.publish("x", "1").await;
    assert_eq!(a.ids(9).await, [first]);
    let second = lab.publish("y", "2").await;
    assert!(stands_by(&b).await, "a holds every lane");
    assert_eq!(holders(&lab, &a.group).await, ["a"]);
    assert_eq!(a.ids(9).await, [second]);
    for (id, lane) in [(first, "x"), (second, "y")] {
        assert_eq!(a.ack(id, lane).await, SettleResult::Done);
    }
    let third = lab.publish("y", "3").await;
    assert!(stands_by(&b).await, "also when it has nothing in hand");
    assert_eq!(a.ids(9).await, [third]);
    assert_eq!(lab.kept(&a.group), (0, 0), "lanes are kept in the process only");
}

pub(super) async fn lanes_are_told_as_where_they_are_routed(lab: Lab) {
    let (mut a, _b) = two(&lab).await;
    for entry in [&[("key", "k")][..], &[("key", "k"), ("ua", "1")], &[("data", "no envelope")]] {
        lab.append(stargazer_core::transport::Append::new("s".into(), fields(entry))).await;
    }
    for history in [false, true] {
        let lanes: Vec<_> = a.fetch(9).await.into_iter().map(|entry| (entry.lane, entry.history)).collect();
        assert_eq!(lanes, [(Some(Bytes::from_static(b"k")), history), (None, history), (None, history)]);
        a.cursor = EntryId::ZERO;
    }
}

pub(super) async fn a_standby_settles_nothing_of_the_holder(lab: Lab) {
    let (mut a, b) = two(&lab).await;
    let ids = [lab.publish("x", "").await, lab.publish("y", "").await];
    a.fetch(9).await;
    let letter = Verdict::Dead { stream: "dead".into(), fields: fields(&[("data", "")]) };
    let batch = [ack(ids[0], "x"), outcome(ids[1], Some("y"), letter)];
    assert_eq!(b.settle(&batch).await.unwrap().results, [SettleResult::Stale; 2]);
    assert!(lab.transport.range(&"dead".into(), EntryId::ZERO, EntryId::MAX, 9).await.unwrap().is_empty());
    assert_eq!(a.holds().await, 2);
    let mut settled = a.settle(&batch).await.unwrap();
    assert_eq!((settled.results, settled.lanes.pop()), (vec![SettleResult::Done; 2], None));
    assert_eq!(b.settle(&batch).await.unwrap().results, [SettleResult::Done; 2], "done before");
}

pub(super) async fn who_acts_for_the_holder_reads_on(lab: Lab) {
    let (mut a, b) = two(&lab).await;
    let ids = [lab.publish("x", "").await, lab.publish("x", "").await];
    a.fetch(9).await;
    lab.transport.stop(&a.group, std::slice::from_ref(&a.session)).await.unwrap();
    let new = lab.publish("x", "").await;
    assert!(stands_by(&b).await, "what a left behind comes first");
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Stale);
    let mut heir = a.adopted_by("b").await;
    assert_eq!(heir.ids(2).await, ids);
    assert_eq!(heir.ids(9).await, [new]);
    assert_eq!(holders(&lab, &a.group).await, ["a"], "the work goes with the identity");
    assert_eq!(a.settle(&[ack(ids[0], "x")]).await.unwrap_err(), Refusal::Stale);
    let all = [ack(ids[0], "x"), ack(ids[1], "x"), ack(new, "x")];
    assert_eq!(heir.settle(&all).await.unwrap().results, [SettleResult::Done; 3]);
}

pub(super) async fn the_place_is_free_when_the_holder_has_retired(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let first = lab.publish("x", "").await;
    a.fetch(9).await;
    let second = lab.publish("x", "").await;
    assert_eq!(lab.transport.retire(&a.group, &a.session).await.unwrap(), Ok(false));
    assert!(stands_by(&b).await);
    a.ack(first, "x").await;
    assert_eq!(lab.transport.retire(&a.group, &a.session).await.unwrap(), Ok(true));
    assert!(holders(&lab, &a.group).await.is_empty());
    assert_eq!(b.ids(9).await, [second]);
    assert_eq!(holders(&lab, &a.group).await, ["b"]);
    let c = Player::join(&lab, &a.group, "c").await;
    assert_eq!(lab.transport.retire(&a.group, &c.session).await.unwrap(), Ok(true), "a standby goes as it came");
    assert_eq!(holders(&lab, &a.group).await, ["b"]);
    b.ack(second, "x").await;
    assert_eq!(lab.transport.retire(&a.group, &b.session).await.unwrap(), Ok(true));
    let other = Group::new("s".into(), "g".into(), Ordering::Lanes, ACKED);
    Player::join(&lab, &other, "d").await;
}

pub(super) async fn a_holder_that_was_forgotten_holds_nothing(lab: Lab) {
    let (mut a, _b) = two(&lab).await;
    let id = lab.publish("x", "").await;
    a.fetch(9).await;
    assert!(lab.destroy(&a.group));
    lab.transport.recreate(&a.group).await.unwrap();
    assert!(holders(&lab, &a.group).await.is_empty());
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Forgotten);
    let mut c = Player::join(&lab, &a.group, "c").await;
    assert_eq!(c.ids(9).await, [id]);
}

pub(super) async fn a_batch_is_settled_as_a_whole(lab: Lab) {
    let (mut a, b) = two(&lab).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(lab.publish(["x", "y", "z"][n % 3], "").await);
    }
    a.fetch(9).await;
    let record = Record { starts: 1, due_in: Duration::from_secs(60), ..Record::default() };
    let mut batch = vec![ack(ids[0], "x"), ack(ids[1], "y"), retry(ids[2], "z", record), ack(ids[3], "x")];
    for _ in 0..2 {
        let settled = a.settle(&batch).await.unwrap();
        assert_eq!((settled.results, settled.lanes), (vec![SettleResult::Done; 4], Vec::new()));
        assert_eq!(lab.kept(&a.group), (0, 1));
    }
    let request =
        Fetch { cursor: EntryId::ZERO, count: 9, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
    let left = a.fetch_as(request).await.unwrap().entries;
    let left: Vec<_> = left.iter().map(|entry| (entry.id, entry.record.map(|r| r.starts))).collect();
    assert_eq!(left, [(ids[2], Some(1)), (ids[4], None), (ids[5], None)]);
    batch = vec![ack(ids[2], "z"), outcome(ids[4], None, Verdict::Ack), ack(ids[5], "z")];
    assert_eq!(a.settle(&batch).await.unwrap().results, [SettleResult::Done; 3]);
    assert_eq!((a.holds().await, lab.kept(&a.group)), (0, (0, 0)));
    assert_eq!(lab.transport.stream_info(&"s".into()).await.unwrap().length, 0);
    assert_eq!(b.holds().await, 0);
}

pub(super) async fn a_retiring_holder_rings_those_who_rest(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    a.fetch(9).await;
    assert!(stands_by(&b).await);
    let wait = lab.transport.wait(&b.group, b.name(), &Hint::Rest, Duration::from_secs(3600));
    let (woken, retired) = tokio::join!(wait, lab.transport.retire(&a.group, &a.session));
    woken.unwrap();
    assert_eq!(retired.unwrap(), Ok(true));
    let id = lab.publish("x", "").await;
    assert_eq!(b.ids(9).await, [id]);
}
