//! Dead letters: put back once and whole, or thrown away with what belongs to them.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::ErrorKind;
use stargazer_core::topology::{Name, body_key, field as names, letter_body_key, message_id_key, replayed_key};
use stargazer_core::transport::{
    Append, Dedupe, Discard, EntryId, Group, Ordering, Replay, Replayed, Settle, SettleResult, Verdict,
};

use super::lab::{ACKED, Lab, fields};
use super::player::{Player, outcome};

const WINDOW: Duration = Duration::from_secs(60);

async fn all(lab: &Lab, stream: &'static str) -> Vec<EntryId> {
    let all = lab.transport.range(&stream.into(), EntryId::ZERO, EntryId::MAX, 1000).await.unwrap();
    all.iter().map(|entry| entry.id).collect()
}

async fn letter(lab: &Lab, text: &str) -> EntryId {
    lab.append(Append::new("dead".into(), fields(&[("data", text)]))).await
}

/// Back onto `s` under the message id `m`.
fn back(id: EntryId) -> Replay {
    let mut entry = Append::new("s".into(), fields(&[("data", "1"), ("key", "x")]));
    entry.dedupe = Some(Dedupe { key: message_id_key("s", "m"), window: WINDOW });
    let receipt = Dedupe { key: replayed_key("dead", &id.to_string()), window: WINDOW };
    Replay { letters: "dead".into(), id, entry, receipt, body: None }
}

pub(super) async fn a_letter_put_back_takes_its_message_id_along(lab: Lab) {
    let published = back(EntryId::ZERO).entry;
    let first = lab.append(published.clone()).await;
    let letter = letter(&lab, "1").await;
    let Replayed::Stored(second) = lab.transport.replay(&back(letter)).await.unwrap() else { panic!("not stored") };
    assert!(second > first, "the marker of the first life does not refuse it");
    assert!(all(&lab, "dead").await.is_empty());
    let read = lab.transport.read(&"s".into(), &[second]).await.unwrap().remove(0).unwrap();
    assert_eq!(read.fields, published.fields);
    let again = lab.transport.append(vec![published]).await.remove(0).unwrap();
    assert_eq!((again.id, again.duplicate), (second, true), "the marker names the new place");
}

pub(super) async fn a_replay_repeated_stores_once(lab: Lab) {
    let letter = letter(&lab, "1").await;
    let first = lab.transport.replay(&back(letter)).await.unwrap();
    assert!(matches!(first, Replayed::Stored(_)));
    for _ in 0..2 {
        assert_eq!(lab.transport.replay(&back(letter)).await.unwrap(), first);
    }
    assert_eq!(all(&lab, "s").await.len(), 1);
}

pub(super) async fn a_letter_that_is_gone_is_not_put_back(lab: Lab) {
    let letter = letter(&lab, "1").await;
    assert_eq!(lab.transport.replay(&back(EntryId::new(5, 5))).await.unwrap(), Replayed::Gone);
    assert!(lab.delete(&"dead".into(), letter));
    assert_eq!(lab.transport.replay(&back(letter)).await.unwrap(), Replayed::Gone);
    assert!(all(&lab, "s").await.is_empty());
}

pub(super) async fn a_replay_into_a_full_stream_keeps_the_letter(lab: Lab) {
    let letter = letter(&lab, "1").await;
    let standing = lab.publish("x", "0").await;
    let mut capped = back(letter);
    capped.entry.strict_cap = Some(1);
    let error = lab.transport.replay(&capped).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!((all(&lab, "dead").await, all(&lab, "s").await.len()), (vec![letter], 1));
    assert!(lab.delete(&"s".into(), standing));
    assert!(matches!(lab.transport.replay(&capped).await.unwrap(), Replayed::Stored(_)));
}

/// A big entry, dead-lettered with its body by a session of each group.
async fn buried(lab: &Lab, groups: &[Group]) -> (Name, Vec<Name>) {
    let key = body_key("s", "m");
    let mut entry = Append::new("s".into(), fields(&[("key", "x"), (names::REF, &key)]));
    entry.body = Some((key.clone(), Bytes::from_static(b"big")));
    let id = lab.append(entry).await;
    let mut heirs = Vec::new();
    for group in groups {
        let mut player = Player::join(lab, group, &group.name).await;
        assert_eq!(player.ids(9).await, [id]);
        let heir = letter_body_key("dead", "s", &group.name, &id.to_string());
        let verdict = Verdict::Dead { stream: "dead".into(), fields: fields(&[("data", ""), (names::REF, &heir)]) };
        let settle = Settle { body: Some(key.clone()), ..outcome(id, Some("x"), verdict) };
        for _ in 0..2 {
            let settled = player.settle(std::slice::from_ref(&settle)).await.unwrap();
            assert_eq!(settled.results, [SettleResult::Done]);
        }
        heirs.push(heir);
    }
    (key, heirs)
}

