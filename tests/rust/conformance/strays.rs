//! Strays: entries that foreign or forgotten consumers left, and entries that are pending for nobody.

use std::time::Duration;

use stargazer_core::topology::Name;
use stargazer_core::transport::{
    Append, EntryId, Fetch, Gather, Group, Hint, Ordering, Record, Refusal, Retention, Settle, SettleResult, StrayPage,
    Verdict,
};

use super::lab::{ACKED, Lab, fields};
use super::player::{Player, ack};

const OLD: Duration = Duration::from_millis(30);

/// Takes everything that may be taken; what was taken, what had been deleted, and how many pages it took.
async fn gather_all(of: &Player, min_idle: Duration) -> (Vec<EntryId>, Vec<EntryId>, usize) {
    let (mut taken, mut vanished, mut page, mut pages) = (Vec::new(), Vec::new(), None, 0);
    loop {
        let request = Gather { page: page.take(), min_idle };
        let found = of.transport.gather(&of.group, &of.session, &request).await.unwrap().unwrap();
        taken.extend(found.taken);
        vanished.extend(found.vanished);
        pages += 1;
        match found.next {
            Some(next) => page = Some(next),
            None => return (taken, vanished, pages),
        }
    }
}

async fn taken(of: &Player) -> Vec<EntryId> {
    gather_all(of, Duration::ZERO).await.0
}

pub(super) async fn what_a_foreign_consumer_left_is_taken_once_it_is_old(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let ids = [lab.publish("x", "1").await, lab.publish("y", "2").await, lab.publish("x", "3").await];
    assert_eq!(lab.read_as(&group, "python", 3), ids);
    let later = lab.publish("z", "4").await;
    assert_eq!(a.ids(9).await, [later]);
    assert!(gather_all(&a, Duration::from_secs(3600)).await.0.is_empty(), "the foreign one may still work");
    lab.pass(OLD * 2).await;
    assert_eq!(gather_all(&a, OLD).await.0, ids);
    assert!(gather_all(&a, Duration::ZERO).await.0.is_empty());
    assert_eq!(a.hint(9).await, Some(Hint::Back(ids[0])), "they are below the cursor");
    a.cursor = EntryId::ZERO;
    let handed = a.fetch(9).await;
    assert_eq!(
        handed.iter().map(|e| (e.id, e.history)).collect::<Vec<_>>(),
        [ids[0], ids[1], ids[2], later].map(|id| (id, true))
    );
    let settled = a.settle(&[ack(ids[0], "x"), ack(ids[1], "y")]).await.unwrap();
    assert_eq!(settled.results, [SettleResult::Done; 2]);
    assert_eq!(settled.lanes, [("x".into(), 1)], "they are counted in their lanes");
    a.settle(&[ack(ids[2], "x"), ack(later, "z")]).await.unwrap();
    assert_eq!((a.holds().await, lab.kept(&group).0), (0, 0));
}

