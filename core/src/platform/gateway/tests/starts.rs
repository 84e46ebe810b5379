//! How adapters start, fail and end.

use std::sync::atomic::Ordering;

use super::fake::Act;
use super::*;
use crate::envelope::IncomingMessage;
use crate::error::ErrorKind;

fn running(gateway: &Gateway) -> impl Future<Output = ()> {
    let reached = gateway.reached(fake::NAME, |state| state == AdapterState::Running);
    async move {
        reached.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_cannot_start_is_started_again_and_what_waits_counts_no_attempt() {
    let bus = bus().await;
    let fake = Fake::new().starts([Act::Fail(ErrorKind::Unavailable), Act::Panic, Act::Hang]);
    let gateway = started(&bus, &fake, config()).await;
    assert_eq!(health(&gateway).state, AdapterState::Restarting);
    publish(&bus, [Outbound::message("c1", "a")]).await;
    until("it waits", async || health(&gateway).waiting == 1).await;
    let began = tokio::time::Instant::now();
    running(&gateway).await;
    finished(&bus).await;
    // 1 s, 2 s, the hang's 30 s, 4 s; each pause up to a fifth longer.
    let took = began.elapsed().as_secs();
    assert!((36..=40).contains(&took), "{took}");
    assert_eq!(fake.said()[0].context.attempt, 1);
    let health = health(&gateway);
    assert_eq!((health.starts, health.waiting, health.last_error.unwrap().code()), (4, 0, "timeout"));
    assert_eq!(fake.stopped.load(Ordering::SeqCst), 3, "what is left of a failed start is cleared away");
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_refused_for_good_is_left_and_the_others_go_on() {
    let bus = bus().await;
    let (good, bad) = (Fake::new(), Fake::called("bad").starts([Act::Fail(ErrorKind::Auth)]));
    let adapters: [Arc<dyn Adapter>; 2] = [bad.clone(), good.clone()];
    let gateway = Gateway::new(&bus, adapters).with_config(config());
    gateway.start().await.unwrap();
    bus.publish_outbound("bad", &Outbound::message("c1", "kept")).await.unwrap();
    publish(&bus, [Outbound::message("c1", "a")]).await;
    finished(&bus).await;
    let states: Vec<_> = gateway.health().iter().map(|health| health.state).collect();
    assert_eq!(states, [AdapterState::Failed, AdapterState::Running]);
    let error = gateway.close().await.unwrap_err();
    assert_eq!((error.code(), bad.started.load(Ordering::SeqCst)), ("auth", 1));
    // Another gateway may have it.
    let left = bus.stream_info(&bus.topology().outbound_stream("bad")).await.unwrap();
    assert_eq!((left.length, dead(&bus).await.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_of_which_nothing_is_left_does_not_start() {
    let bus = bus().await;
    let fake = Fake::new().starts([Act::Fail(ErrorKind::Invalid)]);
    let error = gateway(&bus, &fake, config()).run().await.unwrap_err();
    assert_eq!(error.code(), "invalid");
    assert_eq!(fake.stopped.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_refused_before_anything_starts() {
    let bus = bus().await;
    let fake = Fake::new();
    let none: [Arc<dyn Adapter>; 0] = [];
    assert_eq!(Gateway::new(&bus, none).start().await.unwrap_err().code(), "invalid");
    let twice: [Arc<dyn Adapter>; 2] = [fake.clone(), fake.clone()];
    assert_eq!(Gateway::new(&bus, twice).start().await.unwrap_err().code(), "invalid");
    let gateway = started(&bus, &fake, config()).await;
    assert_eq!(gateway.start().await.unwrap_err().code(), "conflict");
    assert_eq!(gateway.reached("other", |_| true).await.unwrap_err().code(), "not_found");
    gateway.close().await.unwrap();
    assert_eq!(fake.started.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_stops_by_itself_is_started_again() {
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = started(&bus, &fake, config()).await;
    fake.running.store(false, Ordering::SeqCst);
    gateway.reached(fake::NAME, |state| state == AdapterState::Restarting).await.unwrap();
    running(&gateway).await;
    let first = fake.intake.lock().unwrap().clone().unwrap();
    first.failed(Error::unavailable("the socket closed"));
    gateway.reached(fake::NAME, |state| state == AdapterState::Restarting).await.unwrap();
    running(&gateway).await;
    assert_eq!(health(&gateway).last_error.unwrap().message(), "the socket closed");
    // What belongs to the life before is over, what belongs to this one works.
    let message = || IncomingMessage::new_at("", "c1", "u1", "Ann", "hi", 0.0);
    assert_eq!(first.message(message()).await.unwrap_err().code(), "closed");
    let now = fake.intake.lock().unwrap().clone().unwrap();
    now.message(message()).await.unwrap();
    gateway.close().await.unwrap();
    assert_eq!(now.message(message()).await.unwrap_err().code(), "closed");
    assert_eq!((fake.started.load(Ordering::SeqCst), fake.stopped.load(Ordering::SeqCst)), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn sends_go_on_until_the_adapter_has_stopped() {
    let bus = bus().await;
    let fake = Fake::new();
    // Its last words come while it stops.
    fake.stop_after.store(2, Ordering::SeqCst);
    let gateway = Arc::new(gateway(&bus, &fake, config()));
    let running = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.run().await }
    });
    publish(&bus, [Outbound::message("c1", "a")]).await;
    until("it runs", async || fake.said().len() == 1).await;
    gateway.stop();
    gateway.reached(fake::NAME, |state| state == AdapterState::Stopping).await.unwrap();
    assert!(fake.drained.load(Ordering::SeqCst));
    publish(&bus, [Outbound::message("c1", "b")]).await;
    running.await.unwrap().unwrap();
    assert_eq!((texts(&fake.said()), health(&gateway).state), (vec!["a", "b"], AdapterState::Stopped));
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_does_not_stop_is_left_and_told() {
    let bus = bus().await;
    let fake = Fake::new();
    fake.stops.lock().unwrap().push_back(Act::Hang);
    let gateway = started(&bus, &fake, config()).await;
    assert_eq!(gateway.close().await.unwrap_err().code(), "timeout");
    assert_eq!(health(&gateway).state, AdapterState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_back_what_waits_for_an_adapter() {
    let bus = bus().await;
    let fake = Fake::new().starts(vec![Act::Fail(ErrorKind::Unavailable); 20]);
    let gateway = started(&bus, &fake, config()).await;
    publish(&bus, [Outbound::message("c1", "a")]).await;
    until("it waits", async || health(&gateway).waiting == 1).await;
    let began = tokio::time::Instant::now();
    gateway.close().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let second = Fake::new();
    let gateway = started(&bus, &second, config()).await;
    finished(&bus).await;
    assert_eq!((second.said()[0].context.attempt, second.said()[0].context.may_be_repeat), (1, false));
    gateway.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gateway_ends_with_its_bus_and_when_it_is_dropped() {
    let bus = bus().await;
    let fake = Fake::new();
    let gateway = gateway(&bus, &fake, config());
    let (ran, closed) = tokio::join!(gateway.run(), async {
        until("it runs", async || fake.running.load(Ordering::SeqCst)).await;
        bus.close().await
    });
    ran.unwrap();
    closed.unwrap();
    assert_eq!(fake.stopped.load(Ordering::SeqCst), 1);
    let (bus, fake) = (super::bus().await, Fake::new());
    drop(started(&bus, &fake, config()).await);
    until("it stopped", async || fake.stopped.load(Ordering::SeqCst) == 1).await;
}
