//! Sessions: signs of life, adoption, retiring, leaving; and what the records of starts prove.

use std::time::Duration;

use stargazer_core::transport::{EntryId, FenceToken, Fetch, Hint, Record, Refusal, Session, SettleResult, Verdict};

use super::lab::Lab;
use super::player::{Player, ack, outcome, retry};

pub(super) async fn beats_and_fences_are_shown(lab: Lab) {
    let group = lab.group().await;
    assert!(lab.transport.signs(&group).await.unwrap().is_empty());
    let (a, b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let raised = lab.transport.renew(&group, &[a.session.clone(), a.session.clone()]).await.unwrap();
    assert_eq!(raised, [Ok(1), Ok(2)]);
    let mut signs = lab.transport.signs(&group).await.unwrap();
    signs.sort_by(|a, b| a.identity.cmp(&b.identity));
    let seen: Vec<_> = signs.iter().map(|s| (&*s.identity, s.fence.clone(), s.beat)).collect();
    assert_eq!(seen, [("a", FenceToken::first("a"), 2), ("b", FenceToken::first("b"), 0)]);
    assert_eq!(b.session.fence, FenceToken::first("b"));
}

pub(super) async fn renewing_says_who_is_not_in_force(lab: Lab) {
    let group = lab.group().await;
    let (a, b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    a.adopted_by("b").await;
    let unknown = Session { identity: "c".into(), fence: FenceToken::first("c") };
    let sessions = [a.session.clone(), b.session.clone(), unknown];
    let answers = lab.transport.renew(&group, &sessions).await.unwrap();
    assert_eq!(answers, [Err(Refusal::Stale), Ok(1), Err(Refusal::Forgotten)]);
    assert!(lab.transport.renew(&group, &[]).await.unwrap().is_empty());
}

pub(super) async fn adoption_is_a_compare_and_set(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let seen = a.sign().await;
    lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap();
    assert_eq!(lab.transport.adopt(&group, &seen, "b").await.unwrap(), None, "it gave a sign of life");
    assert_eq!(lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap(), [Ok(2)]);
    let seen = a.sign().await;
    let heir = lab.transport.adopt(&group, &seen, "b").await.unwrap().unwrap();
    assert_eq!(heir, Session { identity: "a".into(), fence: seen.fence.next("b") });
    lab.transport.recreate(&group).await.unwrap();
    let gone = stargazer_core::transport::Sign { identity: "c".into(), ..seen };
    assert_eq!(lab.transport.adopt(&group, &gone, "b").await.unwrap(), None);
}

pub(super) async fn of_two_adopters_one_wins(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let seen = a.sign().await;
    let other = lab.reconnect().await;
    let (one, two) = tokio::join!(lab.transport.adopt(&group, &seen, "one"), other.adopt(&group, &seen, "two"));
    let winners: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let renewed = lab.transport.renew(&group, &[winners[0].clone(), a.session.clone()]).await.unwrap();
    assert_eq!(renewed, [Ok(1), Err(Refusal::Stale)]);
    assert_eq!(lab.transport.adopt(&group, &seen, "three").await.unwrap(), None, "the winner is alive");
}

pub(super) async fn an_adoption_repeated_gives_the_same_session(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let seen = a.sign().await;
    let first = lab.transport.adopt(&group, &seen, "b").await.unwrap().unwrap();
    assert_eq!(lab.transport.adopt(&group, &seen, "b").await.unwrap(), Some(first.clone()));
    assert_eq!(lab.transport.renew(&group, &[first]).await.unwrap(), [Ok(1)]);
}

pub(super) async fn a_fence_is_compared_as_a_whole(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let heir = a.adopted_by("heir").await;
    // After a roll-back of the server the same number may have been given out twice.
    let other = a.twin(Session { identity: "a".into(), fence: a.session.fence.next("other") });
    assert_eq!(other.session.fence.parts().0, heir.session.fence.parts().0);
    assert_eq!(other.try_fetch(1).await.unwrap_err(), Refusal::Stale);
    let answers = lab.transport.renew(&group, &[other.session.clone(), heir.session.clone()]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::Stale), Ok(1)]);
    lab.transport.stop(&group, std::slice::from_ref(&other.session)).await.unwrap();
    assert!(!heir.sign().await.fence.has_left());
}