pub(super) async fn a_stray_goes_to_the_owner_of_its_lane(lab: Lab) {
    let group = lab.group().await;
    let (mut a, b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let strays = [lab.publish("x", "1").await, lab.publish("y", "2").await];
    lab.read_as(&group, "python", 2);
    let own = lab.publish("x", "3").await;
    assert_eq!(a.ids(9).await, [own]);
    assert_eq!(taken(&b).await, strays);
    assert!(taken(&a).await.is_empty());
    assert_eq!((a.holds().await, b.holds().await), (2, 1), "x is a's");
    assert_eq!(a.hint(9).await, Some(Hint::Back(strays[0])), "it lies below what a has received");
    a.cursor = EntryId::ZERO;
    assert_eq!(a.ids(9).await, [strays[0], own]);
    let settled = a.settle(&[ack(strays[0], "x")]).await.unwrap();
    assert_eq!(settled.lanes, [("x".into(), 1)]);
}

pub(super) async fn what_forgotten_sessions_left_keeps_its_place(lab: Lab) {
    let group = lab.group().await;
    let (mut a, idle) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "idle").await);
    let mut ids = vec![lab.publish("x", "1").await, lab.publish("x", "2").await];
    a.fetch(9).await;
    lab.transport.renew(&group, std::slice::from_ref(&a.session)).await.unwrap()[0].unwrap();
    lab.forget_registrations(&group);
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Forgotten);
    assert_eq!(lab.transport.sweep(&group, 0).await.unwrap(), None, "lanes stay while nobody is registered");
    let mut b = Player::join(&lab, &group, "b").await;
    assert_eq!(a.try_fetch(9).await.unwrap_err(), Refusal::Stale, "it is not a's any more");
    assert_eq!(idle.try_fetch(9).await.unwrap_err(), Refusal::Forgotten, "it held nothing");
    ids.push(lab.publish("x", "3").await);
    let free = lab.publish("y", "").await;
    assert_eq!(b.ids(9).await, [free], "the lane is still a's");
    assert!(taken(&b).await.is_empty(), "it is no stray");
    let sign = a.sign().await;
    assert_eq!((sign.fence.parts(), sign.beat), ((0, "lost"), 1));
    let mut heir = a.adopted_by("heir").await;
    assert_eq!(heir.ids(9).await, ids);
    for id in &ids {
        assert_eq!(heir.ack(*id, "x").await, SettleResult::Done);
    }
    assert_eq!(lab.transport.retire(&group, &heir.session).await.unwrap(), Ok(true));
    ids = vec![lab.publish("x", "4").await];
    assert_eq!(b.ids(9).await, ids);
}

pub(super) async fn who_held_the_stream_holds_it_when_it_is_found_again(lab: Lab) {
    let group = lab.group_with("g", Ordering::Exclusive, ACKED).await;
    let mut a = Player::join(&lab, &group, "a").await;
    let first = lab.publish("x", "1").await;
    assert_eq!(a.ids(9).await, [first]);
    lab.forget_registrations(&group);
    let b = Player::join(&lab, &group, "b").await;
    let second = lab.publish("x", "2").await;
    assert_eq!(b.hint(9).await, Some(Hint::Rest), "another one reads");
    assert!(a.sign().await.holder);
    let mut heir = a.adopted_by("heir").await;
    assert_eq!(heir.ids(9).await, [first, second]);
}

pub(super) async fn a_walk_goes_page_by_page_over_all_strange_consumers(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(lab.publish(&(n % 7).to_string(), "").await);
    }
    assert_eq!(lab.read_as(&group, "one", 70).len(), 70);
    assert_eq!(lab.read_as(&group, "two", 80).len(), 80);
    let (taken, _, pages) = gather_all(&a, Duration::ZERO).await;
    assert_eq!(taken, ids);
    assert!((4..=6).contains(&pages), "{pages} pages");
    let page = Some(StrayPage { of: Some("one".into()), after: EntryId::ZERO });
    let request = Gather { page, min_idle: Duration::ZERO };
    let again = lab.transport.gather(&group, &a.session, &request).await.unwrap().unwrap();
    assert!(again.taken.is_empty(), "a page asked for again takes nothing twice");
}

pub(super) async fn what_a_foreign_consumer_left_may_have_been_deleted(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let ids = [lab.publish("x", "1").await, lab.publish("x", "2").await];
    lab.read_as(&group, "python", 2);
    assert!(lab.delete(&group.stream, ids[0]));
    let (taken, vanished, _) = gather_all(&a, Duration::ZERO).await;
    assert_eq!((taken, vanished), (ids[1..].to_vec(), ids[..1].to_vec()));
    assert_eq!(lab.pending(&group).len(), 1);
}

