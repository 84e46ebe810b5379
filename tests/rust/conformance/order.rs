//! Order: who gets which entry, and that nothing overtakes within a lane, whatever answers are lost.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use stargazer_core::transport::{EntryId, Fetch, Handed, Hint, Lane, Ordering, Settle, SettleResult, Verdict, field};

use super::lab::{ACKED, Dice, Lab};
use super::player::{Player, ack, outcome};

async fn two(lab: &Lab) -> (Player, Player) {
    let group = lab.group().await;
    (Player::join(lab, &group, "a").await, Player::join(lab, &group, "b").await)
}

pub(super) async fn a_lane_stays_with_its_owner_until_it_is_settled(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let first = lab.publish("x", "1").await;
    assert_eq!(a.ids(1).await, [first]);
    let second = lab.publish("x", "2").await;
    let other = lab.publish("y", "3").await;
    assert_eq!(b.ids(9).await, [other], "x is a's");
    let routed = a.fetch(9).await;
    assert_eq!(routed.iter().map(|e| (e.id, e.history)).collect::<Vec<_>>(), [(second, true)]);
    assert_eq!(routed[0].lane, Some(Lane::from_static(b"x")));
    a.ack(first, "x").await;
    let third = lab.publish("x", "4").await;
    assert!(b.ids(9).await.is_empty(), "one of x is still unsettled");
    assert_eq!(a.ids(9).await, [third]);
    a.settle(&[ack(second, "x"), ack(third, "x")]).await.unwrap();
    let fourth = lab.publish("x", "5").await;
    assert_eq!(b.ids(9).await, [fourth], "x was free");
}

pub(super) async fn a_fetch_is_repeatable_after_a_lost_answer(lab: Lab) {
    let (mut a, b) = two(&lab).await;
    for n in 0..12 {
        lab.publish(["x", "y", "z"][n % 3], "").await;
    }
    assert_eq!(a.fetch(3).await.len(), 3);
    b.try_fetch(4).await.unwrap();
    let lost = a.try_fetch(8).await.unwrap().entries;
    let again = a.fetch(8).await;
    let ids = |entries: &[Handed]| entries.iter().map(|e| (e.id, e.fields.clone(), e.lane.clone())).collect::<Vec<_>>();
    assert_eq!(ids(&again)[..lost.len()], ids(&lost));
    assert!(again[..lost.len()].iter().all(|e| e.history));
    let settled = a.settle(&[ack(again[0].id, "x")]).await.unwrap();
    assert_eq!(settled.lanes.len(), 1, "a repeated fetch counts nothing twice");
}

pub(super) async fn a_lost_answer_does_not_hide_what_came_before_the_next(lab: Lab) {
    let (mut a, _b) = two(&lab).await;
    let lost = lab.publish("x", "21").await;
    a.try_fetch(9).await.unwrap();
    let next = lab.publish("x", "27").await;
    assert_eq!(a.ids(9).await, [lost, next]);
    a.settle(&[ack(lost, "x"), ack(next, "x")]).await.unwrap();
    assert_eq!(a.holds().await, 0);
}

pub(super) async fn the_server_counts_so_a_lane_is_not_freed_under_a_fetch(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let first = lab.publish("x", "1").await;
    assert_eq!(a.ids(9).await, [first]);
    let second = lab.publish("x", "2").await;
    let on_its_way = a.try_fetch(9).await.unwrap();
    let settled = a.settle(&[ack(first, "x")]).await.unwrap();
    assert_eq!(settled.lanes, [(Lane::from_static(b"x"), 1)], "the second is a's although it has not arrived");
    let third = lab.publish("x", "3").await;
    assert!(b.ids(9).await.is_empty());
    a.cursor = on_its_way.entries[0].id;
    assert_eq!((a.cursor, a.ids(9).await), (second, vec![third]));
}

pub(super) async fn a_settle_sent_twice_does_not_free_the_lane(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let first = lab.publish("x", "1").await;
    lab.publish("x", "2").await;
    a.fetch(9).await;
    for _ in 0..2 {
        let settled = a.settle(&[ack(first, "x")]).await.unwrap();
        assert_eq!(settled.results, [SettleResult::Done]);
        assert_eq!(settled.lanes, [(Lane::from_static(b"x"), 1)]);
    }
    lab.publish("x", "3").await;
    assert!(b.ids(9).await.is_empty());
}

pub(super) async fn an_adopter_between_two_pages_keeps_the_lane(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(lab.publish("x", "").await);
    }
    a.fetch(4).await;
    let mut heir = a.adopted_by("heir").await;
    assert_eq!(heir.ids(2).await, ids[..2]);
    let settled = heir.settle(&[ack(ids[0], "x"), ack(ids[1], "x")]).await.unwrap();
    assert_eq!(settled.lanes, [(Lane::from_static(b"x"), 2)]);
    ids.push(lab.publish("x", "").await);
    assert!(b.ids(9).await.is_empty());
    assert_eq!(heir.ids(9).await, ids[2..]);
}

