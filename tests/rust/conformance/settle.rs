//! Settling: once, by whom it belongs to, with nothing of a dead letter lost.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::ErrorKind;
use stargazer_core::topology::body_key;
use stargazer_core::topology::field::{DATA, REASON};
use stargazer_core::transport::{
    Append, EntryId, Fetch, Fields, Handed, Lane, MAX_BATCH, Record, Refusal, Settle, SettleResult, Verdict, field,
};

use super::lab::Lab;
use super::player::{Player, ack, outcome, retry};

async fn one(lab: &Lab) -> (Player, EntryId) {
    let group = lab.group().await;
    let mut a = Player::join(lab, &group, "a").await;
    let id = lab.publish("x", "body").await;
    assert_eq!(a.ids(9).await, [id]);
    (a, id)
}

async fn dead_letters(lab: &Lab) -> Vec<Fields> {
    let all = lab.transport.range(&"dead".into(), EntryId::ZERO, EntryId::MAX, 100).await.unwrap();
    all.into_iter().map(|entry| entry.fields).collect()
}

fn dead(fields: &[(&'static str, Bytes)]) -> Verdict {
    let fields = fields.iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), value.clone())).collect();
    Verdict::Dead { stream: "dead".into(), fields }
}

/// What the pending list of a session holds, read as an adopter would.
async fn history(player: &Player) -> Vec<Handed> {
    let request =
        Fetch { cursor: EntryId::ZERO, count: 100, max_bytes: 1 << 20, unweighed: false, new: false, wary: true };
    player.fetch_as(request).await.unwrap().entries
}

pub(super) async fn an_ack_finishes(lab: Lab) {
    let (a, id) = one(&lab).await;
    assert_eq!(a.ack(id, "x").await, SettleResult::Done);
    assert_eq!(a.holds().await, 0);
    assert!(history(&a).await.is_empty());
    let pending = lab.transport.pending(&a.group.stream, &a.group.name).await.unwrap();
    assert_eq!((pending.count, pending.oldest, pending.newest), (0, None, None));
}

pub(super) async fn a_settle_repeated_is_done_once(lab: Lab) {
    let (a, id) = one(&lab).await;
    let batch = [outcome(id, Some("x"), dead(&[(DATA, Bytes::from_static(b"body"))]))];
    for _ in 0..3 {
        let settled = a.settle(&batch).await.unwrap();
        assert_eq!(settled.results, [SettleResult::Done]);
        assert!(settled.lanes.is_empty());
    }
    assert_eq!(dead_letters(&lab).await.len(), 1);
    a.settle(&[retry(id, "x", Record { starts: 1, ..Record::default() })]).await.unwrap();
    assert!(history(&a).await.is_empty(), "what is done is not retried");
}

pub(super) async fn a_stale_session_settles_nothing(lab: Lab) {
    let (a, id) = one(&lab).await;
    let heir = a.adopted_by("heir").await;
    for verdict in [Verdict::Ack, dead(&[(DATA, Bytes::new())]), Verdict::Retry(Record::default())] {
        assert_eq!(a.settle(&[outcome(id, Some("x"), verdict)]).await.unwrap_err(), Refusal::Stale);
    }
    let begun = lab.transport.begin(&a.group, &a.session, &[(id, Record::default())]).await.unwrap();
    assert_eq!(begun, Err(Refusal::Stale));
    assert!(dead_letters(&lab).await.is_empty());
    assert_eq!(history(&heir).await[0].record, None);
    assert_eq!(heir.ack(id, "x").await, SettleResult::Done);
}

pub(super) async fn a_lane_that_moved_is_stale_for_its_entry_only(lab: Lab) {
    let (mut a, id) = one(&lab).await;
    let mut b = Player::join(&lab, &a.group, "b").await;
    let other = lab.publish("y", "").await;
    assert_eq!(b.ids(9).await, [other]);
    let mine = lab.publish("z", "").await;
    assert_eq!(a.ids(9).await, [mine]);
    let letter = dead(&[(DATA, Bytes::from_static(b"never"))]);
    let batch = [ack(id, "x"), outcome(other, Some("y"), letter), ack(mine, "z")];
    let settled = a.settle(&batch).await.unwrap();
    assert_eq!(settled.results, [SettleResult::Done, SettleResult::Stale, SettleResult::Done]);
    assert!(settled.lanes.is_empty());
    assert!(dead_letters(&lab).await.is_empty());
    assert_eq!(b.holds().await, 1);
    assert_eq!(b.ack(other, "y").await, SettleResult::Done);
}

