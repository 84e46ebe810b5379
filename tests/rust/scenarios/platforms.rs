//! Gateways and their adapters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stargazer_core::envelope::{Attachment, IncomingMessage, Map, Outbound, Value};
use stargazer_core::platform::{
    Adapter, AdapterState, Gateway, GatewayConfig, Intake, MessageUpdate, NONCE, OnUnknown, ProxyAdapter, SendContext,
};
use stargazer_core::{Bus, Error, Result};
use tokio::sync::Notify;

use super::lab::{Lab, dead_letters, quick, until};

/// What a platform saw: channel, text, whether it was told that it may be a repeat.
pub(crate) type Saw = Arc<Mutex<Vec<(String, String, bool)>>>;

/// A platform that writes down what it is sent. A text that begins with `hold` is written down and then held, one that
/// begins with `lost` is held before.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) saw: Saw,
    pub(crate) held: Notify,
    pub(crate) intake: Mutex<Option<Intake>>,
}

impl Board {
    fn seeing(saw: &Saw) -> Arc<Self> {
        Arc::new(Self { saw: saw.clone(), ..Self::default() })
    }

    async fn hold(&self) {
        self.held.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Adapter for Board {
    fn name(&self) -> &'static str {
        "web"
    }

    async fn is_running(&self) -> bool {
        true
    }

    async fn start(&self, intake: Intake) -> Result<()> {
        *self.intake.lock().unwrap() = Some(intake);
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }

    async fn send(&self, channel_id: &str, text: &str, context: &SendContext) -> Result<String> {
        if text.starts_with("lost") && !context.may_be_repeat {
            self.hold().await;
        }
        self.saw.lock().unwrap().push((channel_id.into(), text.into(), context.may_be_repeat));
        if text.starts_with("hold") && !context.may_be_repeat {
            self.hold().await;
        }
        Ok(String::new())
    }

    async fn is_channel_valid(&self, channel_id: &str) -> Result<bool> {
        Ok(channel_id == "c1")
    }
}

pub(crate) fn config() -> GatewayConfig {
    let mut config = GatewayConfig::default();
    config.consumer = quick();
    config
}

async fn started(bus: &Bus, board: &Arc<Board>, config: GatewayConfig) -> Gateway {
    let gateway = Gateway::new(bus, [board.clone() as Arc<dyn Adapter>]).with_config(config);
    gateway.start().await.unwrap();
    gateway
}

/// Publishes texts for a channel, each under a key of its own.
async fn speak(bus: &Bus, channel: &str, texts: &[&str]) {
    for text in texts {
        let message = Outbound::message(channel, *text).with_message_key(format!("{channel} {text}"));
        bus.publish_outbound("web", &message).await.unwrap();
    }
}

async fn finished(bus: &Bus) {
    let stream = bus.topology().outbound_stream("web");
    until("everything is sent", || {
        let (bus, stream) = (bus.clone(), stream.clone());
        async move { bus.stream_info(&stream).await.is_ok_and(|info| info.length == 0) }
    })
    .await;
}

fn of_channel(saw: &Saw, channel: &str) -> Vec<(String, bool)> {
    let saw = saw.lock().unwrap();
    saw.iter().filter(|(of, ..)| of == channel).map(|(_, text, told)| (text.clone(), *told)).collect()
}

fn seen(saw: &Saw, channel: &str, wanted: &[(&str, bool)]) {
    let wanted: Vec<_> = wanted.iter().map(|(text, told)| ((*text).to_owned(), *told)).collect();
    assert_eq!(of_channel(saw, channel), wanted);
}

pub(super) async fn what_was_sent_is_not_sent_again(lab: Lab) {
    let bus = lab.bus().await;
    let saw = Saw::default();
    for _ in 0..2 {
        let gateway = started(&bus, &Board::seeing(&saw), config()).await;
        speak(&bus, "c1", &["a", "b", "a"]).await;
        finished(&bus).await;
        gateway.close().await.unwrap();
    }
    seen(&saw, "c1", &[("a", false), ("b", false)]);
    bus.close().await.unwrap();
}

/// A gateway on a thread and runtime of its own, which is stopped where it is, as `kill -9` does, once it holds a send.
fn doomed(url: String, saw: &Saw, config: GatewayConfig) {
    let board = Board::seeing(saw);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateway = runtime.block_on(async {
            let bus = Bus::connect(url).await.unwrap();
            let gateway = started(&bus, &board, config).await;
            board.held.notified().await;
            gateway
        });
        // First what works goes, so that nothing can be given back any more.
        runtime.shutdown_background();
        std::mem::forget(gateway);
    })
    .join()
    .unwrap();
}

pub(super) async fn a_send_that_a_gateway_died_in_is_repeated_and_told(lab: Lab) {
    let bus = lab.bus().await;
    for held in ["lost", "hold"] {
        let saw = Saw::default();
        let (channel, other) = (format!("c {held}"), format!("d {held}"));
        speak(&bus, &channel, &["a", held, "b", "c"]).await;
        let (url, of_dead) = (lab.url.clone(), saw.clone());
        tokio::task::spawn_blocking(move || doomed(url, &of_dead, config())).await.unwrap();
        speak(&bus, &other, &["x"]).await;
        let gateway = started(&bus, &Board::seeing(&saw), config()).await;
        finished(&bus).await;
        let mut wanted = vec![("a", false), ("lost", true), ("b", false), ("c", false)];
        if held == "hold" {
            wanted.splice(1..2, [("hold", false), ("hold", true)]);
        }
        seen(&saw, &channel, &wanted);
        seen(&saw, &other, &[("x", false)]);
        assert_eq!((gateway.health()[0].repeated, gateway.health()[0].skipped), (1, 0));
        gateway.close().await.unwrap();
    }
    assert!(dead_letters(&bus).await.is_empty());
    bus.close().await.unwrap();
}

