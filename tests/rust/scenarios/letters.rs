//! Dead letters: looked at, put back, thrown away.

use bytes::Bytes;
use stargazer_core::clock::SystemClock;
use stargazer_core::config::BusConfig;
use stargazer_core::dead_letter::{Filter, Letter, Query, ReplayOptions};
use stargazer_core::engine::Engine;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::transport::{Append, EntryId, Transport};
use stargazer_core::{Bus, Delivery, ErrorKind, Outcome, PublishOptions, Retention};

use super::lab::{Lab, quick};

/// Publishes to `orders` in a lane, under a message id.
async fn order(bus: &Bus, lane: &str, id: &str, body: &Value) -> EntryId {
    let options = PublishOptions {
        message_id: Some(id.into()),
        key: Some(lane.into()),
        trace_id: Some("trace-1".into()),
        ..PublishOptions::default()
    };
    bus.publish("orders", body, options).await.unwrap().id
}

fn body(text: &str) -> Value {
    Value::Map([("text".to_owned(), Value::from(text))].into_iter().collect::<Map>())
}

/// Handles everything in `orders`: dead-letters it with the reason that its lane stands for.
async fn bury(bus: &Bus) {
    let reader = bus.consume("orders", "g").config(quick()).name("w").max_attempts(1).open().await.unwrap();
    let handler = |d: Delivery| async move {
        match d.lane() {
            Some("fails") => Err("it broke".into()),
            lane => Ok(Outcome::reject(format!("not for us: {}", lane.unwrap_or("none")))),
        }
    };
    reader.run_until_idle(handler).await.unwrap();
    reader.close().await.unwrap();
}

async fn length(bus: &Bus, stream: &str) -> u64 {
    bus.stream_info(stream).await.unwrap().length
}

fn ids(letters: &[Letter]) -> Vec<EntryId> {
    letters.iter().map(|letter| letter.id).collect()
}

fn filter(set: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    set(&mut filter);
    filter
}

