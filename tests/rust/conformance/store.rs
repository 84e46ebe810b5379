//! Keys beside the streams: texts, collections, batches, and what is refused.

use std::time::Duration;

use bytes::Bytes;
use stargazer_core::ErrorKind;
use stargazer_core::transport::{Answer, EntryId, Kind, LogOptions, Op, When, unmet};

use super::lab::{Lab, fields};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

/// One operation that must be carried out.
async fn one(lab: &Lab, op: Op) -> Answer {
    lab.transport.apply(vec![op]).await.unwrap().remove(0)
}

fn set(key: &str, value: &'static str, ttl: Option<Duration>, when: When) -> Op {
    Op::Set { key: key.into(), value: value.into(), ttl, when }
}

async fn text(lab: &Lab, key: &str) -> Option<Bytes> {
    one(lab, Op::Get { key: key.into() }).await.value().unwrap()
}

async fn left(lab: &Lab, key: &str) -> Option<Duration> {
    one(lab, Op::TimeToLive { key: key.into() }).await.left().unwrap()
}

fn many(items: &[&'static str]) -> Vec<Bytes> {
    items.iter().map(|item| (*item).into()).collect()
}

pub(super) async fn texts_are_bytes_and_conditions_hold(lab: Lab) {
    assert_eq!(text(&lab, "k").await, None);
    let bytes: Bytes = vec![0, 255, 13, 10].into();
    let raw = Op::Set { key: "k".into(), value: bytes.clone(), ttl: None, when: When::Always };
    assert_eq!(one(&lab, raw).await, Answer::Flag(true));
    assert_eq!(text(&lab, "k").await, Some(bytes));
    assert_eq!(one(&lab, set("k", "a", None, When::Absent)).await, Answer::Flag(false));
    assert_eq!(one(&lab, set("k2", "", None, When::Absent)).await, Answer::Flag(true));
    assert_eq!(text(&lab, "k2").await, Some(Bytes::new()), "an empty text is a text");
    assert_eq!(one(&lab, set("k2", "b", None, When::Equal("x".into()))).await, Answer::Flag(false));
    assert_eq!(one(&lab, set("k2", "b", None, When::Equal("".into()))).await, Answer::Flag(true));
    assert_eq!(one(&lab, set("none", "b", None, When::Equal("".into()))).await, Answer::Flag(false));
    let drop = |expected: &'static str| Op::DeleteEqual { key: "k2".into(), expected: expected.into() };
    assert_eq!(one(&lab, drop("x")).await, Answer::Flag(false));
    assert_eq!(one(&lab, drop("b")).await, Answer::Flag(true));
    assert_eq!(one(&lab, Op::Exists { key: "k2".into() }).await, Answer::Flag(false));
    let keys = vec!["k".into(), "k2".into(), "k".into()];
    assert_eq!(one(&lab, Op::Delete { keys }).await, Answer::Number(1));
}

pub(super) async fn keys_end_with_their_time(lab: Lab) {
    one(&lab, set("k", "v", Some(SHORT), When::Always)).await;
    assert!(left(&lab, "k").await.unwrap() <= SHORT);
    lab.until(async || text(&lab, "k").await.is_none()).await;
    assert_eq!(one(&lab, set("k", "v", Some(LONG), When::Absent)).await, Answer::Flag(true), "it is absent");
    assert!(left(&lab, "k").await.unwrap() > LONG / 2);
    one(&lab, set("k", "v", None, When::Equal("v".into()))).await;
    assert_eq!(left(&lab, "k").await, None, "set without one it lives for ever");
    assert_eq!(one(&lab, Op::Expire { key: "k".into(), ttl: SHORT }).await, Answer::Flag(true));
    assert_eq!(one(&lab, Op::Expire { key: "none".into(), ttl: SHORT }).await, Answer::Flag(false));
    lab.until(async || text(&lab, "k").await.is_none()).await;
    // A collection keeps its time when something is added without one, and streams end as well.
    let fields = vec![("f".into(), "v".into())];
    one(&lab, Op::HashSet { key: "h".into(), fields: fields.clone(), ttl: Some(LONG) }).await;
    one(&lab, Op::HashSet { key: "h".into(), fields: fields.clone(), ttl: None }).await;
    assert!(left(&lab, "h").await.is_some());
    let options = LogOptions { ttl: Some(SHORT), ..LogOptions::default() };
    one(&lab, Op::LogAppend { stream: "log".into(), fields, options }).await;
    assert_eq!(one(&lab, Op::Exists { key: "log".into() }).await, Answer::Flag(true));
    lab.until(async || one(&lab, Op::Exists { key: "log".into() }).await == Answer::Flag(false)).await;
    assert_eq!(one(&lab, Op::LogLast { stream: "log".into() }).await, Answer::Id(EntryId::ZERO));
}

pub(super) async fn counters_count(lab: Lab) {
    let by = |by| Op::Increment { key: "n".into(), by, ttl: None };
    assert_eq!(one(&lab, by(5)).await, Answer::Number(5));
    assert_eq!(one(&lab, by(-7)).await, Answer::Number(-2));
    assert_eq!(text(&lab, "n").await.as_deref(), Some(&b"-2"[..]));
    assert_eq!(one(&lab, Op::Increment { key: "m".into(), by: 1, ttl: Some(LONG) }).await, Answer::Number(1));
    assert!(left(&lab, "m").await.is_some());
    let field = |by| Op::HashIncrement { key: "h".into(), field: "f".into(), by };
    assert_eq!(one(&lab, field(2)).await, Answer::Number(2));
    assert_eq!(one(&lab, field(2)).await, Answer::Number(4));
    // Beyond what a float holds exactly.
    let far = (1 << 53) + 1;
    for sign in [1, -1] {
        one(&lab, set("far", "0", None, When::Always)).await;
        assert_eq!(
            one(&lab, Op::Increment { key: "far".into(), by: sign * far, ttl: None }).await,
            Answer::Number(sign * far)
        );
        let op = Op::HashIncrement { key: "h".into(), field: format!("far{sign}").into(), by: sign * far };
        assert_eq!(one(&lab, op).await, Answer::Number(sign * far));
    }
    for held in ["", "x", "1.5", "01", "1000000000000000000"] {
        one(&lab, set("n", held, None, When::Always)).await;
        let before = set("other", "v", None, When::Always);
        let error = lab.transport.apply(vec![before, by(1)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{held:?}: {error}");
        assert_eq!(error.context(), [("key", "n".to_owned())]);
        assert_eq!(text(&lab, "other").await, None, "nothing was done");
    }
}

pub(super) async fn counters_stay_in_their_range(lab: Lab) {
    const MOST: i64 = 999_999_999_999_999_999;
    for sign in [1, -1] {
        let plain = |by: i64| Op::Increment { key: format!("n{sign}").into(), by: sign * by, ttl: None };
        let field = |by: i64| Op::HashIncrement { key: format!("h{sign}").into(), field: "f".into(), by: sign * by };
        for (by, key) in [(&plain as &dyn Fn(i64) -> Op, format!("n{sign}")), (&field, format!("h{sign}"))] {
            assert_eq!(one(&lab, by(MOST - 1)).await, Answer::Number(sign * (MOST - 1)));
            assert_eq!(one(&lab, by(1)).await, Answer::Number(sign * MOST));
            for more in [1, 1_000_000_000, MOST] {
                let before = set("other", "v", None, When::Always);
                let error = lab.transport.apply(vec![before, by(more)]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                let told = |name| error.context().iter().find(|(known, _)| *known == name).map(|(_, value)| &**value);
                assert_eq!((told("key"), told("limit")), (Some(&*key), Some("999999999999999999")), "{error}");
                assert_eq!(text(&lab, "other").await, None, "nothing was done");
            }
            // It goes on counting.
            assert_eq!(one(&lab, by(-MOST)).await, Answer::Number(0));
            assert_eq!(one(&lab, by(-MOST)).await, Answer::Number(-sign * MOST));
            assert_eq!(one(&lab, by(999_999_999)).await, Answer::Number(sign * (999_999_999 - MOST)));
        }
    }
}

pub(super) async fn hashes_keep_fields(lab: Lab) {
    let key = || "h".into();
    let set = |pairs: &[(&'static str, &str)]| Op::HashSet { key: key(), fields: fields(pairs), ttl: None };
    assert_eq!(one(&lab, set(&[("a", "1"), ("b", "2"), ("a", "3")])).await, Answer::Number(2));
    let get = |field: &'static str| Op::HashGet { key: key(), field: field.into() };
    assert_eq!(one(&lab, get("a")).await, Answer::Value(Some("3".into())));
    assert_eq!(one(&lab, get("c")).await, Answer::Value(None));
    let absent = |field: &'static str| Op::HashSetAbsent { key: key(), field: field.into(), value: "9".into() };
    assert_eq!(one(&lab, absent("a")).await, Answer::Flag(false));
    assert_eq!(one(&lab, absent("c")).await, Answer::Flag(true));
    let mut pairs = one(&lab, Op::HashGetAll { key: key() }).await.pairs().unwrap();
    pairs.sort();
    assert_eq!(pairs, fields(&[("a", "3"), ("b", "2"), ("c", "9")]));
    assert_eq!(one(&lab, Op::HashLen { key: key() }).await, Answer::Number(3));
    assert_eq!(one(&lab, Op::HashExists { key: key(), field: "b".into() }).await, Answer::Flag(true));
    let gone = Op::HashDelete { key: key(), fields: many(&["a", "b", "x"]) };
    assert_eq!(one(&lab, gone).await, Answer::Number(2));
    one(&lab, Op::HashDelete { key: key(), fields: many(&["c"]) }).await;
    assert_eq!(one(&lab, Op::Exists { key: key() }).await, Answer::Flag(false), "it went with the last field");
    assert_eq!(one(&lab, Op::HashGetAll { key: key() }).await, Answer::Pairs(Vec::new()));
}

pub(super) async fn sets_keep_members(lab: Lab) {
    let key = || "s".into();
    let add = |members: &[&'static str]| Op::SetAdd { key: key(), members: many(members), ttl: None };
    assert_eq!(one(&lab, add(&["a", "b", "a"])).await, Answer::Number(2));
    assert_eq!(one(&lab, add(&["b", "c"])).await, Answer::Number(1));
    let mut members = one(&lab, Op::SetMembers { key: key() }).await.members().unwrap();
    members.sort();
    assert_eq!(members, many(&["a", "b", "c"]));
    assert_eq!(one(&lab, Op::SetContains { key: key(), member: "a".into() }).await, Answer::Flag(true));
    assert_eq!(one(&lab, Op::SetContains { key: key(), member: "x".into() }).await, Answer::Flag(false));
    let remove = Op::SetRemove { key: key(), members: many(&["a", "b", "c", "x"]) };
    assert_eq!(one(&lab, remove).await, Answer::Number(3));
    assert_eq!(one(&lab, Op::Exists { key: key() }).await, Answer::Flag(false));
}

pub(super) async fn sorted_sets_are_read_by_score(lab: Lab) {
    let key = || "z".into();
    let add = |members: &[(&'static str, f64)]| Op::SortedAdd {
        key: key(),
        members: members.iter().map(|(member, score)| ((*member).into(), *score)).collect(),
        ttl: None,
    };
    assert_eq!(one(&lab, add(&[("b", 1.0), ("a", 1.0), ("c", -0.5), ("d", 1e300)])).await, Answer::Number(4));
    assert_eq!(one(&lab, add(&[("d", 0.1), ("e", -0.0)])).await, Answer::Number(1));
    let range = |from, to, count| Op::SortedRange { key: key(), from, to, count };
    let scored = |pairs: &[(&'static str, f64)]| {
        Answer::Scored(pairs.iter().map(|(member, score)| ((*member).into(), *score)).collect())
    };
    let all = [("c", -0.5), ("e", 0.0), ("d", 0.1), ("a", 1.0), ("b", 1.0)];
    assert_eq!(one(&lab, range(f64::NEG_INFINITY, f64::INFINITY, 100)).await, scored(&all));
    assert_eq!(one(&lab, range(0.0, 1.0, 3)).await, scored(&all[1..4]));
    assert_eq!(one(&lab, range(2.0, 1.0, 3)).await, scored(&[]));
    let remove = Op::SortedRemove { key: key(), members: many(&["a", "x"]) };
    assert_eq!(one(&lab, remove).await, Answer::Number(1));
    assert_eq!(one(&lab, range(1.0, 1.0, 9)).await, scored(&[("b", 1.0)]));
}

pub(super) async fn lists_keep_their_order(lab: Lab) {
    let key = || "l".into();
    let push = |values: &[&'static str]| Op::ListPush { key: key(), values: many(values), ttl: None };
    assert_eq!(one(&lab, push(&["a", "b"])).await, Answer::Number(2));
    assert_eq!(one(&lab, push(&["c", "d", "e"])).await, Answer::Number(5));
    let range = |from, to| Op::ListRange { key: key(), from, to };
    for (from, to, wanted) in [
        (0, -1, &["a", "b", "c", "d", "e"][..]),
        (1, 2, &["b", "c"]),
        (-2, 9, &["d", "e"]),
        (-9, -5, &["a"]),
        (3, 1, &[]),
        (0, -9, &[]),
        (7, 9, &[]),
    ] {
        assert_eq!(one(&lab, range(from, to)).await, Answer::Members(many(wanted)), "{from} to {to}");
    }
    assert_eq!(one(&lab, Op::ListPop { key: key() }).await, Answer::Value(Some("a".into())));
    assert_eq!(one(&lab, Op::ListTrim { key: key(), from: -3, to: -2 }).await, Answer::Flag(true));
    assert_eq!(one(&lab, range(0, -1)).await, Answer::Members(many(&["c", "d"])));
    one(&lab, Op::ListTrim { key: key(), from: 5, to: 9 }).await;
    assert_eq!(one(&lab, Op::Exists { key: key() }).await, Answer::Flag(false));
    assert_eq!(one(&lab, Op::ListPop { key: key() }).await, Answer::Value(None));
}

pub(super) async fn a_batch_is_carried_out_as_a_whole(lab: Lab) {
    let answers = lab
        .transport
        .apply(vec![
            set("k", "v", Some(LONG), When::Always),
            Op::Increment { key: "n".into(), by: 3, ttl: Some(LONG) },
            Op::HashSet { key: "h".into(), fields: fields(&[("f", "1")]), ttl: Some(LONG) },
            Op::Get { key: "k".into() },
            Op::Delete { keys: vec!["k".into(), "none".into()] },
            Op::Exists { key: "k".into() },
            Op::HashGetAll { key: "h".into() },
            Op::ListPush { key: "l".into(), values: many(&["x"]), ttl: None },
            Op::LogLast { stream: "log".into() },
            Op::LogAppend { stream: "log".into(), fields: fields(&[("f", "1")]), options: LogOptions::default() },
            Op::LogRead { stream: "log".into(), after: EntryId::ZERO, count: 9 },
            Op::Notify { channel: "c".into(), payload: "p".into() },
        ])
        .await
        .unwrap();
    let Answer::Entries(entries) = &answers[10] else { panic!("{:?}", answers[10]) };
    assert_eq!(answers[9], Answer::Id(entries[0].id));
    assert_eq!(entries[0].fields, fields(&[("f", "1")]));
    let rest = [&answers[..9], &answers[11..]].concat();
    let wanted = [
        Answer::Flag(true),
        Answer::Number(3),
        Answer::Number(1),
        Answer::Value(Some("v".into())),
        Answer::Number(1),
        Answer::Flag(false),
        Answer::Pairs(fields(&[("f", "1")])),
        Answer::Number(1),
        Answer::Id(EntryId::ZERO),
        Answer::Number(0),
    ];
    assert_eq!(rest, wanted);
    // The last one is of the wrong kind: the first one is not done either.
    let wrong = vec![set("k", "v", None, When::Always), Op::HashLen { key: "l".into() }];
    assert_eq!(lab.transport.apply(wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(text(&lab, "k").await, None);
    let twice = vec![set("k", "v", None, When::Always), Op::HashLen { key: "k".into() }];
    assert_eq!(lab.transport.apply(twice).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(text(&lab, "k").await, None);
}

pub(super) async fn a_batch_hangs_on_its_conditions(lab: Lab) {
    let put = |key: &str| set(key, "v", None, When::Always);
    let there = |key: &str| Op::Exists { key: key.into() };
    let member = || Op::SetContains { key: "s".into(), member: "m".into() };
    let field = || Op::HashExists { key: "h".into(), field: "f".into() };
    let run = async |ops: Vec<Op>| lab.transport.apply(ops).await;
    // What a condition asks is what was there before the batch.
    let made = vec![
        there("k").required(false),
        put("k"),
        member().required(false),
        Op::SetAdd { key: "s".into(), members: many(&["m"]), ttl: None },
        Op::HashSet { key: "h".into(), fields: fields(&[("f", "v")]), ttl: None },
        field().required(false),
        // Several commands of one operation do not move the places of those behind it.
        Op::Delete { keys: vec!["x".into(), "y".into()] },
    ];
    let flag = |is| Answer::Flag(is);
    let answers = run(made.clone()).await.unwrap();
    assert_eq!(answers[..3], [flag(false), flag(true), flag(false)]);
    let again = run(made).await.unwrap_err();
    assert_eq!((again.kind(), unmet(&again)), (ErrorKind::Conflict, Some(0)));
    let cases = [
        (vec![put("n"), there("none").required(true)], 1),
        (vec![Op::Delete { keys: vec!["k".into(), "s".into()] }, put("n"), member().required(false)], 2),
        (vec![put("n"), there("k").required(true), field().required(false), member().required(false)], 2),
        (vec![there("none").required(true)], 0),
    ];
    for (ops, place) in cases {
        assert_eq!(unmet(&run(ops).await.unwrap_err()), Some(place));
        assert_eq!(text(&lab, "n").await, None, "nothing of it is carried out");
        assert!(text(&lab, "k").await.is_some());
    }
    run(vec![put("n"), there("k").required(true), member().required(true), field().required(true)]).await.unwrap();
    assert_eq!(run(vec![there("k").required(true)]).await.unwrap(), [flag(true)]);
    // Of another kind, and nothing that can be a condition.
    let odd = Op::HashExists { key: "k".into(), field: "f".into() };
    let error = run(vec![odd.required(false), put("n")]).await.unwrap_err();
    assert_eq!((error.kind(), unmet(&error)), (ErrorKind::Invalid, None));
    let error = run(vec![put("n").required(true)]).await.unwrap_err();
    assert_eq!((error.kind(), unmet(&error)), (ErrorKind::Invalid, None));
}

pub(super) async fn a_key_of_another_kind_is_told(lab: Lab) {
    let held = [
        (Kind::Text, set("string", "v", None, When::Always)),
        (Kind::Hash, Op::HashSet { key: "hash".into(), fields: fields(&[("f", "v")]), ttl: None }),
        (Kind::Set, Op::SetAdd { key: "set".into(), members: many(&["m"]), ttl: None }),
        (Kind::Sorted, Op::SortedAdd { key: "zset".into(), members: vec![("m".into(), 1.0)], ttl: None }),
        (Kind::List, Op::ListPush { key: "list".into(), values: many(&["v"]), ttl: None }),
        (Kind::Stream, log("stream")),
    ];
    for (_, op) in &held {
        one(&lab, op.clone()).await;
    }
    for (found, _) in &held {
        let key: &str = found.as_str();
        for op in [
            Op::Get { key: key.into() },
            set(key, "w", None, When::Always),
            set(key, "w", None, When::Absent),
            Op::Increment { key: key.into(), by: 1, ttl: None },
            Op::HashGet { key: key.into(), field: "f".into() },
            Op::HashGetAll { key: key.into() },
            Op::SetMembers { key: key.into() },
            Op::SortedRange { key: key.into(), from: 0.0, to: 1.0, count: 1 },
            Op::ListRange { key: key.into(), from: 0, to: 1 },
            log(key),
            Op::LogRead { stream: key.into(), after: EntryId::ZERO, count: 1 },
            Op::LogLast { stream: key.into() },
        ] {
            if op.kind() == Some(*found) {
                continue;
            }
            let error = lab.transport.apply(vec![op.clone()]).await.expect_err(key);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{op:?} on a {key}");
            assert_eq!(error.context().iter().find(|(name, _)| *name == "key").unwrap().1, key, "{op:?}");
            assert!(error.message().contains(&format!("holds a {key} ")), "{op:?}: {error}");
        }
        if *found != Kind::Stream {
            let error = lab.transport.tail(&key.into(), EntryId::ZERO, 1, LONG).await.expect_err(key);
            assert!(error.message().contains(&format!("holds a {key} ")), "{error}");
        }
    }
    let keys = held.iter().map(|(kind, _)| kind.as_str().into()).collect();
    assert_eq!(one(&lab, Op::Delete { keys }).await, Answer::Number(6), "any kind is removed");
}

fn log(stream: &str) -> Op {
    Op::LogAppend { stream: stream.into(), fields: fields(&[("f", "v")]), options: LogOptions::default() }
}

pub(super) async fn at_full_memory_what_frees_goes_on(lab: Lab) {
    one(&lab, Op::ListPush { key: "l".into(), values: many(&["a", "b"]), ttl: None }).await;
    lab.fill_memory(true);
    for op in [set("k", "v", None, When::Always), log("log"), Op::Increment { key: "n".into(), by: 1, ttl: None }] {
        assert_eq!(lab.transport.apply(vec![op]).await.unwrap_err().kind(), ErrorKind::Full);
    }
    assert_eq!(one(&lab, Op::ListPop { key: "l".into() }).await, Answer::Value(Some("a".into())));
    // What follows a write is carried out as well, so that a batch is whole.
    let batch = vec![Op::ListPop { key: "l".into() }, set("k", "v", None, When::Always)];
    lab.transport.apply(batch).await.unwrap();
    lab.fill_memory(false);
    assert_eq!(text(&lab, "k").await, Some("v".into()));
}

pub(super) async fn what_is_out_of_bounds_is_refused(lab: Lab) {
    for ops in [
        vec![],
        vec![Op::Get { key: "".into() }],
        vec![Op::Get { key: "k".into() }; 1001],
        vec![Op::HashSet { key: "k".into(), fields: vec![], ttl: None }],
        vec![set("k", "v", Some(Duration::ZERO), When::Always)],
    ] {
        assert_eq!(lab.transport.apply(ops).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let most = vec![Op::Increment { key: "n".into(), by: 1, ttl: None }];
    let more = (1..1000).map(|n| set(&format!("k{n}"), "v", None, When::Always));
    let answers = lab.transport.apply(most.into_iter().chain(more).collect()).await.unwrap();
    assert_eq!(answers.len(), 1000);
    let members: Vec<Bytes> = (0..1000).map(|n| n.to_string().into()).collect();
    assert_eq!(one(&lab, Op::SetAdd { key: "s".into(), members, ttl: None }).await, Answer::Number(1000));
}
