//! Groups: made, joined, lost, made anew.

use stargazer_core::ErrorKind;
use stargazer_core::transport::{
    EntryId, Group, Missing, Ordering, Record, Recreated, Refusal, Retention, SettleResult,
};

use super::lab::{ACKED, Lab};
use super::player::{Player, ack, retry};

pub(super) async fn a_group_is_made_once(lab: Lab) {
    let group = Group::new("s".into(), "g".into(), Ordering::Lanes, ACKED);
    let first = lab.publish("l", "1").await;
    let made = lab.transport.recreate(&group).await.unwrap();
    assert_eq!(made, Recreated::Created { from: EntryId::ZERO, missing: Missing::Group });
    assert_eq!(lab.transport.recreate(&group).await.unwrap(), Recreated::Existed);
    let mut a = Player::join(&lab, &group, "a").await;
    assert_eq!(a.ids(9).await, [first], "it starts with what is there");
}

pub(super) async fn registering_needs_a_group(lab: Lab) {
    let group = Group::new("s".into(), "g".into(), Ordering::Lanes, ACKED);
    let refused = lab.transport.register(&group, &"a".into(), "x").await.unwrap();
    assert_eq!(refused, Err(Refusal::GroupLost));
    lab.publish("l", "1").await;
    let refused = lab.transport.register(&group, &"a".into(), "x").await.unwrap();
    assert_eq!(refused, Err(Refusal::GroupLost));
    assert!(lab.transport.signs(&group).await.unwrap().is_empty());
}