pub(super) async fn what_a_deleted_consumer_held_comes_back_before_anything_else(lab: Lab) {
    let group = lab.group().await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let mut ids = Vec::new();
    for lane in ["x", "y", "x", "z", "y", "x", "w"] {
        ids.push(lab.publish(lane, "").await);
    }
    assert_eq!(a.ids(3).await, ids[..3]);
    assert_eq!(b.ids(1).await, ids[3..4]);
    assert_eq!(b.ids(9).await, ids[6..], "the fifth and the sixth are on their way to a");
    assert!(taken(&a).await.is_empty(), "nothing is missing");
    lab.delete_consumer(&group, "a");
    assert_eq!(lab.pending(&group).len(), 2);
    lab.transport.sweep(&group, 0).await.unwrap();
    let later = [lab.publish("x", "").await, lab.publish("v", "").await];

    // Whoever meets a lane of a's first, nothing more is handed out.
    assert_eq!(b.ids(1).await, [] as [EntryId; 0]);
    for player in [&mut a, &mut b] {
        assert_eq!(player.hint(9).await, Some(Hint::Gather));
    }
    assert_eq!(lab.transport.retire(&group, &a.session).await.unwrap(), Ok(false), "something may come back");
    // What a finishes meanwhile is finished, and counted.
    let settled = a.settle(&[ack(ids[0], "x")]).await.unwrap();
    assert_eq!((settled.results, settled.lanes), (vec![SettleResult::Done], vec![("x".into(), 3)]));
    let again = a.settle(&[ack(ids[0], "x")]).await.unwrap();
    assert_eq!(again.lanes, [("x".into(), 3)], "once");
    let record = Record { starts: 2, due_in: Duration::ZERO, ..Record::default() };
    let retry = Settle { verdict: Verdict::Retry(record), ..ack(ids[1], "y") };
    assert_eq!(a.settle(&[retry]).await.unwrap().lanes, [("y".into(), 2)]);
    let dead = Verdict::Dead { stream: "letters".into(), fields: vec![("why".into(), "".into())] };
    let settled = a.settle(&[Settle { verdict: dead, ..ack(ids[2], "x") }]).await.unwrap();
    assert_eq!(settled.lanes, [("x".into(), 2)]);
    assert_eq!(lab.transport.stream_info(&"letters".into()).await.unwrap().length, 1);

    let mine = taken(&b).await;
    assert_eq!(mine, [ids[1], ids[4], ids[5]]);
    assert_eq!((a.holds().await, b.holds().await), (4, 2), "all of it is a's");
    assert_eq!(b.ids(9).await, later[1..]);
    assert_eq!(a.hint(9).await, Some(Hint::Back(ids[1])));
    a.cursor = ids[0];
    let unwary = Fetch { cursor: a.cursor, count: 9, max_bytes: 1 << 20, unweighed: false, new: true, wary: false };
    let fetched = a.fetch_as(unwary).await.unwrap();
    assert_eq!((fetched.entries.len(), fetched.hint), (0, Some(Hint::Back(ids[1]))), "whoever takes it must know");
    let back = a.fetch(9).await;
    assert_eq!(back.iter().map(|entry| entry.id).collect::<Vec<_>>(), [ids[1], ids[4], ids[5], later[0]]);
    assert_eq!(back[0].record.map(|record| record.starts), Some(2), "the retry was recorded");
    let all = [ack(ids[1], "y"), ack(ids[4], "y"), ack(ids[5], "x"), ack(later[0], "x")];
    assert!(a.settle(&all).await.unwrap().lanes.is_empty());
    b.settle(&[ack(ids[3], "z"), ack(ids[6], "w"), ack(later[1], "v")]).await.unwrap();
    assert_eq!(lab.kept(&group), (0, 0));
    for player in [&a, &b] {
        assert_eq!(lab.transport.retire(&group, &player.session).await.unwrap(), Ok(true));
    }
}