pub(super) async fn an_adopter_reads_all_and_the_old_session_is_refused(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let ids = [lab.publish("x", "").await, lab.publish("y", "").await];
    a.fetch(9).await;
    let mut heir = a.adopted_by("heir").await;
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Stale);
    assert_eq!(a.settle(&[ack(ids[0], "x")]).await.unwrap_err(), Refusal::Stale);
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Err(Refusal::Stale));
    assert_eq!(heir.ids(9).await, ids);
    let mut next = heir.adopted_by("next").await;
    assert_eq!(heir.try_fetch(9).await.unwrap_err(), Refusal::Stale);
    assert_eq!(next.ids(9).await, ids, "an adopter can be adopted");
    assert_eq!(next.ack(ids[0], "x").await, SettleResult::Done);
}

pub(super) async fn records_survive_adoption_and_waiting_is_not_starting(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(lab.publish("x", "").await);
    }
    a.fetch(9).await;
    let record = Record { starts: 2, running: true, alone: true, ..Record::default() };
    lab.transport.begin(&group, &a.session, &[(ids[0], record)]).await.unwrap().unwrap();
    let waiting = Record { starts: 1, due_in: Duration::from_secs(3600), ..Record::default() };
    a.settle(&[retry(ids[1], "x", waiting)]).await.unwrap();
    let mut last = a;
    for n in 0..4 {
        let mut heir = last.adopted_by(&format!("h{n}")).await;
        let handed = heir.fetch(9).await;
        assert_eq!(handed.iter().map(|e| e.id).collect::<Vec<_>>(), ids);
        assert_eq!(handed[0].record, Some(record));
        let seen = handed[1].record.unwrap();
        assert!(seen.due_in > Duration::from_secs(3500) && seen.due_in <= waiting.due_in);
        assert_eq!(Record { due_in: waiting.due_in, ..seen }, waiting);
        assert!(handed[2..].iter().all(|e| e.record.is_none()), "they were read again, never started");
        last = heir;
    }
    assert_eq!(lab.pending(&group)[4].deliveries, 5, "the server's own count is of hand-outs");
    last.ack(ids[0], "x").await;
    last.settle(&[outcome(ids[1], Some("x"), Verdict::Ack)]).await.unwrap();
    assert_eq!(last.holds().await, 3);
}

pub(super) async fn an_adopted_identity_reads_nothing_new(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let old = lab.publish("x", "").await;
    a.fetch(9).await;
    let heir = a.adopted_by("heir").await;
    lab.publish("y", "").await;
    let request = |cursor| Fetch { cursor, count: 9, max_bytes: 1 << 20, unweighed: false, new: false, wary: true };
    let answer = heir.fetch_as(request(EntryId::ZERO)).await.unwrap();
    assert_eq!(answer.entries.iter().map(|e| e.id).collect::<Vec<_>>(), [old]);
    let answer = heir.fetch_as(request(old)).await.unwrap();
    assert!(answer.entries.is_empty());
    assert_ne!(answer.hint, None);
    assert_eq!(lab.transport.stream_info(&group.stream).await.unwrap().groups[0].last_delivered, old);
}

pub(super) async fn a_session_retires_only_when_it_holds_nothing(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let id = lab.publish("x", "").await;
    a.fetch(9).await;
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Ok(false));
    assert_eq!(a.ack(id, "x").await, SettleResult::Done);
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Ok(true));
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Err(Refusal::Forgotten));
    assert!(lab.transport.signs(&group).await.unwrap().is_empty());
    assert_eq!(lab.transport.stream_info(&group.stream).await.unwrap().groups[0].consumers, 0);
}

