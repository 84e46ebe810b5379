use stargazer_core::envelope::{Action, Envelope, Map};
use stargazer_core::platform::{NONCE, TURN_COMPLETE};
use stargazer_core::{Bus, Role};
use stargazer_scripted_model::Pace;

use super::*;

async fn bus() -> Bus {
    Bus::connect("memory://").role(Role::Standalone).platforms(["web"]).await.unwrap()
}

fn processor() -> Processor {
    Processor::new(ScriptedModel::new(Pace::instant()), Tools::default())
}

fn message(text: &str) -> Inbound {
    Inbound::new("web", "c1", "u1", text).with_message_id("m1").with_trace_id("t1")
}

/// What stands in the outbound stream.
async fn said(bus: &Bus) -> Vec<Outbound> {
    let stream = bus.topology().outbound_stream("web");
    let entries = bus.entries(&stream, stargazer_core::transport::EntryId::ZERO, 100).await.unwrap();
    let data =
        |fields: &stargazer_core::transport::Fields| stargazer_core::transport::field(fields, "data").unwrap().clone();
    entries.iter().map(|entry| Outbound::decode(&data(&entry.fields)).unwrap()).collect()
}

#[tokio::test]
async fn an_answer_names_its_message() {
    let bus = bus().await;
    processor().answer(&message("echo hello"), 1, Publisher::clone(&bus)).await.unwrap();
    let said = said(&bus).await;
    let [answer] = &said[..] else { panic!("{said:?}") };
    assert_eq!((answer.text.as_str(), answer.channel_id.as_str(), answer.platform.as_str()), ("hello", "c1", "web"));
    assert_eq!((answer.trace_id.as_str(), answer.message_key.as_deref()), ("t1", Some("t1:message:0")));
    let Action::Message(fields) = &answer.action else { panic!("{answer:?}") };
    assert_eq!(fields.reply_to.as_deref(), Some("m1"));
}

#[tokio::test]
async fn without_a_trace_the_message_id_serves() {
    let bus = bus().await;
    processor().answer(&message("hi").with_trace_id(""), 1, Publisher::clone(&bus)).await.unwrap();
    let said = said(&bus).await;
    assert_eq!((said[0].trace_id.as_str(), said[0].message_key.as_deref()), ("m1", Some("m1:message:0")));
}

#[tokio::test]
async fn files_come_back_byte_for_byte() {
    let bus = bus().await;
    let mut asked = message("two files");
    let bytes: Vec<u8> = (0..=255).collect();
    for name in ["a.bin", "b.bin"] {
        asked.attachments.push(Attachment::new(bytes.clone(), "application/x-test", name).to_map().unwrap());
    }
    processor().answer(&asked, 1, Publisher::clone(&bus)).await.unwrap();
    let said = said(&bus).await;
    let names: Vec<_> = said.iter().map(|action| action.message_key.as_deref().unwrap()).collect();
    assert_eq!(names, ["t1:message:0", "t1:file:0", "t1:file:1"]);
    let Action::File(file) = &said[2].action else { panic!("{said:?}") };
    assert_eq!((file.filename.as_str(), file.mimetype.as_str()), ("b.bin", "application/x-test"));
    assert_eq!(file.data, bytes);
}

#[tokio::test]
async fn a_turn_that_runs_again_stores_nothing_twice() {
    let bus = bus().await;
    let asked = message("again").with_extra(Map::from([(NONCE, "n1")]));
    for attempt in 1..=3 {
        processor().answer(&asked, attempt, Publisher::clone(&bus)).await.unwrap();
    }
    assert_eq!(said(&bus).await.len(), 2);
}

#[tokio::test]
async fn the_end_of_a_turn_is_told_to_those_who_gave_a_nonce() {
    let bus = bus().await;
    let asked = message("weather in Berlin").with_extra(Map::from([(NONCE, "n1")]));
    processor().answer(&asked, 1, Publisher::clone(&bus)).await.unwrap();
    let said = said(&bus).await;
    assert!(said[0].text.contains("Berlin: "), "{}", said[0].text);
    let Action::Rpc(end) = &said[1].action else { panic!("{said:?}") };
    assert_eq!((end.method.as_str(), end.params.text("nonce")), (TURN_COMPLETE, Some("n1")));
    assert_eq!(end.params.text("status"), Some("completed"));
    assert_eq!(said[1].channel_id, "c1");
}

#[tokio::test]
async fn a_failing_model_says_nothing() {
    let bus = bus().await;
    for attempt in 1..=2 {
        let error = processor().answer(&message("fail twice"), attempt, Publisher::clone(&bus)).await.unwrap_err();
        assert!(error.retryable(), "{error}");
    }
    assert!(said(&bus).await.is_empty());
    processor().answer(&message("fail twice"), 3, Publisher::clone(&bus)).await.unwrap();
    assert_eq!(said(&bus).await.len(), 1);
}