pub(super) async fn an_entry_without_lane_is_settled_by_its_holder_only(lab: Lab) {
    let group = lab.group().await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let unlaned = || stargazer_core::transport::Append::new("s".into(), super::lab::fields(&[("other", "1")]));
    let (first, second) = (lab.append(unlaned()).await, lab.append(unlaned()).await);
    assert_eq!((a.ids(1).await, b.ids(1).await), (vec![first], vec![second]));
    let both = [outcome(first, None, Verdict::Ack), outcome(second, None, Verdict::Ack)];
    assert_eq!(b.settle(&both).await.unwrap().results, [SettleResult::Stale, SettleResult::Done]);
    assert_eq!(a.settle(&both).await.unwrap().results, [SettleResult::Done, SettleResult::Done]);
}

pub(super) async fn a_dead_letter_keeps_its_fields_and_bytes(lab: Lab) {
    let (a, id) = one(&lab).await;
    let every_byte = (0..=255_u8).collect::<Bytes>();
    let letter =
        dead(&[(DATA, every_byte.clone()), (REASON, Bytes::from_static(b"malformed")), ("empty", Bytes::new())]);
    let settled = a.settle(&[outcome(id, Some("x"), letter.clone())]).await.unwrap();
    assert_eq!(settled.results, [SettleResult::Done]);
    let letters = dead_letters(&lab).await;
    let Verdict::Dead { fields, .. } = letter else { unreachable!() };
    assert_eq!(letters, [fields]);
    assert_eq!(field(&letters[0], DATA), Some(&every_byte));
    assert_eq!(a.holds().await, 0);
    assert_eq!(lab.transport.range(&a.group.stream, EntryId::ZERO, EntryId::MAX, 9).await.unwrap(), []);
}

pub(super) async fn a_retry_keeps_lane_and_due_time(lab: Lab) {
    let (mut a, id) = one(&lab).await;
    let record =
        Record { starts: 4, running: true, deaths: 3, lone_deaths: 1, alone: true, due_in: Duration::from_millis(500) };
    let settled = a.settle(&[retry(id, "x", record)]).await.unwrap();
    assert_eq!(settled.results, [SettleResult::Done]);
    assert_eq!(settled.lanes, [(Lane::from_static(b"x"), 1)]);
    let mut b = Player::join(&lab, &a.group, "b").await;
    let second = lab.publish("x", "").await;
    assert!(b.ids(9).await.is_empty(), "the lane waits with its owner");
    let seen = history(&a).await[0].record.unwrap();
    assert!(seen.due_in <= record.due_in && seen.due_in > Duration::ZERO, "{seen:?}");
    assert_eq!(Record { due_in: record.due_in, ..seen }, record);
    lab.until(async || history(&a).await[0].record.unwrap().due_in == Duration::ZERO).await;
    assert_eq!(a.ack(id, "x").await, SettleResult::Done);
    let rest = a.fetch(9).await;
    assert_eq!((rest[0].id, rest[0].record), (second, None));
}

pub(super) async fn a_retry_is_absolute(lab: Lab) {
    let (a, id) = one(&lab).await;
    let record = Record { starts: 2, ..Record::default() };
    for _ in 0..3 {
        a.settle(&[retry(id, "x", record)]).await.unwrap();
        assert_eq!(history(&a).await[0].record, Some(record));
    }
}

pub(super) async fn counts_of_remaining_lanes_are_told(lab: Lab) {
    let (mut a, first) = one(&lab).await;
    let mut ids = Vec::new();
    for lane in ["x", "x", "y", "y", "z"] {
        ids.push(lab.publish(lane, "").await);
    }
    assert_eq!(a.ids(9).await, ids);
    let batch = [ack(first, "x"), ack(ids[0], "x"), ack(ids[2], "y"), ack(ids[4], "z")];
    let mut lanes = a.settle(&batch).await.unwrap().lanes;
    lanes.sort();
    assert_eq!(lanes, [(Lane::from_static(b"x"), 1), (Lane::from_static(b"y"), 1)]);
}

