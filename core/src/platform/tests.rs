use std::sync::Arc;

use super::*;
use crate::bus::Bus;
use crate::envelope::{Envelope, Inbound, Map, Outbound};
use crate::error::{Error, Result};
use crate::provision::Role;
use crate::publish::Publisher;
use crate::transport::{EntryId, field};

#[derive(Debug)]
struct Silent(String);

#[async_trait::async_trait]
impl Adapter for Silent {
    fn name(&self) -> &str {
        &self.0
    }

    async fn is_running(&self) -> bool {
        true
    }

    async fn start(&self, _: Intake) -> Result<()> {
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn send(&self, _: &str, _: &str, _: &SendContext) -> Result<String> {
        Ok(String::new())
    }

    async fn is_channel_valid(&self, _: &str) -> Result<bool> {
        Ok(true)
    }
}

async fn bus() -> Bus {
    Bus::connect("memory://").role(Role::Worker).await.unwrap()
}

/// What stands in the inbound stream.
async fn received(bus: &Bus) -> Vec<Inbound> {
    let entries = bus.entries(&bus.topology().inbound_stream, EntryId::ZERO, 100).await.unwrap();
    entries.iter().map(|entry| Inbound::decode(field(&entry.fields, "data").unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn an_adapter_is_made_by_the_name_of_its_kind() {
    let bus = bus().await;
    let mut kinds = AdapterKinds::new();
    let silent = |_: &Publisher, settings: &Map| -> Result<Arc<dyn Adapter>> {
        let name = settings.text("name").ok_or_else(|| Error::invalid("`name` is missing"))?;
        Ok(Arc::new(Silent(name.into())))
    };
    kinds.register("silent", silent).unwrap();
    kinds.register("quiet", silent).unwrap();
    assert_eq!(kinds.register("silent", silent).unwrap_err().code(), "conflict");
    assert_eq!(kinds.register("", silent).unwrap_err().code(), "invalid");
    let made = kinds.create("silent", &bus, &Map::from([("name", "s1")])).unwrap();
    assert_eq!(made.name(), "s1");
    assert_eq!(made.send_file("c", &File::default(), &SendContext::new()).await.unwrap_err().code(), "rejected");
    let error = kinds.create("loud", &bus, &Map::new()).unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert!(error.message().contains("quiet, silent"), "{error}");
    assert_eq!(create("redis", &bus, &Map::new()).unwrap().name(), "redis");
    assert!(create("loud", &bus, &Map::new()).unwrap_err().message().ends_with("known are: redis"));
}

#[tokio::test]
async fn a_received_message_becomes_an_envelope_once() {
    let bus = bus().await;
    let intake = Intake::new(&bus, "web");
    let mut message = IncomingMessage::new_at("", "c1", "u1", "Ann", "hello", 0.0);
    message.message_id = "m1".into();
    message.extra = Map::from([(NONCE, "n1")]);
    let first = intake.message(message.clone()).await.unwrap();
    let again = intake.message(message.clone()).await.unwrap();
    assert_eq!((first.id, first.duplicate, again.id, again.duplicate), (again.id, false, first.id, true));
    // The same id in another channel is another message.
    message.channel_id = "c2".into();
    assert!(!intake.message(message).await.unwrap().duplicate);
    let received = received(&bus).await;
    assert_eq!(received.len(), 2);
    let hello = &received[0];
    assert_eq!((hello.platform.as_str(), hello.channel_key.as_str()), ("web", "web:c1"));
    assert!(hello.timestamp > 0.0 && hello.enqueued_at > 0.0 && hello.trace_id.len() == 32, "{hello:?}");
    assert_eq!(hello.extra.text(NONCE), Some("n1"));
}

#[tokio::test]
async fn messages_without_an_id_are_told_apart() {
    let bus = bus().await;
    let intake = Intake::new(&bus, "web");
    for _ in 0..2 {
        intake.message(IncomingMessage::new_at("web", "c1", "u1", "Ann", "hello", 5.0)).await.unwrap();
    }
    let received = received(&bus).await;
    assert_ne!(received[0].message_id, received[1].message_id);
}

#[tokio::test]
async fn an_update_reaches_the_workers_unaddressed() {
    let bus = bus().await;
    let intake = Intake::new(&bus, "web");
    intake.update(MessageUpdate::edited("c1", "m1", "better")).await.unwrap();
    intake.update(MessageUpdate::edited("c1", "m1", "best")).await.unwrap();
    let received = received(&bus).await;
    let texts: Vec<_> = received.iter().map(|m| MessageUpdate::of_inbound(m).unwrap().unwrap().text).collect();
    assert_eq!(texts, ["better", "best"]);
}

#[tokio::test]
async fn what_cannot_be_a_message_of_the_platform_is_refused() {
    let bus = bus().await;
    let intake = Intake::new(&bus, "web");
    for (platform, channel) in [("other", "c1"), ("web", "")] {
        let message = IncomingMessage::new_at(platform, channel, "u1", "Ann", "hello", 5.0);
        assert_eq!(intake.message(message).await.unwrap_err().code(), "invalid");
    }
    intake.close();
    let message = IncomingMessage::new_at("web", "c1", "u1", "Ann", "hello", 5.0);
    assert_eq!(intake.message(message).await.unwrap_err().code(), "closed");
    assert!(received(&bus).await.is_empty());
}

/// What stands in the outbound stream.
async fn said(bus: &Bus) -> Vec<Outbound> {
    let entries = bus.entries(&bus.topology().outbound_stream("web"), EntryId::ZERO, 100).await.unwrap();
    entries.iter().map(|entry| Outbound::decode(field(&entry.fields, "data").unwrap()).unwrap()).collect()
}

fn question() -> Inbound {
    Inbound::new("web", "c1", "u1", "hi").with_trace_id("t1").with_extra(Map::from([(NONCE, "n1")]))
}

#[tokio::test]
async fn a_turn_that_runs_again_says_everything_under_the_same_keys_and_stores_it_once() {
    let bus = bus().await;
    for _ in 0..2 {
        let proxy = ProxyAdapter::for_message(&bus, &question());
        proxy.perform(Outbound::message("", "one")).await.unwrap();
        proxy.perform(Outbound::file("c2", "a", "text/plain", "x")).await.unwrap();
        proxy.perform(Outbound::message("", "two").with_message_key("own")).await.unwrap();
        proxy.perform(Outbound::message("", "three")).await.unwrap();
        proxy.end(None).await.unwrap();
        proxy.end(Some("too late")).await.unwrap();
    }
    let said = said(&bus).await;
    let keys: Vec<_> = said.iter().map(|action| action.message_key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["t1:message:0", "t1:file:0", "own", "t1:message:1", "t1:turn_complete:0"]);
    let channels: Vec<_> = said.iter().map(|action| action.channel_id.as_str()).collect();
    assert_eq!(channels, ["c1", "c2", "c1", "c1", "c1"]);
    assert!(said.iter().all(|action| action.trace_id == "t1" && action.platform == "web"));
}

#[tokio::test]
async fn outside_of_a_turn_there_are_no_keys() {
    let bus = bus().await;
    let proxy = ProxyAdapter::new(&bus, "web");
    for _ in 0..2 {
        proxy.perform(Outbound::message("c1", "hi")).await.unwrap();
    }
    proxy.perform(Outbound::presence("busy", None)).await.unwrap();
    // Nobody asked for it.
    proxy.end(None).await.unwrap();
    let said = said(&bus).await;
    assert_eq!((said.len(), said.iter().filter(|action| action.message_key.is_some()).count()), (3, 0));
}
