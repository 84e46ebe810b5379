//! What becomes of what is to be sent.

use super::fake::Act;
use super::*;
use crate::dead_letter::ReplayOptions;
use crate::envelope::{Button, Map};
use crate::error::ErrorKind;

async fn sent(actions: Vec<Outbound>, acts: impl IntoIterator<Item = Act>, config: GatewayConfig) -> Outcome {
    let bus = bus().await;
    let fake = Fake::new().sends(acts);
    let gateway = started(&bus, &fake, config).await;
    publish(&bus, actions).await;
    finished(&bus).await;
    let health = health(&gateway);
    gateway.close().await.unwrap();
    let dead = dead(&bus).await;
    Outcome { said: fake.said(), dead, health }
}

struct Outcome {
    said: Vec<Said>,
    dead: Vec<String>,
    health: AdapterHealth,
}

fn keyed(text: &str) -> Outbound {
    Outbound::message("c1", text).with_message_key(format!("key of {text}"))
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_action_reaches_its_method() {
    let mut file = Outbound::file("c1", "a.txt", "text/plain", "abc").with_text("look").with_reply_to("m1");
    file.rest.insert("silent", true);
    let actions = vec![
        Outbound::message("c1", "hi").with_reply_to("m1").with_trace_id("t1"),
        file,
        Outbound::buttons("c1", "well?", [Button::new("yes", "y"), Button::new("no", "n")]),
        Outbound::reaction("c1", "m1", "👍"),
        Outbound::typing("c1"),
        Outbound::rpc("turn_complete", Map::from([("nonce", "n1")]), "", "").with_channel("c1"),
    ];
    let Outcome { said, dead, health } = sent(actions, [], config()).await;
    assert!(dead.is_empty(), "{dead:?}");
    let wanted = ["hi", "file a.txt text/plain 3", "well? [yes no]", "👍 to m1", "typing", "n1 completed"];
    assert_eq!(texts(&said), wanted);
    assert_eq!((said[0].context.reply_to.as_deref(), said[0].context.trace_id.as_str()), (Some("m1"), "t1"));
    assert_eq!((said[1].context.reply_to.as_deref(), said[1].context.caption.as_str()), (Some("m1"), "look"));
    assert_eq!(said[1].context.rest, Map::from([("silent", true)]));
    assert_eq!((health.performed, health.failed, health.under_way), (6, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_status_of_the_bot_needs_no_channel() {
    let Outcome { said, .. } = sent(vec![Outbound::presence("busy", Some("🐝".into()))], [], config()).await;
    assert_eq!(texts(&said), ["busy 🐝"]);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_key_is_sent_once_and_what_has_none_as_often_as_it_comes() {
    let plain = Outbound::message("c1", "plain");
    let Outcome { said, health, .. } = sent(vec![keyed("a"), keyed("a"), plain.clone(), plain], [], config()).await;
    assert_eq!(texts(&said), ["a", "plain", "plain"]);
    assert_eq!((health.performed, health.doubled), (3, 1));
    assert!(said.iter().all(|said| !said.context.may_be_repeat));
}

#[tokio::test(start_paused = true)]
async fn another_gateway_knows_what_was_sent() {
    let bus = bus().await;
    let (first, second) = (Fake::new(), Fake::new());
    for fake in [&first, &second] {
        let gateway = started(&bus, fake, config()).await;
        publish(&bus, [keyed("a"), keyed(if fake.said().is_empty() { "b" } else { "c" })]).await;
        finished(&bus).await;
        gateway.close().await.unwrap();
    }
    assert_eq!((texts(&first.said()), texts(&second.said())), (vec!["a", "b"], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_tried_again_in_order_and_is_no_repeat() {
    let acts = [Act::Fail(ErrorKind::Unavailable), Act::Fail(ErrorKind::Full)];
    let Outcome { said, dead, health } = sent(vec![keyed("a"), keyed("b")], acts, config()).await;
    assert_eq!((texts(&said), dead.len()), (vec!["a", "b"], 0));
    assert_eq!((said[0].context.attempt, said[0].context.may_be_repeat), (3, false));
    assert_eq!((health.performed, health.failed, health.repeated), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_sent_is_sent_again_and_the_adapter_told() {
    for act in [Act::Lose, Act::Panic, Act::Hang, Act::Fail(ErrorKind::Timeout), Act::Fail(ErrorKind::Remote)] {
        let lost = matches!(act, Act::Lose);
        for action in [keyed("a"), Outbound::message("c1", "a")] {
            let Outcome { said, dead, health } = sent(vec![action, keyed("b")], [act.clone()], config()).await;
            let wanted = if lost { vec!["a", "a", "b"] } else { vec!["a", "b"] };
            assert_eq!((texts(&said), dead.len()), (wanted, 0), "{act:?}");
            let again = &said[said.len() - 2];
            assert_eq!((again.context.attempt, again.context.may_be_repeat), (2, true), "{act:?}");
            assert_eq!((health.repeated, health.failed), (1, 1), "{act:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_stays_until_it_was_sent() {
    // The second try certainly sent nothing; the first may have.
    let acts = [Act::Lose, Act::Fail(ErrorKind::Unavailable)];
    let Outcome { said, .. } = sent(vec![keyed("a")], acts, config()).await;
    assert_eq!(said.iter().map(|said| said.context.may_be_repeat).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_sent_can_be_left_to_people() {
    let bus = bus().await;
    let fake = Fake::new().sends([Act::Lose]);
    let skip = GatewayConfig { on_unknown: OnUnknown::Skip, ..config() };
    let gateway = started(&bus, &fake, skip).await;
    publish(&bus, [keyed("a"), keyed("b")]).await;
    finished(&bus).await;
    assert_eq!(texts(&fake.said()), ["a", "b"]);
    let dead = dead(&bus).await;
    assert!(dead.len() == 1 && dead[0].contains("may have been sent"), "{dead:?}");
    assert_eq!(health(&gateway).skipped, 1);
    // Somebody looked, and wants it sent.
    let letters = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 1).await.unwrap();
    bus.dead_letters().replay(&[letters[0].id], &ReplayOptions::default()).await.unwrap();
    until("it was sent", async || fake.said().len() == 3).await;
    let last = fake.said().pop().unwrap();
    assert_eq!((last.text.as_str(), last.context.may_be_repeat), ("a", true));
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_goes_to_the_dead_letters_and_can_be_sent_later() {
    let bus = bus().await;
    let fake = Fake::new().sends([Act::Fail(ErrorKind::Rejected)]);
    let gateway = started(&bus, &fake, config()).await;
    publish(&bus, [keyed("a"), keyed("b")]).await;
    finished(&bus).await;
    assert_eq!((texts(&fake.said()), dead(&bus).await.len()), (vec!["b"], 1));
    let letters = bus.entries(&bus.topology().dead_letter_stream, EntryId::ZERO, 1).await.unwrap();
    bus.dead_letters().replay(&[letters[0].id], &ReplayOptions::default()).await.unwrap();
    until("it was sent", async || fake.said().len() == 2).await;
    assert!(!fake.said()[1].context.may_be_repeat);
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_too_often_goes_to_the_dead_letters_and_lets_the_next_one_pass() {
    let acts = vec![Act::Fail(ErrorKind::Unavailable); 3];
    let Outcome { said, dead, .. } = sent(vec![keyed("a"), keyed("b")], acts, config()).await;
    assert_eq!((texts(&said), dead.len()), (vec!["b"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_typing_that_fails_keeps_nothing_back() {
    let acts = [Act::Fail(ErrorKind::Unavailable)];
    let Outcome { said, dead, health } = sent(vec![Outbound::typing("c1"), keyed("a")], acts, config()).await;
    assert_eq!((texts(&said), dead.len(), health.failed), (vec!["a"], 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_too_long_is_refused() {
    let long = Outbound::message("c1", "a").with_message_key("k".repeat(2000));
    let Outcome { said, dead, .. } = sent(vec![long], [], config()).await;
    assert!(said.is_empty() && dead[0].contains("1024"), "{dead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_full_takes_no_marks_and_is_emptied_all_the_same() {
    let clock = crate::clock::SystemClock::shared();
    let engine = crate::engine::Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock, crate::config::BusConfig::default());
    let fake = Fake::new().starts([Act::Fail(ErrorKind::Unavailable)]);
    let gateway = started(&bus, &fake, config()).await;
    publish(&bus, [keyed("a"), keyed("b")]).await;
    until("it waits", async || health(&gateway).waiting == 1).await;
    engine.fill_memory(true).unwrap();
    finished(&bus).await;
    assert_eq!((texts(&fake.said()), dead(&bus).await.len()), (vec!["a", "b"], 0));
    gateway.close().await.unwrap();
}
