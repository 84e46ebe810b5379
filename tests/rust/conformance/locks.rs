//! Locks with a token, and the mode of a group in which channels are locked.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::ErrorKind;
use stargazer_core::topology::{Name, channel_lock, lock_channel};
use stargazer_core::transport::{Group, Heard, LockId, Ordering, Settle, SettleResult, Verdict};

use super::lab::{ACKED, Lab};
use super::player::{Player, outcome};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

fn key() -> Name {
    channel_lock("c1")
}

pub(super) async fn a_lock_is_held_under_one_token(lab: Lab) {
    let (key, t) = (key(), &lab.transport);
    for _ in 0..2 {
        assert!(t.lock(&key, "one", LONG).await.unwrap(), "also when the answer was lost");
        assert!(!t.lock(&key, "two", LONG).await.unwrap());
    }
    assert!(t.lock(&channel_lock("c2"), "two", LONG).await.unwrap());
    assert!(!t.unlock(&key, "two").await.unwrap());
    assert!(!t.lock(&key, "two", LONG).await.unwrap());
    assert!(t.unlock(&key, "one").await.unwrap());
    assert!(!t.unlock(&key, "one").await.unwrap());
    assert!(t.lock(&key, "two", LONG).await.unwrap());
}

pub(super) async fn a_lock_lapses_unless_it_is_renewed(lab: Lab) {
    let (key, t) = (key(), &lab.transport);
    assert!(t.lock(&key, "one", SHORT).await.unwrap());
    lab.until(async || t.lock(&key, "two", SHORT).await.unwrap()).await;
    assert!(!t.renew_lock(&key, "one", LONG).await.unwrap());
    assert!(!t.unlock(&key, "one").await.unwrap());
    assert!(t.renew_lock(&key, "two", LONG).await.unwrap());
    lab.pass(SHORT * 2).await;
    assert!(!t.lock(&key, "one", SHORT).await.unwrap());
    assert!(t.unlock(&key, "two").await.unwrap());
    assert!(!t.renew_lock(&key, "two", LONG).await.unwrap(), "what is free is not renewed");
}

pub(super) async fn giving_a_lock_up_is_told(lab: Lab) {
    let (key, t) = (key(), &lab.transport);
    let mut ear = t.subscribe(&[lock_channel(&key)]).await.unwrap();
    assert!(t.lock(&key, "one", LONG).await.unwrap());
    assert!(!t.unlock(&key, "two").await.unwrap(), "nothing is told of what is held on");
    assert!(t.unlock(&key, "one").await.unwrap());
    let told = Heard::Notification { channel: lock_channel(&key), payload: Bytes::new() };
    assert_eq!(ear.next().await.unwrap(), told);
    assert!(!t.unlock(&key, "one").await.unwrap());
    assert!(t.lock(&key, "two", LONG).await.unwrap() && t.unlock(&key, "two").await.unwrap());
    assert_eq!(ear.next().await.unwrap(), told, "once each");
}

pub(super) async fn a_lock_lasts_a_while(lab: Lab) {
    for ttl in [Duration::ZERO, Duration::from_micros(999)] {
        let error = lab.transport.lock(&key(), "one", ttl).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let error = lab.transport.renew_lock(&key(), "one", ttl).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(lab.transport.lock(&key(), "one", Duration::MAX).await.unwrap());
}

pub(super) async fn a_locking_group_reads_plainly_and_tells_the_lanes(lab: Lab) {
    let group = lab.group_with("g", Ordering::Lock, ACKED).await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let ids = [lab.publish("x", "1").await, lab.publish("x", "2").await];
    let (one, two) = (a.fetch(1).await, b.fetch(1).await);
    assert_eq!([one[0].id, two[0].id], ids);
    assert_eq!([one[0].lane.clone(), two[0].lane.clone()], [Some("x".into()), Some("x".into())]);
    let both: Vec<Settle> = ids.map(|id| outcome(id, Some("x"), Verdict::Ack)).into();
    let settled = a.settle(&both).await.unwrap();
    assert_eq!(settled.results, [SettleResult::Done, SettleResult::Stale], "the second is b's");
    assert!(settled.lanes.is_empty());
    assert_eq!(b.settle(&both).await.unwrap().results, [SettleResult::Done; 2]);
    assert_eq!(lab.kept(&group), (0, 0));
}

pub(super) async fn locks_of_another_name_are_a_conflict(lab: Lab) {
    let group = lab.group_with("g", Ordering::Lock, ACKED).await;
    let a = Player::join(&lab, &group, "a").await;
    for other in [
        Group { lock_id: LockId::ChannelId, ..group.clone() },
        Group::new("s".into(), "g".into(), Ordering::None, ACKED),
        Group::new("s".into(), "g".into(), Ordering::Exclusive, ACKED),
    ] {
        let error = lab.transport.register(&other, &"b".into(), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Ok(true));
    let other = Group { lock_id: LockId::ChannelId, ..group.clone() };
    Player::join(&lab, &other, "b").await;
}