pub(super) async fn begin_marks_only_what_is_pending(lab: Lab) {
    let (mut a, first) = one(&lab).await;
    let second = lab.publish("x", "").await;
    assert_eq!(a.ids(9).await, [second]);
    a.ack(first, "x").await;
    let record = Record { starts: 3, running: true, ..Record::default() };
    let starts = [(first, record), (second, record), (EntryId::new(1, 1), record)];
    let b = Player::join(&lab, &a.group, "b").await;
    assert_eq!(lab.transport.begin(&a.group, &b.session, &starts).await.unwrap(), Ok(()));
    assert_eq!(history(&a).await[0].record, None, "it is not b's");
    for _ in 0..2 {
        assert_eq!(lab.transport.begin(&a.group, &a.session, &starts).await.unwrap(), Ok(()));
    }
    assert_eq!(lab.kept(&a.group), (1, 1));
    let seen: Vec<_> = history(&a).await.into_iter().map(|e| (e.id, e.record)).collect();
    assert_eq!(seen, [(second, Some(record))]);
    assert_eq!(a.ack(second, "x").await, SettleResult::Done);
}

pub(super) async fn what_is_finished_leaves_nothing_behind(lab: Lab) {
    let (mut a, first) = one(&lab).await;
    let mut ids = vec![first];
    for lane in ["x", "y", "z"] {
        ids.push(lab.publish(lane, "").await);
    }
    a.fetch(9).await;
    let record = Record { starts: 1, ..Record::default() };
    let all: Vec<_> = ids.iter().map(|id| (*id, record)).collect();
    lab.transport.begin(&a.group, &a.session, &all).await.unwrap().unwrap();
    a.settle(&[retry(ids[0], "x", record), ack(ids[1], "x")]).await.unwrap();
    assert_eq!(lab.kept(&a.group), (3, 3));
    let letter = dead(&[(DATA, Bytes::new())]);
    a.settle(&[ack(ids[0], "x"), outcome(ids[2], Some("y"), letter), ack(ids[3], "z")]).await.unwrap();
    assert_eq!(lab.kept(&a.group), (0, 0));
}

pub(super) async fn the_largest_batch_is_carried_out(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let entry = |n: usize| {
        let fields = vec![("key".into(), format!("lane {n}").into()), ("data".into(), vec![b'x'; 500].into())];
        let body = n.is_multiple_of(3).then(|| (body_key("s", &n.to_string()), Bytes::from_static(b"big")));
        Append { body, ..Append::new("s".into(), fields) }
    };
    lab.transport.append((0..MAX_BATCH).map(entry).collect()).await.into_iter().for_each(|stored| {
        stored.unwrap();
    });
    let request =
        Fetch { cursor: EntryId::ZERO, count: MAX_BATCH, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
    let handed = a.fetch_as(request).await.unwrap().entries;
    assert_eq!(handed.len(), MAX_BATCH);
    let record = Record { starts: 1, ..Record::default() };
    let starts: Vec<_> = handed.iter().map(|entry| (entry.id, record)).collect();
    lab.transport.begin(&group, &a.session, &starts).await.unwrap().unwrap();
    assert_eq!(lab.kept(&group), (MAX_BATCH, MAX_BATCH));
    let settle = |(n, entry): (usize, &Handed)| Settle {
        id: entry.id,
        lane: entry.lane.clone(),
        verdict: match n % 3 {
            0 => Verdict::Ack,
            1 => Verdict::Retry(Record { starts: 2, ..record }),
            _ => dead(&[(DATA, Bytes::from(n.to_string()))]),
        },
        body: n.is_multiple_of(3).then(|| body_key("s", &n.to_string())),
    };
    let batch: Vec<_> = handed.iter().enumerate().map(settle).collect();
    let settled = a.settle(&batch).await.unwrap();
    assert_eq!(settled.results, vec![SettleResult::Done; MAX_BATCH]);
    let retried = MAX_BATCH / 3;
    assert_eq!(settled.lanes.len(), retried);
    assert_eq!(lab.kept(&group), (retried, retried));
    assert_eq!(lab.transport.stream_info(&"dead".into()).await.unwrap().length, retried as u64);
    let keys: Vec<_> = (0..MAX_BATCH).map(|n| body_key("s", &n.to_string())).collect();
    assert!(lab.transport.bodies(&keys).await.unwrap().iter().all(Option::is_none));
    let again = history(&a).await;
    assert!(again.iter().all(|entry| entry.record.is_some_and(|record| record.starts == 2)));
    assert_eq!(a.holds().await, retried);
}

pub(super) async fn too_many_outcomes_are_invalid(lab: Lab) {
    let (a, id) = one(&lab).await;
    let batch = vec![ack(id, "x"); MAX_BATCH + 1];
    let error = lab.transport.settle(&a.group, &a.session, &batch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    for count in [0, MAX_BATCH + 1] {
        let request = Fetch { cursor: EntryId::ZERO, count, max_bytes: 1, unweighed: false, new: true, wary: true };
        let error = lab.transport.fetch(&a.group, &a.session, &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(a.holds().await, 1);
}