pub(super) async fn a_lane_of_nobody_is_free(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let first = lab.publish("x", "1").await;
    a.fetch(1).await;
    assert!(lab.delete(&a.group.stream, first));
    let vanished = outcome(first, None, Verdict::Ack);
    assert_eq!(a.settle(&[vanished]).await.unwrap().results, [SettleResult::Done]);
    assert_eq!(lab.transport.retire(&a.group, &a.session).await.unwrap(), Ok(true));
    let second = lab.publish("x", "2").await;
    assert_eq!(b.ids(9).await, [second], "the count that stayed behind binds nobody");
    let settled = b.settle(&[ack(second, "x")]).await.unwrap();
    assert!(settled.lanes.is_empty(), "it started at its own entries");
}

pub(super) async fn history_comes_first_and_in_order(lab: Lab) {
    let (mut a, mut b) = two(&lab).await;
    let mut ids = vec![lab.publish("x", "").await];
    a.fetch(1).await;
    for _ in 0..3 {
        ids.push(lab.publish("x", "").await);
    }
    assert!(b.ids(9).await.is_empty());
    ids.push(lab.publish("z", "").await);
    ids.push(lab.publish("x", "").await);
    let page = a.fetch(2).await;
    assert_eq!(page.iter().map(|e| (e.id, e.history)).collect::<Vec<_>>(), [(ids[1], true), (ids[2], true)]);
    let page = a.fetch(9).await;
    let expected = [(ids[3], true), (ids[4], false), (ids[5], false)];
    assert_eq!(page.iter().map(|e| (e.id, e.history)).collect::<Vec<_>>(), expected);
    let all = Fetch { cursor: EntryId::ZERO, count: 100, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
    let all = a.fetch_as(all).await.unwrap().entries;
    assert_eq!(all.iter().map(|e| e.id).collect::<Vec<_>>(), ids, "from 0 it is everything that is held");
}

pub(super) async fn count_and_bytes_bound_an_answer(lab: Lab) {
    let (a, _b) = two(&lab).await;
    let body = "x".repeat(100);
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(lab.publish("l", &body).await);
    }
    let fetch = async |cursor, count, max_bytes| {
        let answer =
            a.fetch_as(Fetch { cursor, count, max_bytes, unweighed: false, new: true, wary: true }).await.unwrap();
        assert_eq!(answer.hint, None);
        answer.entries.iter().map(|e| e.id).collect::<Vec<_>>()
    };
    assert_eq!(fetch(EntryId::ZERO, 3, 1 << 20).await, ids[..3]);
    // Steps grow while there is room, and the last entry is the one that passes the limit.
    assert_eq!(fetch(ids[2], 100, 850).await, ids[3..11]);
    assert_eq!(fetch(ids[10], 100, 900).await, ids[11..20]);
    assert_eq!(fetch(ids[19], 100, 0).await, ids[20..21], "something always passes");
    let large = lab.publish("l", &"x".repeat(100_000)).await;
    let after = lab.publish("l", "").await;
    assert_eq!(fetch(ids[20], 9, 1 << 20).await, ids[21..]);
    assert_eq!(fetch(ids[29], 100, 50_000).await, [large], "a large one comes alone");
    let rest = Fetch { cursor: large, count: 100, max_bytes: 50_000, unweighed: false, new: true, wary: true };
    let rest = a.fetch_as(rest).await.unwrap();
    assert_eq!(rest.entries.iter().map(|e| e.id).collect::<Vec<_>>(), [after]);
    assert_eq!(
        rest.hint,
        Some(Hint::Watch(after)),
        "nothing was left, so that another fetch is not needed to learn it"
    );
    let history = fetch(EntryId::ZERO, 100, 850).await;
    assert!(!history.is_empty() && history.len() < 20 && ids.starts_with(&history), "{history:?}");
    let history = fetch(EntryId::ZERO, 30, 1 << 20).await;
    assert_eq!(history, ids, "what was handed out is handed out again");
}

pub(super) async fn a_fetch_ends_although_everything_belongs_to_others(lab: Lab) {
    const ENTRIES: usize = 300;
    let (mut a, b) = two(&lab).await;
    lab.publish("x", "").await;
    a.fetch(1).await;
    for _ in 1..ENTRIES {
        lab.publish("x", "").await;
    }
    let answer = b.try_fetch(5).await.unwrap();
    assert_eq!((answer.entries.len(), answer.hint), (0, None), "there is more to read");
    let routed = a.holds().await;
    assert!((6..100).contains(&routed), "{routed} entries in one fetch of 5");
    while b.try_fetch(5).await.unwrap().hint.is_none() {}
    assert_eq!(a.holds().await, ENTRIES);
}

