//! Waiting: a wake-up proves nothing, but it must come.

use std::time::Duration;

use stargazer_core::transport::{Fetch, Group, Hint};

use super::lab::Lab;
use super::player::Player;

/// Longer than any case may take: who returns was woken.
const LONG: Duration = Duration::from_secs(3600);

async fn hint(player: &Player) -> Hint {
    let answer = player.try_fetch(9).await.unwrap();
    assert!(answer.entries.is_empty());
    answer.hint.unwrap()
}

/// Nine sessions with nothing to do, and the hint that each got.
async fn nine(lab: &Lab, group: &Group) -> Vec<(Player, Hint)> {
    let mut all = Vec::new();
    for n in 0..9 {
        let player = Player::join(lab, group, &format!("p{n}")).await;
        let hint = hint(&player).await;
        all.push((player, hint));
    }
    all
}

pub(super) async fn a_watcher_wakes_at_an_append(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let last = lab.publish("x", "").await;
    let mut a = a;
    a.fetch(9).await;
    let hint = hint(&a).await;
    assert_eq!(hint, Hint::Watch(last));
    let wait = lab.transport.wait(&group, a.name(), &hint, LONG);
    let (woken, id) = tokio::join!(wait, lab.publish("x", ""));
    woken.unwrap();
    assert_eq!(a.ids(9).await, [id]);
}

pub(super) async fn a_watcher_that_missed_an_append_does_not_wait(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    let hint = hint(&a).await;
    lab.publish("x", "").await;
    lab.transport.wait(&group, a.name(), &hint, LONG).await.unwrap();
}

pub(super) async fn waiting_ends_with_its_time(lab: Lab) {
    let group = lab.group().await;
    let a = Player::join(&lab, &group, "a").await;
    for hint in [hint(&a).await, Hint::Rest] {
        let wait = lab.transport.wait(&group, a.name(), &hint, Duration::from_millis(30));
        let passing = async {
            loop {
                lab.pass(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            waited = wait => waited.unwrap(),
            () = passing => {}
        }
    }
}

pub(super) async fn the_ninth_rests_and_a_full_fetch_rings_it(lab: Lab) {
    let group = lab.group().await;
    let mut all = nine(&lab, &group).await;
    let (resting, hint) = all.pop().unwrap();
    assert_eq!(hint, Hint::Rest);
    assert!(all.iter().all(|(_, hint)| matches!(hint, Hint::Watch(_))));
    let ring = async {
        for lane in ["x", "y", "z"] {
            lab.publish(lane, "").await;
        }
        let two =
            Fetch { cursor: resting.cursor, count: 2, max_bytes: 1 << 20, unweighed: false, new: true, wary: true };
        assert_eq!(all[0].0.fetch_as(two).await.unwrap().entries.len(), 2);
    };
    let wait = lab.transport.wait(&group, resting.name(), &hint, LONG);
    let (woken, ()) = tokio::join!(wait, ring);
    woken.unwrap();
    assert_eq!(resting.try_fetch(9).await.unwrap().entries.len(), 1);
}

pub(super) async fn a_stop_rings_those_who_rest(lab: Lab) {
    let group = lab.group().await;
    let mut all = nine(&lab, &group).await;
    let (resting, hint) = all.pop().unwrap();
    assert_eq!(hint, Hint::Rest);
    let wait = lab.transport.wait(&group, resting.name(), &hint, LONG);
    let (woken, stopped) = tokio::join!(wait, lab.transport.stop(&group, std::slice::from_ref(&all[0].0.session)));
    woken.unwrap();
    stopped.unwrap();
}