pub(super) async fn work_routed_before_retiring_is_not_lost(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut c = Player::join(&lab, &group, "c").await;
    let first = lab.publish("x", "").await;
    a.fetch(9).await;
    let heir = a.adopted_by("heir").await;
    let second = lab.publish("x", "").await;
    assert!(c.ids(9).await.is_empty());
    assert_eq!(heir.ack(first, "x").await, SettleResult::Done);
    let retired = lab.transport.retire(&group, &heir.session).await.unwrap();
    assert_eq!(retired, Ok(false), "c had routed one more");
    let mut heir = heir;
    heir.cursor = first;
    assert_eq!(heir.ids(9).await, [second]);
    heir.ack(second, "x").await;
    assert_eq!(lab.transport.retire(&group, &heir.session).await.unwrap(), Ok(true));
}

pub(super) async fn a_stopped_session_has_left_and_keeps_its_work(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut b = Player::join(&lab, &group, "b").await;
    let first = lab.publish("x", "").await;
    a.fetch(9).await;
    let stale = Session { identity: "b".into(), fence: FenceToken::first("old") };
    lab.transport.stop(&group, &[a.session.clone(), stale]).await.unwrap();
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Stale);
    let sign = a.sign().await;
    assert!(sign.fence.has_left());
    assert_eq!(sign.fence, a.session.fence.next(FenceToken::LEFT));
    assert!(!b.sign().await.fence.has_left(), "a fence that is not in force stops nobody");
    let second = lab.publish("x", "").await;
    assert!(b.ids(9).await.is_empty(), "the lane stays with the identity");
    let mut heir = a.adopted_by("b").await;
    assert_eq!(heir.ids(9).await, [first, second]);
    lab.transport.stop(&group, std::slice::from_ref(&a.session)).await.unwrap();
    heir.cursor = EntryId::ZERO;
    assert_eq!(heir.ids(9).await, [first, second], "a late stop of the old session changes nothing");
}

pub(super) async fn held_looks_without_counting(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(lab.publish("x", "").await);
    }
    a.fetch(9).await;
    let held = async |name: &str, after, count| lab.transport.held(&group, &name.into(), after, count).await.unwrap();
    assert_eq!(held("a", EntryId::ZERO, 9).await, ids);
    assert_eq!(held("a", ids[0], 1).await, ids[1..2]);
    assert!(held("a", ids[2], 9).await.is_empty());
    assert!(held("nobody", EntryId::ZERO, 9).await.is_empty());
    assert!(lab.pending(&group).iter().all(|entry| entry.deliveries == 1));
}

pub(super) async fn deliveries_count_as_in_redis(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut b = Player::join(&lab, &group, "b").await;
    lab.publish("x", "").await;
    a.fetch(1).await;
    lab.publish("x", "").await;
    b.fetch(9).await;
    lab.until(async || lab.pending(&group).iter().all(|entry| entry.idle >= Duration::from_millis(20))).await;
    let second = a.fetch(9).await;
    let pending = lab.pending(&group);
    assert_eq!(pending[1].id, second[0].id);
    let seen: Vec<_> = pending.iter().map(|entry| (&*entry.consumer, entry.deliveries)).collect();
    assert_eq!(seen, [("a", 1), ("a", 2)], "routed without a count, then read from the pending list");
    assert!(pending[0].idle >= Duration::from_millis(20) && pending[1].idle < pending[0].idle);
}

pub(super) async fn an_entry_deleted_while_pending_is_handed_without_a_body(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let ids = [lab.publish("x", "").await, lab.publish("x", "").await];
    a.fetch(9).await;
    assert!(lab.delete(&group.stream, ids[0]));
    let mut heir = a.adopted_by("heir").await;
    let handed = heir.fetch(9).await;
    assert_eq!(handed.iter().map(|e| e.id).collect::<Vec<_>>(), ids);
    assert_eq!((handed[0].fields.clone(), handed[0].lane.clone()), (None, None));
    assert!(handed[1].fields.is_some());
    let outcomes = [outcome(ids[0], None, Verdict::Ack), ack(ids[1], "x")];
    assert_eq!(heir.settle(&outcomes).await.unwrap().results, [SettleResult::Done; 2]);
    assert_eq!(lab.transport.retire(&group, &heir.session).await.unwrap(), Ok(true));
    let waited = lab.transport.wait(&group, heir.name(), &Hint::Rest, Duration::ZERO).await;
    assert!(waited.is_ok(), "waiting for a retired identity is harmless");
}