pub(super) async fn many_consumers_keep_every_lane_in_order(lab: Lab) {
    const LANES: [&str; 4] = ["0", "1", "2", "3"];
    const ENTRIES: usize = 150;
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let group = lab.group().await;
        let mut players = Vec::new();
        for n in 0..3 {
            players.push((Player::join(&lab, &group, &format!("p{n}")).await, VecDeque::<Handed>::new()));
        }
        let mut published: HashMap<Lane, VecDeque<EntryId>> = HashMap::new();
        let (mut sent, mut done) = (0, 0);
        while done < ENTRIES {
            if sent < ENTRIES && dice.below(3) > 0 {
                let lane = LANES[dice.below(4).min(dice.below(4))];
                published.entry(Lane::from_static(lane.as_bytes())).or_default().push_back(lab.publish(lane, "").await);
                sent += 1;
            }
            let turn = dice.below(3);
            let (player, held) = &mut players[turn];
            if dice.below(4) == 0 {
                player.try_fetch(1 + dice.below(9)).await.unwrap();
            }
            held.extend(player.fetch(1 + dice.below(9)).await);
            for _ in 0..dice.below(4) {
                let Some(entry) = held.pop_front() else { break };
                let lane = entry.lane.clone().unwrap();
                let expected = published.get_mut(&lane).unwrap().pop_front();
                assert_eq!(Some(entry.id), expected, "seed {seed}: lane {lane:?} out of order");
                assert_eq!(field(&entry.fields.unwrap(), "key"), Some(&lane));
                let outcome = Settle { id: entry.id, lane: Some(lane), verdict: Verdict::Ack, body: None };
                assert_eq!(player.settle(&[outcome]).await.unwrap().results, [SettleResult::Done]);
                done += 1;
            }
        }
        for (player, held) in &players {
            assert!(held.is_empty());
            assert_eq!(lab.transport.retire(&group, &player.session).await.unwrap(), Ok(true));
        }
        lab.transport.delete_stream(&group.stream).await.unwrap();
    }
}

/// Four sessions on connections of their own, at once, losing some answers.
pub(super) async fn concurrent_connections_keep_every_lane_in_order(lab: Lab) {
    const LANES: [&str; 5] = ["0", "1", "2", "3", "4"];
    const ENTRIES: usize = 300;
    let group = lab.group().await;
    let started: RefCell<HashMap<Lane, EntryId>> = RefCell::default();
    let done = Cell::new(0);
    let publish = async {
        let mut dice = Dice(99);
        for _ in 0..ENTRIES {
            lab.publish(LANES[dice.below(5).min(dice.below(5))], "").await;
            tokio::task::yield_now().await;
        }
    };
    let play = async |n: u64| {
        let mut dice = Dice(n);
        let mut player = Player::join(&lab, &group, &format!("p{n}")).await;
        player.transport = lab.reconnect().await;
        while done.get() < ENTRIES {
            let answer = player.try_fetch(1 + dice.below(12)).await.unwrap();
            tokio::task::yield_now().await;
            if dice.below(5) == 0 {
                continue;
            }
            let mut batch = Vec::new();
            for entry in answer.entries {
                player.cursor = entry.id;
                let lane = entry.lane.unwrap();
                let before = started.borrow_mut().insert(lane.clone(), entry.id);
                assert!(before < Some(entry.id), "{lane:?}: {} starts after {before:?}", entry.id);
                batch.push(Settle { id: entry.id, lane: Some(lane), verdict: Verdict::Ack, body: None });
                tokio::task::yield_now().await;
            }
            if !batch.is_empty() {
                let settled = player.settle(&batch).await.unwrap();
                assert_eq!(settled.results, vec![SettleResult::Done; batch.len()]);
                done.set(done.get() + batch.len());
            }
        }
        player
    };
    let ((), a, b, c, d) = tokio::join!(publish, play(1), play(2), play(3), play(4));
    for player in [a, b, c, d] {
        assert_eq!(lab.transport.retire(&group, &player.session).await.unwrap(), Ok(true));
    }
    assert_eq!((done.get(), lab.kept(&group)), (ENTRIES, (0, 0)));
}

pub(super) async fn without_order_everything_goes_to_whoever_reads(lab: Lab) {
    let group = lab.group_with("g", Ordering::None, ACKED).await;
    let (mut a, mut b) = (Player::join(&lab, &group, "a").await, Player::join(&lab, &group, "b").await);
    let first = lab.publish("x", "1").await;
    let second = lab.publish("x", "2").await;
    let (one, two) = (a.fetch(1).await, b.fetch(1).await);
    assert_eq!((one[0].id, two[0].id), (first, second));
    assert!(one[0].lane.is_none() && two[0].lane.is_none());
    let outcomes = [outcome(first, None, Verdict::Ack), outcome(second, None, Verdict::Ack)];
    let results = a.settle(&outcomes).await.unwrap().results;
    assert_eq!(results, [SettleResult::Done, SettleResult::Stale], "the second is b's");
    assert_eq!(b.settle(&outcomes).await.unwrap().results, [SettleResult::Done; 2]);
}