pub(super) async fn a_big_body_goes_with_its_letter_and_back(lab: Lab) {
    let group = lab.group().await;
    let (key, heirs) = buried(&lab, &[group]).await;
    let big = Some(Bytes::from_static(b"big"));
    assert_eq!(lab.transport.bodies(&[key.clone(), heirs[0].clone()]).await.unwrap(), [None, big.clone()]);
    let letters = all(&lab, "dead").await;
    assert_eq!(letters.len(), 1);
    let replay = Replay { body: Some((heirs[0].clone(), key.clone())), ..back(letters[0]) };
    assert!(matches!(lab.transport.replay(&replay).await.unwrap(), Replayed::Stored(_)));
    assert_eq!(lab.transport.bodies(&[key, heirs[0].clone()]).await.unwrap(), [big, None]);
}

pub(super) async fn each_group_has_a_letter_with_a_body_of_its_own(lab: Lab) {
    let groups = [lab.group().await, lab.group_with("h", Ordering::Lanes, ACKED).await];
    let (_, heirs) = buried(&lab, &groups).await;
    let big = Some(Bytes::from_static(b"big"));
    assert_eq!(lab.transport.bodies(&heirs).await.unwrap(), [big.clone(), big.clone()]);
    let letters = all(&lab, "dead").await;
    let first = Discard { id: letters[0], body: Some(heirs[0].clone()) };
    assert_eq!(lab.transport.discard(&"dead".into(), &[first]).await.unwrap(), [true]);
    assert_eq!(lab.transport.bodies(&heirs).await.unwrap(), [None, big]);
}

pub(super) async fn a_letter_whose_body_is_gone_is_kept(lab: Lab) {
    let letter = letter(&lab, "").await;
    let replay = Replay { body: Some(("dead:body:#m".into(), body_key("s", "m"))), ..back(letter) };
    assert_eq!(lab.transport.replay(&replay).await.unwrap(), Replayed::BodyGone);
    assert_eq!((all(&lab, "dead").await, all(&lab, "s").await.len()), (vec![letter], 0));
}

pub(super) async fn discarded_letters_are_told_from_those_that_were_gone(lab: Lab) {
    let (one, two, three) = (letter(&lab, "1").await, letter(&lab, "2").await, letter(&lab, "3").await);
    let discard = |id| Discard { id, body: None };
    let dead = "dead".into();
    let batch = [discard(one), discard(EntryId::new(1, 1)), discard(three)];
    assert_eq!(lab.transport.discard(&dead, &batch).await.unwrap(), [true, false, true]);
    assert_eq!(lab.transport.discard(&dead, &batch).await.unwrap(), [false, false, false]);
    assert_eq!(all(&lab, "dead").await, [two]);
    assert!(lab.transport.discard(&dead, &[]).await.unwrap().is_empty());
    assert!(lab.transport.discard(&"none".into(), &batch[..1]).await.unwrap() == [false]);
    let many = vec![discard(one); 1001];
    assert_eq!(lab.transport.discard(&dead, &many).await.unwrap_err().kind(), ErrorKind::Invalid);
}

pub(super) async fn letters_are_read_from_behind(lab: Lab) {
    let ids = [letter(&lab, "1").await, letter(&lab, "2").await, letter(&lab, "3").await];
    let back = async |from, to, count| {
        let entries = lab.transport.range_back(&"dead".into(), from, to, count).await.unwrap();
        entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(back(EntryId::ZERO, EntryId::MAX, 9).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(back(EntryId::ZERO, ids[1], 1).await, [ids[1]]);
    assert_eq!(back(ids[1], ids[2], 9).await, [ids[2], ids[1]]);
    assert!(back(ids[2], ids[0], 9).await.is_empty());
    assert!(lab.transport.range_back(&"none".into(), EntryId::ZERO, EntryId::MAX, 9).await.unwrap().is_empty());
}