pub(super) async fn a_send_that_a_gateway_died_in_can_be_left_to_people(lab: Lab) {
    let bus = lab.bus().await;
    let saw = Saw::default();
    let mut skip = config();
    skip.on_unknown = OnUnknown::Skip;
    speak(&bus, "c1", &["a", "hold", "b"]).await;
    let (url, of_dead, settings) = (lab.url.clone(), saw.clone(), skip.clone());
    tokio::task::spawn_blocking(move || doomed(url, &of_dead, settings)).await.unwrap();
    let gateway = started(&bus, &Board::seeing(&saw), skip).await;
    finished(&bus).await;
    seen(&saw, "c1", &[("a", false), ("hold", false), ("b", false)]);
    let letters = dead_letters(&bus).await;
    assert_eq!(letters.len(), 1);
    // Somebody looked, and wants it sent.
    bus.dead_letters().replay(&[letters[0].id], &stargazer_core::dead_letter::ReplayOptions::default()).await.unwrap();
    until("it is sent", || async { of_channel(&saw, "c1").last().is_some_and(|(text, told)| text == "hold" && *told) })
        .await;
    gateway.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn an_adapter_that_breaks_is_started_again(lab: Lab) {
    let bus = lab.bus().await;
    let saw = Saw::default();
    let board = Board::seeing(&saw);
    let mut settings = config();
    settings.restart_base = Duration::from_millis(20);
    let gateway = started(&bus, &board, settings).await;
    let intake = board.intake.lock().unwrap().clone().unwrap();
    intake.failed(Error::unavailable("the socket closed"));
    gateway.reached("web", |state| state == AdapterState::Restarting).await.unwrap();
    speak(&bus, "c1", &["a"]).await;
    finished(&bus).await;
    seen(&saw, "c1", &[("a", false)]);
    let health = gateway.health().remove(0);
    assert_eq!((health.state, health.starts), (AdapterState::Running, 2));
    assert_eq!(health.last_error.unwrap().message(), "the socket closed");
    gateway.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_message_goes_from_a_platform_to_a_worker_and_back(lab: Lab) {
    let bus = lab.bus().await;
    let board = Board::seeing(&Saw::default());
    let gateway = started(&bus, &board, config()).await;
    let intake = board.intake.lock().unwrap().clone().unwrap();
    let mut message = IncomingMessage::new_at("", "c1", "u1", "Ann", "hi", 0.0);
    message.message_id = "m1".into();
    // The platform delivers it twice.
    for duplicate in [false, true] {
        assert_eq!(intake.message(message.clone()).await.unwrap().duplicate, duplicate);
    }
    intake.update(MessageUpdate::edited("c1", "m1", "hello")).await.unwrap();
    let inbox = bus.consume_inbound().config(quick()).open().await.unwrap();
    let worker = bus.clone();
    inbox
        .run_until_idle(move |delivery| {
            let bus = worker.clone();
            async move {
                let message = delivery.data()?;
                let proxy = ProxyAdapter::for_message(bus, &message);
                let said = match MessageUpdate::of_inbound(&message) {
                    Some(update) => format!("now {}", update?.text),
                    None => format!("you said {}", message.content),
                };
                proxy.perform(Outbound::message("", said)).await?;
                Ok(())
            }
        })
        .await
        .unwrap();
    finished(&bus).await;
    let mut said = of_channel(&board.saw, "c1");
    said.sort();
    assert_eq!(said, [("now hello".to_owned(), false), ("you said hi".to_owned(), false)]);
    inbox.close().await.unwrap();
    gateway.close().await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_message_becomes_an_envelope_and_back(_: Lab) {
    let mut message = IncomingMessage::new_at("web", "c1", "u1", "Änn", "hi", 12.5);
    message.is_addressed = false;
    message.attachments = vec![Attachment::new(&b"\x00\xff"[..], "image/png", "a.png").with_source_url("https://x")];
    message.channel_name = "Kitchen".into();
    message.message_id = "m1".into();
    message.reply_to_id = "m0".into();
    message.extra = Map::from([
        (NONCE, Value::from("n1")),
        ("deep", Map::from([("a", vec![Value::from(&b"\x00"[..])])]).into()),
        ("guild_id", "g".into()),
        ("is_dm", true.into()),
        ("member_roles", vec!["a"].into()),
    ]);
    message.reactions = "👍×3".into();
    message.unified_user_id = Some("x1".into());
    message.user_aliases = vec!["web:u1".into()];
    let envelope = message.to_inbound_envelope().unwrap();
    assert_eq!(
        (envelope.channel_key.as_str(), envelope.guild_id.as_deref(), envelope.is_dm),
        ("web:c1", Some("g"), true)
    );
    assert_eq!(IncomingMessage::from_inbound_envelope(&envelope).unwrap(), message);
}