pub(super) async fn an_identity_is_plain_text(lab: Lab) {
    let group = lab.group().await;
    for name in ["", "#mode", "a|1"] {
        let error = lab.transport.register(&group, &name.into(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}");
    }
    assert_eq!(lab.transport.register(&group, &"a #ü:1".into(), "x").await.unwrap().unwrap().fence.parts(), (1, "x"));
}

pub(super) async fn an_identity_is_never_taken_by_force(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let error = lab.transport.register(&group, &"a".into(), "other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let id = lab.publish("l", "1").await;
    assert_eq!(a.ids(9).await, [id]);
}

pub(super) async fn registering_again_after_a_lost_answer_changes_nothing(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap();
    let again = Player::join(&lab, &group, "a").await;
    assert_eq!(again.session, a.session);
    assert_eq!(a.sign().await.beat, 1);
}

pub(super) async fn another_mode_is_a_conflict_until_the_last_has_retired(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let others = [
        Group::new("s".into(), "g".into(), Ordering::None, ACKED),
        Group::new("s".into(), "g".into(), Ordering::Lanes, Retention::Forever),
        Group { order_unaddressed: true, ..group.clone() },
    ];
    for other in &others {
        let error = lab.transport.register(other, &"b".into(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let same = Group::new("s".into(), "g".into(), Ordering::Lanes, Retention::Acked { cap: 5 });
    let b = Player::join(&lab, &same, "b").await;
    for player in [&a, &b] {
        let error = lab.transport.register(&others[0], &"c".into(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(lab.transport.retire(&group, &player.session).await.unwrap(), Ok(true));
    }
    Player::join(&lab, &others[0], "c").await;
}

pub(super) async fn a_lost_group_is_made_anew_and_nothing_unfinished_is_skipped(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(lab.publish(["x", "y"][n % 2], "").await);
    }
    assert_eq!(a.ids(5).await, ids[..5]);
    let settled = a.settle(&[ack(ids[0], "x"), retry(ids[1], "y", Record { starts: 1, ..Record::default() })]).await;
    assert_eq!(settled.unwrap().results, [SettleResult::Done; 2]);

    assert!(lab.destroy(&group));
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::GroupLost);
    assert_eq!(a.settle(&[ack(ids[2], "x")]).await.unwrap_err(), Refusal::GroupLost);
    let made = lab.transport.recreate(&group).await.unwrap();
    assert_eq!(made, Recreated::Created { from: EntryId::ZERO, missing: Missing::Group });
    assert_eq!(lab.transport.recreate(&group).await.unwrap(), Recreated::Existed);

    assert!(lab.transport.signs(&group).await.unwrap().is_empty(), "registrations of the earlier life are wiped");
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Forgotten);
    assert_eq!(a.settle(&[ack(ids[2], "x")]).await.unwrap_err(), Refusal::Forgotten);
    let mut b = Player::join(&lab, &group, "b").await;
    let handed = b.fetch(9).await;
    assert_eq!(handed.iter().map(|e| e.id).collect::<Vec<_>>(), ids[1..]);
    assert!(handed.iter().all(|e| e.record.is_none() && !e.history));
    let settled = b.settle(&[ack(ids[1], "y"), ack(ids[2], "x")]).await.unwrap();
    let mut lanes = settled.lanes;
    lanes.sort();
    assert_eq!(lanes, [("x".into(), 1), ("y".into(), 2)], "counts of the earlier life are wiped");
}

pub(super) async fn a_second_group_starts_below_its_oldest_unfinished_entry(lab: Lab) {
    let first = lab.group_with("g", Ordering::Lanes, Retention::Forever).await;
    let mut a = Player::join(&lab, &first, "a").await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(lab.publish("l", "").await);
    }
    assert_eq!(a.ids(3).await, ids[..3]);
    a.ack(ids[0], "l").await;
    assert!(lab.destroy(&first));
    let Recreated::Created { from, missing: Missing::Group } = lab.transport.recreate(&first).await.unwrap() else {
        panic!("it was lost")
    };
    assert!(from < ids[1], "{from} skips {}", ids[1]);
    assert!(from >= ids[0].before(), "{from} is far below {}", ids[1]);
    let mut b = Player::join(&lab, &first, "b").await;
    assert!(b.ids(9).await.ends_with(&ids[1..]));
}

pub(super) async fn a_deleted_stream_is_a_lost_group(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let old = lab.publish("l", "1").await;
    a.fetch(1).await;
    assert!(lab.drop_stream(&group.stream));
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::GroupLost);
    assert_eq!(lab.transport.held(&group, a.name(), EntryId::ZERO, 9).await.unwrap_err().kind(), ErrorKind::NotFound);
    lab.pass(std::time::Duration::from_millis(2)).await;
    let new = lab.publish("l", "2").await;
    assert!(new > old);
    assert_eq!(
        lab.transport.recreate(&group).await.unwrap(),
        Recreated::Created { from: EntryId::ZERO, missing: Missing::Group }
    );
    let mut b = Player::join(&lab, &group, "b").await;
    assert_eq!(b.ids(9).await, [new]);
    assert_eq!(b.ack(new, "l").await, SettleResult::Done);
    assert_eq!(b.holds().await, 0);
}

pub(super) async fn after_a_flush_sessions_are_forgotten(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    lab.flush();
    assert_eq!(a.try_fetch(1).await.unwrap_err(), Refusal::Forgotten);
    let renewed = lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap();
    assert_eq!(renewed, [Err(Refusal::Forgotten)]);
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Err(Refusal::Forgotten));
    assert_eq!(
        lab.transport.recreate(&group).await.unwrap(),
        Recreated::Created { from: EntryId::ZERO, missing: Missing::Stream }
    );
}

pub(super) async fn one_group_does_not_see_the_other(lab: Lab) {
    let (g, h) = (lab.group().await, lab.group_with("h", Ordering::Lanes, ACKED).await);
    let (mut a, mut b) = (Player::join(&lab, &g, "a").await, Player::join(&lab, &h, "b").await);
    let id = lab.publish("l", "1").await;
    assert_eq!(a.ids(9).await, [id]);
    assert_eq!(b.ids(9).await, [id]);
    assert_eq!(a.ack(id, "l").await, SettleResult::Done);
    assert_eq!((a.holds().await, b.holds().await), (0, 1));
    assert_eq!(b.ack(id, "l").await, SettleResult::Done);
}