/// Nobody has met the one that lost its consumer: it stands still, or waits.
pub(super) async fn what_a_deleted_consumer_held_without_lane_goes_back_to_it(lab: Lab) {
    let group = lab.group().await;
    let (mut a, b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let loose = async || lab.append(Append::new("s".into(), fields(&[("data", "1")]))).await;
    let ids = [loose().await, loose().await];
    assert_eq!(a.ids(9).await, ids);
    lab.delete_consumer(&group, "a");
    assert_eq!(taken(&b).await, ids);
    assert_eq!((a.holds().await, b.holds().await), (2, 0), "it may be at work on them");
    let acks = ids.map(|id| Settle { lane: None, ..ack(id, "") });
    assert_eq!(a.settle(&acks).await.unwrap().results, [SettleResult::Done; 2]);
    assert_eq!(lab.kept(&group), (0, 0));
}

pub(super) async fn a_record_of_what_somebody_else_finished_goes(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(lab.publish(&n.to_string(), "").await);
    }
    while a.fetch(64).await.len() == 64 {}
    let record = Record { starts: 1, running: true, ..Record::default() };
    for page in ids.chunks(50) {
        let starts: Vec<_> = page.iter().map(|id| (*id, record)).collect();
        lab.transport.begin(&group, &a.session, &starts).await.unwrap().unwrap();
    }
    assert_eq!(lab.kept(&group).1, 200);
    // Whoever had an entry before it was taken away acknowledges it late, and may delete it.
    lab.ack_as(&group, &ids[..150]);
    for id in &ids[50..150] {
        assert!(lab.delete(&group.stream, *id));
    }
    swept(&lab, &group).await;
    assert_eq!(lab.kept(&group).1, 100, "what stands there and is pending for nobody may come back");
    lab.publish("x", "").await;
    assert_eq!(lab.read_as(&group, "python", 1).len(), 1);
    lab.transport.survey(&group).await.unwrap();
    swept(&lab, &group).await;
    assert_eq!(lab.kept(&group).1, 50, "with somebody else about it does not");
}

async fn swept(lab: &Lab, group: &Group) {
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = lab.transport.sweep(group, at).await.unwrap();
    }
}

pub(super) async fn a_walk_starts_again_when_another_consumer_is_deleted(lab: Lab) {
    let group = lab.group().await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(lab.publish(&(n % 10).to_string(), "").await);
    }
    let first = [a.ids(5).await, b.ids(5).await].concat();
    assert_eq!(first, ids[..10]);
    a.ids(200).await;
    b.ids(200).await;
    lab.delete_consumer(&group, "a");
    assert_ne!(b.hint(9).await, Some(Hint::Gather), "b's own are not concerned, and there is nothing new");
    assert_eq!(a.hint(9).await, Some(Hint::Gather));
    let nobodys = || Gather { page: Some(StrayPage { of: None, after: EntryId::ZERO }), min_idle: Duration::ZERO };
    let one = lab.transport.gather(&group, &b.session, &nobodys()).await.unwrap().unwrap();
    assert!(!one.taken.is_empty() && one.next.is_some());
    lab.delete_consumer(&group, "b");
    assert_eq!(b.hint(9).await, Some(Hint::Gather));
    let rest = taken(&a).await;
    assert_eq!(one.taken.len() + rest.len(), 200);
    assert_eq!((a.holds().await, b.holds().await), (100, 100));
    for player in [&mut a, &mut b] {
        player.cursor = EntryId::ZERO;
        let mut held = Vec::new();
        loop {
            let page = player.fetch(64).await;
            if page.is_empty() {
                break;
            }
            held.extend(page.into_iter().map(|entry| (entry.id, entry.lane.unwrap())));
        }
        assert_eq!(held.len(), 100);
        let acks: Vec<_> = held.iter().map(|(id, lane)| Settle { lane: Some(lane.clone()), ..ack(*id, "") }).collect();
        assert!(player.settle(&acks).await.unwrap().lanes.is_empty());
    }
    assert_eq!(lab.kept(&group), (0, 0), "every lane counted what it had");
}

