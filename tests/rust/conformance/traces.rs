//! Steps of traces: put one behind the other, counted, never refused.

use std::collections::BTreeMap;
use std::time::Duration;

use stargazer_core::ErrorKind;
use stargazer_core::topology::trace_key;
use stargazer_core::transport::{Answer, MAX_STEPS, MOST_KEPT, Op, TRACE_TTL, TraceStep};

use super::lab::Lab;

fn step(id: &str, state: &'static str, from: &'static [&'static str], text: &str) -> TraceStep {
    TraceStep { key: trace_key(id), state, from, at_ms: 7, text: text.to_owned().into(), checkpoint: None }
}

async fn fields(lab: &Lab, id: &str) -> BTreeMap<String, String> {
    let mut answers = lab.transport.apply(vec![Op::HashGetAll { key: trace_key(id) }]).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    answers.remove(0).pairs().unwrap().iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn of<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub(super) async fn steps_stand_in_the_order_they_came(lab: Lab) {
    let t = &lab.transport;
    assert_eq!(t.trace(&[]).await.unwrap(), 0);
    let mut second = step("a", "B", &["X", "A"], "two");
    second.checkpoint = Some("saved".into());
    assert_eq!(t.trace(&[step("a", "A", &[], "one"), step("b", "A", &[], "other"), second]).await.unwrap(), 0);
    let two =
        of([("1", "one"), ("2", "two"), ("state", "B"), ("updated_at", "7"), ("steps", "2"), ("checkpoint", "saved")]);
    assert_eq!(fields(&lab, "a").await, two);
    assert_eq!(fields(&lab, "b").await["1"], "other");
    let answers = t.apply(vec![Op::TimeToLive { key: trace_key("a") }]).await.unwrap();
    let Answer::Left(Some(left)) = &answers[0] else { panic!("{answers:?}") };
    assert!(*left <= TRACE_TTL && *left > TRACE_TTL.saturating_sub(Duration::from_secs(60)), "{left:?}");
}

pub(super) async fn what_the_state_does_not_allow_is_written_and_counted(lab: Lab) {
    let t = &lab.transport;
    // No first state, not a part of a word, the same again.
    assert_eq!(t.trace(&[step("a", "BB", &["A"], "one"), step("a", "C", &["B"], "two")]).await.unwrap(), 2);
    assert_eq!(t.trace(&[step("a", "D", &["C"], "three"), step("a", "D", &["C"], "four")]).await.unwrap(), 1);
    assert_eq!(t.trace(&[step("a", "A", &[], "five")]).await.unwrap(), 1, "the first state comes first");
    let all = fields(&lab, "a").await;
    assert_eq!((&*all["illegal"], &*all["steps"], &*all["state"], &*all["5"]), ("4", "5", "A", "five"));
}

pub(super) async fn a_long_trace_keeps_its_beginning_and_its_state(lab: Lab) {
    let t = &lab.transport;
    let steps: Vec<TraceStep> = (0..MAX_STEPS).map(|_| step("a", "A", &["A"], "x")).collect();
    for _ in 0..=MOST_KEPT / MAX_STEPS {
        t.trace(&steps).await.unwrap();
    }
    assert_eq!(t.trace(&[step("a", "B", &["A"], "last")]).await.unwrap(), 0);
    let all = fields(&lab, "a").await;
    let count = (MOST_KEPT / MAX_STEPS + 1) * MAX_STEPS + 1;
    assert_eq!((&*all["state"], &all["steps"]), ("B", &count.to_string()));
    assert!(all.contains_key(&MOST_KEPT.to_string()) && !all.contains_key(&(MOST_KEPT + 1).to_string()));
}

pub(super) async fn steps_that_cannot_be_added_are_invalid(lab: Lab) {
    let t = &lab.transport;
    let many: Vec<TraceStep> = (0..=MAX_STEPS).map(|_| step("a", "A", &[], "x")).collect();
    assert_eq!(t.trace(&many).await.unwrap_err().kind(), ErrorKind::Invalid);
    t.apply(vec![Op::SetAdd { key: trace_key("b"), members: vec!["x".into()], ttl: None }]).await.unwrap();
    let both = [step("a", "A", &[], "x"), step("b", "A", &[], "x")];
    assert_eq!(t.trace(&both).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert!(fields(&lab, "a").await.is_empty(), "all or none");
}