pub(super) async fn dead_letters_are_counted_and_listed(lab: Lab) {
    let bus = lab.bus().await;
    let letters = bus.dead_letters();
    let none = letters.inspect(&Filter::default()).await.unwrap();
    assert_eq!((none.count, none.oldest, none.complete, none.many()), (0, None, true, false));
    for (n, lane) in ["fails", "a", "b", "a", "fails"].iter().enumerate() {
        order(&bus, lane, &format!("m{n}"), &body("x")).await;
        bury(&bus).await;
    }
    let summary = letters.inspect(&Filter::default()).await.unwrap();
    assert_eq!((summary.count, summary.matching, summary.problems), (5, 5, 0));
    assert_eq!(summary.reasons, [("max_attempts".to_owned(), 2), ("rejected".to_owned(), 3)].into());
    assert_eq!(summary.streams, [("sg:stream:orders".to_owned(), 5)].into());
    assert!(summary.oldest <= summary.newest && summary.oldest.is_some());

    let list = async |query: Query| letters.list(&query).await.unwrap();
    let newest = list(Query::default()).await;
    assert_eq!((newest.letters.len(), newest.cursor), (5, None));
    let mut oldest = ids(&newest.letters);
    oldest.reverse();
    assert!(oldest.is_sorted());
    for oldest_first in [true, false] {
        let (mut seen, mut query) = (Vec::new(), Query { limit: 2, oldest_first, ..Query::default() });
        loop {
            let page = list(query.clone()).await;
            seen.extend(ids(&page.letters));
            query.cursor = page.cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        if !oldest_first {
            seen.reverse();
        }
        assert_eq!(seen, oldest);
    }
    let first = &newest.letters[4];
    let life = &first.letter.life;
    assert_eq!((life.stream.as_str(), life.group.as_str(), life.attempt), ("sg:stream:orders", "g", 1));
    assert_eq!((life.error.as_str(), first.lane().as_deref()), ("it broke", Some("fails")));
    assert_eq!((first.letter.entry.mid.as_deref(), first.letter.entry.trace_id.as_str()), (Some("m0"), "trace-1"));
    assert!(first.dead_at() >= first.first_at() && first.first_at() > 0);

    let table: [(Filter, usize); 11] = [
        (filter(|f| f.reason = Some("rejected".into())), 3),
        (filter(|f| f.lane = Some("a".into())), 2),
        (filter(|f| f.stream = Some("orders".into())), 5),
        (filter(|f| f.stream = Some("others".into())), 0),
        (filter(|f| f.consumer = Some("w".into())), 5),
        (filter(|f| f.group = Some("h".into())), 0),
        (filter(|f| f.text = Some("FOR US: B".into())), 1),
        (filter(|f| f.message_id = Some("m1".into())), 1),
        (filter(|f| f.min_attempts = Some(2)), 0),
        (filter(|f| f.since = Some(oldest[2].ms)), oldest.iter().filter(|id| id.ms >= oldest[2].ms).count()),
        (filter(|f| f.until = Some(oldest[2].ms)), oldest.iter().filter(|id| id.ms < oldest[2].ms).count()),
    ];
    for (filter, count) in table {
        let page = list(Query { filter: filter.clone(), ..Query::default() }).await;
        assert_eq!(page.letters.len(), count, "{filter:?}");
    }
    assert_eq!(letters.get(oldest[0]).await.unwrap(), *first);
    assert_eq!(letters.get(EntryId::new(1, 1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    let wrong = Query { limit: 0, ..Query::default() };
    assert_eq!(letters.list(&wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
    bus.close().await.unwrap();
}

pub(super) async fn a_replayed_entry_is_the_same_and_keeps_its_history(lab: Lab) {
    let bus = lab.bus().await;
    order(&bus, "fails", "m1", &body("x")).await;
    let before = bus.entries("orders", EntryId::ZERO, 1).await.unwrap().remove(0);
    bury(&bus).await;
    let letters = bus.dead_letters();
    let letter = letters.list(&Query::default()).await.unwrap().letters.remove(0);
    let report = letters.replay(&[letter.id], &ReplayOptions::default()).await.unwrap();
    assert!(report.failed.is_empty() && !report.more);
    let back = &report.replayed[0];
    assert_eq!((back.letter, back.stream.as_deref()), (letter.id, Some("sg:stream:orders")));
    assert_eq!(letters.inspect(&Filter::default()).await.unwrap().count, 0);

    let entry = bus.entries("orders", EntryId::ZERO, 1).await.unwrap().remove(0);
    assert_eq!(Some(entry.id), back.id);
    assert_eq!(entry.fields[..before.fields.len()], before.fields, "byte for byte");
    let again = order(&bus, "fails", "m1", &body("x")).await;
    assert_eq!(Some(again), back.id, "the message id now stands for the new entry");

    let reader = bus.consume("orders", "g").max_attempts(1).open().await.unwrap();
    let d = reader.next().await.unwrap().unwrap();
    assert_eq!((d.attempt(), d.redelivered(), d.replays()), (1, true, 1));
    assert_eq!((d.lane(), d.message_id(), d.trace_id()), (Some("fails"), Some("m1"), "trace-1"));
    d.reject("again").await.unwrap();
    reader.idle().await.unwrap();
    reader.close().await.unwrap();
    let letter = letters.list(&Query::default()).await.unwrap().letters.remove(0);
    let history = letter.letter.history().unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].reason.as_str(), history[0].error.as_str()), ("max_attempts", "it broke"));
    assert_eq!((history[0].id.as_str(), history[0].attempt), (&*before.id.to_string(), 1));
    assert!(history[0].replayed_at >= history[0].dead_at);
    assert_eq!((letter.reason(), letter.letter.life.error.as_str()), ("rejected", "again"));
    bus.close().await.unwrap();
}

pub(super) async fn a_replay_repeated_stores_once(lab: Lab) {
    let bus = lab.bus().await;
    order(&bus, "a", "m1", &body("x")).await;
    bury(&bus).await;
    let letters = bus.dead_letters();
    let id = letters.list(&Query::default()).await.unwrap().letters[0].id;
    let first = letters.replay(&[id], &ReplayOptions::default()).await.unwrap();
    let second = letters.replay(&[id], &ReplayOptions::default()).await.unwrap();
    assert_eq!(first.replayed[0].id, second.replayed[0].id);
    assert_eq!(second.replayed[0].stream, None, "an earlier call had put it back");
    assert_eq!(length(&bus, "orders").await, 1);
    let never = letters.replay(&[EntryId::new(1, 1)], &ReplayOptions::default()).await.unwrap();
    assert_eq!(never.failed[0].1.kind(), ErrorKind::NotFound);
    bus.close().await.unwrap();
}

pub(super) async fn a_replay_into_a_full_stream_keeps_the_letter(lab: Lab) {
    let mut config = BusConfig::default();
    config.retention = Retention::Acked { cap: 2 };
    let bus = lab.bus_with(config).await;
    for id in ["m1", "m2", "m3"] {
        order(&bus, "a", id, &body("x")).await;
        bury(&bus).await;
    }
    order(&bus, "a", "m4", &body("x")).await;
    let letters = bus.dead_letters();
    let report = letters.replay_matching(&Filter::default(), &ReplayOptions::default()).await.unwrap();
    assert_eq!((report.replayed.len(), report.failed.len(), report.more), (1, 1, true));
    assert_eq!(report.failed[0].1.kind(), ErrorKind::Full);
    let kept = letters.list(&Query { oldest_first: true, ..Query::default() }).await.unwrap().letters;
    assert_eq!((kept.len(), kept[0].id), (2, report.failed[0].0));
    assert_eq!(length(&bus, "orders").await, 2);
    bus.close().await.unwrap();
}

pub(super) async fn letters_are_replayed_by_filter(lab: Lab) {
    let bus = lab.bus().await;
    for (n, lane) in ["a", "fails", "a", "a"].iter().enumerate() {
        order(&bus, lane, &format!("m{n}"), &body("x")).await;
        bury(&bus).await;
    }
    let letters = bus.dead_letters();
    let lane = filter(|f| f.lane = Some("a".into()));
    let options = ReplayOptions { limit: 2, ..ReplayOptions::default() };
    let dry = ReplayOptions { dry_run: true, ..options.clone() };
    let planned = letters.replay_matching(&lane, &dry).await.unwrap();
    assert_eq!((planned.replayed.len(), planned.more), (2, true));
    assert!(planned.replayed.iter().all(|letter| letter.id.is_none() && letter.stream.is_some()));
    assert_eq!(length(&bus, "orders").await, 0);
    let report = letters.replay_matching(&lane, &options).await.unwrap();
    let picked = |report: &stargazer_core::dead_letter::ReplayReport| {
        report.replayed.iter().map(|letter| letter.letter).collect::<Vec<_>>()
    };
    assert_eq!(picked(&report), picked(&planned));
    assert!(report.replayed.is_sorted_by_key(|letter| letter.id), "oldest first, so that a lane keeps its order");
    assert_eq!((length(&bus, "orders").await, report.more), (2, true));
    let rest = letters.replay_matching(&lane, &options).await.unwrap();
    assert_eq!((rest.replayed.len(), rest.more), (1, false));
    assert_eq!(letters.inspect(&Filter::default()).await.unwrap().count, 1);

    // Slowly: three letters at 50 a second take two pauses.
    bury(&bus).await;
    let started = tokio::time::Instant::now();
    let slow = ReplayOptions { rate: Some(50.0), ..ReplayOptions::default() };
    assert_eq!(letters.replay_matching(&lane, &slow).await.unwrap().replayed.len(), 3);
    assert!(started.elapsed() >= std::time::Duration::from_millis(38), "{:?}", started.elapsed());
    for wrong in [0, 10_001] {
        let options = ReplayOptions { limit: wrong, ..ReplayOptions::default() };
        assert_eq!(letters.replay_matching(&lane, &options).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    bus.close().await.unwrap();
}

pub(super) async fn discarding_by_filter_needs_the_right_count(lab: Lab) {
    let bus = lab.bus().await;
    for (n, lane) in ["a", "fails", "a"].iter().enumerate() {
        order(&bus, lane, &format!("m{n}"), &body("x")).await;
    }
    bury(&bus).await;
    let letters = bus.dead_letters();
    let lane = filter(|f| f.lane = Some("a".into()));
    for wrong in [1, 3] {
        let error = letters.discard_matching(&lane, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.context().contains(&("found", "2".into())), "{error}");
    }
    assert_eq!(letters.inspect(&Filter::default()).await.unwrap().count, 3);
    let removed = letters.discard_matching(&lane, 2).await.unwrap();
    assert_eq!(
        removed.iter().map(|letter| letter.letter.entry.mid.as_deref()).collect::<Vec<_>>(),
        [Some("m0"), Some("m2")]
    );
    let left = letters.list(&Query::default()).await.unwrap().letters;
    let removed = letters.discard(&[left[0].id, EntryId::new(1, 1)]).await.unwrap();
    assert_eq!(removed, left, "what was not there is not among what was removed");
    assert_eq!(letters.inspect(&Filter::default()).await.unwrap().count, 0);
    bus.close().await.unwrap();
}

/// Appends fields to the dead letters, as anybody may.
async fn put(lab: &Lab, bus: &Bus, fields: &[(&'static str, &'static [u8])]) -> EntryId {
    let fields =
        fields.iter().map(|(name, value)| (Bytes::from_static(name.as_bytes()), Bytes::from_static(value))).collect();
    let append = vec![Append::new(bus.dead_letters().stream().clone(), fields)];
    let mut answer = if lab.server.is_some() {
        let (options, clock) = (ConnectOptions::default(), SystemClock::shared());
        RedisTransport::connect(&lab.url, options, clock).await.unwrap().append(append).await
    } else {
        Engine::shared(lab.url.trim_start_matches("memory://")).append(append).await
    };
    answer.remove(0).unwrap().id
}

pub(super) async fn letters_of_the_original_can_be_replayed(lab: Lab) {
    let bus = lab.bus().await;
    let id = put(
        &lab,
        &bus,
        &[
            ("original_stream", b"sg:stream:orders"),
            ("original_msg_id", b"7-0"),
            ("error", b"boom"),
            ("attempt", b"3"),
            ("data", b"\x81\xa4text\xa1x"),
            ("ts", b"1.5"),
            ("trace_id", b"t"),
        ],
    )
    .await;
    let letters = bus.dead_letters();
    let letter = letters.get(id).await.unwrap();
    assert_eq!((letter.reason(), letter.letter.life.attempt, letter.first_at()), ("unknown", 3, 7));
    assert_eq!(letter.problem, None);
    let report = letters.replay(&[id], &ReplayOptions::default()).await.unwrap();
    assert_eq!(report.replayed.len(), 1);
    let entry = bus.entries("orders", EntryId::ZERO, 1).await.unwrap().remove(0);
    let names: Vec<_> = entry.fields.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["data", "ts", "trace_id", "history"]);
    assert_eq!(entry.fields[0].1, Bytes::from_static(b"\x81\xa4text\xa1x"));
    bus.close().await.unwrap();
}

pub(super) async fn a_letter_that_is_none_can_only_be_discarded(lab: Lab) {
    let bus = lab.bus().await;
    order(&bus, "a", "m1", &body("x")).await;
    let junk = put(&lab, &bus, &[("what", b"\xff")]).await;
    let broken = put(&lab, &bus, &[("original_stream", b"s"), ("data", b"x"), ("history", b"\xc1")]).await;
    bury(&bus).await;
    let letters = bus.dead_letters();
    let page = letters.list(&Query::default()).await.unwrap();
    assert_eq!(page.letters.iter().map(|letter| letter.problem.is_some()).collect::<Vec<_>>(), [false, true, true]);
    let summary = letters.inspect(&filter(|f| f.replayable = Some(false))).await.unwrap();
    assert_eq!((summary.count, summary.matching, summary.problems), (3, 2, 2));
    let report = letters.replay_matching(&Filter::default(), &ReplayOptions::default()).await.unwrap();
    assert_eq!(
        report.failed.iter().map(|(id, error)| (*id, error.kind())).collect::<Vec<_>>(),
        [(junk, ErrorKind::Malformed), (broken, ErrorKind::Malformed)]
    );
    assert_eq!(report.replayed.len(), 1);
    assert_eq!(ids(&letters.discard(&[junk, broken]).await.unwrap()), [junk, broken]);
    assert_eq!(letters.inspect(&Filter::default()).await.unwrap().count, 0);
    bus.close().await.unwrap();
}

pub(super) async fn a_big_body_lives_as_long_as_its_letter(lab: Lab) {
    let bus = lab.bus().await;
    let big = body(&"big".repeat(40_000));
    order(&bus, "a", "m1", &big).await;
    bury(&bus).await;
    let letters = bus.dead_letters();
    let id = letters.list(&Query::default()).await.unwrap().letters[0].id;
    let whole = letters.get(id).await.unwrap().letter.entry.data;
    assert!(whole.len() > 120_000);
    letters.replay(&[id], &ReplayOptions::default()).await.unwrap();
    let reader = bus.consume("orders", "g").open().await.unwrap();
    let d = reader.next().await.unwrap().unwrap();
    assert_eq!((d.raw(), d.value().unwrap()), (whole, big));
    d.reject("again").await.unwrap();
    reader.idle().await.unwrap();
    let page = letters.list(&Query::default()).await.unwrap();
    assert!(page.letters[0].letter.entry.data.is_empty(), "a page does not carry the big bodies");
    letters.discard(&[page.letters[0].id]).await.unwrap();
    if let Some(server) = &lab.server {
        let left = server.command(&["KEYS", "*:body:*"]).unwrap();
        assert_eq!(left, stargazer_tests::Reply::List(Vec::new()));
    }
    bus.close().await.unwrap();
}

pub(super) async fn notices_tell_what_happens_until_the_end(lab: Lab) {
    let bus = lab.bus().await;
    order(&bus, "a", "m1", &body("x")).await;
    let reader = bus.consume("orders", "g").open().await.unwrap();
    let mut notices = reader.listen();
    let d = reader.next().await.unwrap().unwrap();
    let id = d.id();
    d.reject("no").await.unwrap();
    reader.close().await.unwrap();
    let mut told = Vec::new();
    while let Some(notice) = notices.next().await {
        told.push(notice);
    }
    let dead = told.iter().find(|notice| notice.kind() == "dead_lettered").unwrap();
    assert_eq!(dead.to_value().get("id").and_then(Value::as_str), Some(&*id.to_string()));
    assert!(reader.listen().next().await.is_none(), "nothing follows the end");
    bus.close().await.unwrap();
}