pub(super) async fn what_somebody_else_may_have_finished_is_left_alone(lab: Lab) {
    let forever = Group::new("s".into(), "g".into(), Ordering::Lanes, Retention::Forever);
    lab.transport.recreate(&forever).await.unwrap();
    let mut old = Player::join(&lab, &forever, "old").await;
    let kept = lab.publish("x", "1").await;
    old.fetch(9).await;
    old.ack(kept, "x").await;
    assert_eq!(lab.transport.retire(&forever, &old.session).await.unwrap(), Ok(true));

    // The same group under `acked`: what was finished before looks like a ghost.
    let group = Group::new("s".into(), "g".into(), Ordering::Lanes, ACKED);
    let mut a = Player::join(&lab, &group, "a").await;
    assert!(taken(&a).await.is_empty(), "it was finished under another retention");

    // A foreign consumer finishes without deleting.
    let foreign = lab.publish("x", "2").await;
    assert_eq!(lab.read_as(&group, "python", 1), [foreign]);
    assert_eq!(lab.transport.survey(&group).await.unwrap(), [Name::from("python")]);
    lab.delete_consumer(&group, "python");
    assert!(taken(&a).await.is_empty(), "the foreign one may have finished it");

    // What came after it was seen is ours alone.
    let own = lab.publish("x", "3").await;
    assert_eq!(a.ids(9).await, [own]);
    lab.delete_consumer(&group, "a");
    assert_eq!(taken(&a).await, [own]);

    // With a second group, finished entries stay until both are done.
    let h = lab.group_with("h", Ordering::Lanes, ACKED).await;
    lab.delete_consumer(&group, "a");
    assert!(taken(&a).await.is_empty());
    assert!(lab.destroy(&h));
}

pub(super) async fn only_a_session_in_force_gathers(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    lab.publish("x", "1").await;
    lab.read_as(&group, "python", 1);
    a.adopted_by("heir").await;
    let request = Gather { page: None, min_idle: Duration::ZERO };
    let refused = lab.transport.gather(&group, &a.session, &request).await.unwrap();
    assert_eq!(refused, Err(Refusal::Stale));
    let refused = lab.transport.refresh(&group, &a.session, EntryId::ZERO).await.unwrap();
    assert_eq!(refused, Err(Refusal::Stale));
    assert!(lab.destroy(&group));
    let refused = lab.transport.gather(&group, &a.session, &request).await.unwrap();
    assert_eq!(refused, Err(Refusal::GroupLost));
    assert!(lab.transport.survey(&group).await.unwrap().is_empty());

    // Where one session holds the stream, nobody else takes.
    let exclusive = lab.group_with("e", Ordering::Exclusive, ACKED).await;
    let (mut holder, other) = (Player::join(&lab, &exclusive, "h").await, Player::join(&lab, &exclusive, "o").await);
    let held = holder.ids(1).await;
    lab.publish("x", "2").await;
    lab.read_as(&exclusive, "python", 9);
    assert_eq!((held.len(), taken(&other).await.len()), (1, 0));
    assert_eq!(taken(&holder).await.len(), 1);
}

pub(super) async fn a_survey_names_who_is_not_registered(lab: Lab) {
    let group = lab.group().await;
    let mut a = Player::join(&lab, &group, "a").await;
    a.fetch(9).await;
    assert!(lab.transport.survey(&group).await.unwrap().is_empty());
    for consumer in ["python", "another"] {
        lab.publish("x", "").await;
        lab.read_as(&group, consumer, 1);
    }
    assert_eq!(lab.transport.survey(&group).await.unwrap(), [Name::from("another"), "python".into()]);
    assert_eq!(taken(&a).await.len(), 2);
    assert_eq!(lab.transport.survey(&group).await.unwrap().len(), 2, "they asked a moment ago");
}

pub(super) async fn refreshing_resets_idle_times_and_nothing_else(lab: Lab) {
    let group = lab.group().await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    for n in 0..300 {
        lab.publish(&n.to_string(), "").await;
    }
    let first = b.ids(1).await;
    assert_eq!(a.fetch(500).await.len(), 299);
    lab.pass(OLD * 2).await;
    let before = lab.pending(&group);
    assert!(before.iter().all(|entry| entry.idle >= OLD));
    let refresh = async |after| lab.transport.refresh(&group, &a.session, after).await.unwrap().unwrap();
    let next = refresh(EntryId::ZERO).await.expect("there are more than go into a page");
    assert_eq!(refresh(next).await, None);
    let after = lab.pending(&group);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.id, &before.consumer, before.deliveries), (after.id, &after.consumer, after.deliveries));
        assert_eq!(after.idle < before.idle, after.id != first[0], "{after:?}");
    }
    assert!(lab.delete(&group.stream, before[5].id));
    refresh(EntryId::ZERO).await;
    assert_eq!(lab.pending(&group).len(), before.len(), "what was deleted is still to be told of");
}
