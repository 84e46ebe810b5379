//! Full memory: handlers that find no room wait for it, and nothing dies of that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bus::Bus;
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::consumer::{Consumer, Delivery, HandlerResult, Notice, Outcome};
use crate::engine::Engine;
use crate::envelope::{Inbound, Outbound};
use crate::policy::Retention;
use crate::provision::Role;
use crate::transport::EntryId;

async fn bus(config: BusConfig) -> (Arc<Engine>, Arc<Bus>) {
    let clock = SystemClock::shared();
    let engine = Engine::new(clock.clone());
    let bus = Bus::over(engine.clone(), clock, config);
    bus.ensure_streams(Role::Standalone, &["web".to_owned()]).await.unwrap();
    (engine, Arc::new(bus))
}

async fn say(bus: &Bus, n: usize, text: &str) {
    bus.publish_inbound(&Inbound::new("web", format!("c{n}"), "u", text)).await.unwrap();
}

async fn length(bus: &Bus, stream: &str) -> u64 {
    bus.stream_info(stream).await.map_or(0, |info| info.length)
}

/// Runs a handler for as long as the consumer is open.
fn serve<F>(inbox: &Arc<Consumer<Inbound>>, handler: impl Fn(Delivery<Inbound>) -> F + Send + Sync + 'static)
where
    F: Future<Output = HandlerResult<()>> + Send + 'static,
{
    let inbox = inbox.clone();
    drop(tokio::spawn(async move { inbox.run(handler).await.unwrap() }));
}

fn troubles(notices: &mut tokio::sync::broadcast::Receiver<Notice>) -> Vec<String> {
    let told = std::iter::from_fn(|| notices.try_recv().ok());
    let word = |notice| match notice {
        Notice::Trouble { error } => Some(error.code().to_owned()),
        Notice::Recovered | Notice::DeadLettered { .. } => Some(notice.kind().to_owned()),
        _ => None,
    };
    told.filter_map(word).collect()
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_full_memory_buries_nothing_and_is_told_once() {
    let (engine, bus) = bus(BusConfig::default()).await;
    for n in 0..30 {
        say(&bus, n, "hello").await;
    }
    let inbox = Arc::new(bus.consume_inbound().concurrency(4).prefetch(4).open().await.unwrap());
    let mut notices = inbox.notices();
    let (starts, attempts) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    engine.fill_memory(true).unwrap();
    let (counted, seen, plain) = (starts.clone(), attempts.clone(), bus.clone());
    serve(&inbox, move |d| {
        let (counted, seen, plain) = (counted.clone(), seen.clone(), plain.clone());
        async move {
            // One in two answers through the bus of its own, the others through that of the delivery.
            let own = counted.fetch_add(1, Ordering::SeqCst) % 2 == 0;
            let answer = Outbound::message("c", d.data()?.content);
            if own {
                plain.publish_outbound("web", &answer).await.map_err(|e| format!("could not answer: {e}"))?;
            } else {
                d.bus().publish_outbound("web", &answer).await?;
            }
            seen.lock().unwrap().push(d.attempt());
            Ok(())
        }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let tried = starts.load(Ordering::SeqCst);
    assert!((20..=34).contains(&tried), "one at a time, and each no more than once: {tried}");
    let inbound = bus.topology().inbound_stream.clone();
    assert_eq!(length(&bus, &inbound).await, 30);
    assert_eq!(troubles(&mut notices), ["full"]);
    engine.fill_memory(false).unwrap();
    inbox.idle().await.unwrap();
    assert_eq!(*attempts.lock().unwrap(), [1; 30]);
    assert_eq!((length(&bus, &inbound).await, length(&bus, "sg:stream:outbound:web").await), (0, 30));
    assert_eq!(troubles(&mut notices), ["recovered"]);
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_needs_no_room_gets_through_meanwhile() {
    let (engine, bus) = bus(BusConfig::default()).await;
    for n in 0..200 {
        say(&bus, n, if n % 4 == 0 { "answer" } else { "note" }).await;
    }
    let inbox = Arc::new(bus.consume_inbound().concurrency(4).prefetch(4).open().await.unwrap());
    engine.fill_memory(true).unwrap();
    serve(&inbox, |d| async move {
        if d.data()?.content == "answer" {
            d.bus().publish_outbound("web", &Outbound::message("c", "here")).await?;
        }
        Ok(())
    });
    let inbound = bus.topology().inbound_stream.clone();
    let since = bus.clock().now();
    while length(&bus, &inbound).await > 50 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = bus.clock().now().saturating_sub(since);
    assert!(took < Duration::from_secs(3600), "the notes are through: {took:?}");
    engine.fill_memory(false).unwrap();
    inbox.idle().await.unwrap();
    assert_eq!((length(&bus, &inbound).await, length(&bus, "sg:stream:outbound:web").await), (0, 50));
    inbox.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gateway_goes_on_at_full_memory() {
    let (engine, bus) = bus(BusConfig::default()).await;
    for _ in 0..50 {
        bus.publish_outbound("web", &Outbound::message("c", "hello")).await.unwrap();
    }
    engine.fill_memory(true).unwrap();
    let outbox = bus.consume_outbound("web").concurrency(4).open().await.unwrap();
    let since = bus.clock().now();
    for n in 0..50 {
        let d = outbox.next().await.unwrap().unwrap();
        if n == 0 {
            // What comes in beside it is refused; that one handler fails has nothing to do with it.
            bus.publish_inbound(&Inbound::new("web", "c", "u", "x")).await.unwrap_err();
            d.retry(Some(Duration::from_secs(1))).await.unwrap();
        } else {
            assert_eq!(d.attempt(), if n == 1 { 2 } else { 1 });
            d.ack().await.unwrap();
        }
    }
    assert!(bus.clock().now().saturating_sub(since) < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_answer_into_a_stream_at_its_cap_is_no_failure_of_the_message() {
    let mut config = BusConfig::default();
    (config.retention, config.strict_cap) = (Retention::Acked { cap: 2 }, true);
    let (_engine, bus) = bus(config).await;
    for _ in 0..2 {
        bus.publish_outbound("web", &Outbound::message("c", "before")).await.unwrap();
    }
    say(&bus, 1, "hello").await;
    let inbox = Arc::new(bus.consume_inbound().open().await.unwrap());
    let mut notices = inbox.notices();
    serve(&inbox, |d| async move {
        d.bus().publish_outbound("web", &Outbound::message("c", "answer")).await?;
        assert_eq!(d.attempt(), 1);
        Ok(())
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(troubles(&mut notices), Vec::<String>::new(), "other streams take what they are given");
    let outbox = bus.consume_outbound("web").open().await.unwrap();
    for want in ["before", "before", "answer"] {
        let d = outbox.next_timeout(Duration::from_secs(30)).await.unwrap().unwrap();
        assert_eq!(d.data().unwrap().text, want);
        d.ack().await.unwrap();
    }
    inbox.idle().await.unwrap();
    let letters = bus.entries(&bus.topology().dead_letter_stream.clone(), EntryId::ZERO, 9).await.unwrap_or_default();
    assert_eq!(letters.len(), 0);
    inbox.close().await.unwrap();
}

/// What a handler meets, and whether its failure counts.
async fn attempts_of<F>(
    config: BusConfig,
    handler: impl Fn(Delivery<Inbound>, Arc<Engine>, Arc<Bus>) -> F,
) -> (u32, Vec<String>)
where
    F: Future<Output = Delivery<Inbound>>,
{
    let (engine, bus) = bus(config).await;
    say(&bus, 1, "hello").await;
    let inbox = bus.consume_inbound().open().await.unwrap();
    let mut notices = inbox.notices();
    let d = inbox.next().await.unwrap().unwrap();
    let d = handler(d, engine.clone(), bus.clone()).await;
    engine.fill_memory(false).unwrap();
    d.inner.settle(Outcome::Retry { after: None, error: Some("my own fault".into()) }).unwrap();
    let again = inbox.next().await.unwrap().unwrap();
    let attempt = again.attempt();
    again.ack().await.unwrap();
    let told = std::iter::from_fn(|| notices.try_recv().ok());
    let texts = told.filter_map(|notice| match notice {
        Notice::Trouble { error } => Some(error.message().to_owned()),
        _ => None,
    });
    (attempt, texts.collect())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_excuses_the_failure_that_it_may_have_caused_and_no_later_one() {
    let answer = Outbound::message("c", "answer");
    // Its own last publish was refused, however long ago; the failure's text is told.
    let refused = |d: Delivery<Inbound>, engine: Arc<Engine>, _| {
        let answer = answer.clone();
        async move {
            engine.fill_memory(true).unwrap();
            assert_eq!(d.bus().publish_outbound("web", &answer).await.unwrap_err().code(), "full");
            tokio::time::sleep(Duration::from_secs(20)).await;
            d
        }
    };
    let (attempt, texts) = attempts_of(BusConfig::default(), refused).await;
    assert_eq!(attempt, 1);
    assert!(texts.len() == 1 && texts[0].ends_with("a handler failed with: my own fault"), "{texts:?}");
    // It got through since: what fails now fails for another reason.
    let got_through = |d: Delivery<Inbound>, engine: Arc<Engine>, _| {
        let answer = answer.clone();
        async move {
            engine.fill_memory(true).unwrap();
            d.bus().publish_outbound("web", &answer).await.unwrap_err();
            engine.fill_memory(false).unwrap();
            d.bus().publish_outbound("web", &answer).await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
            d
        }
    };
    assert_eq!(attempts_of(BusConfig::default(), got_through).await, (2, Vec::new()));
    // By a bus of its own: shortly before the failure, as long as a publish may take.
    for (later, attempt) in [(Duration::from_secs(4), 1), (Duration::from_secs(6), 2)] {
        let own = |d: Delivery<Inbound>, engine: Arc<Engine>, bus: Arc<Bus>| {
            let answer = answer.clone();
            async move {
                engine.fill_memory(true).unwrap();
                bus.publish_outbound("web", &answer).await.unwrap_err();
                tokio::time::sleep(later).await;
                d
            }
        };
        assert_eq!(attempts_of(BusConfig::default(), own).await.0, attempt, "{later:?}");
    }
    // A stream at its cap excuses as well, until a publish gets through.
    let mut config = BusConfig::default();
    (config.retention, config.strict_cap) = (Retention::Acked { cap: 1 }, true);
    for (through, attempt) in [(false, 1), (true, 2)] {
        let capped = |d: Delivery<Inbound>, _, bus: Arc<Bus>| {
            let answer = answer.clone();
            async move {
                bus.publish_outbound("web", &answer).await.unwrap();
                assert_eq!(d.bus().publish_outbound("web", &answer).await.unwrap_err().code(), "full");
                if through {
                    d.bus().publish_outbound("other", &answer).await.unwrap();
                }
                d
            }
        };
        assert_eq!(attempts_of(config.clone(), capped).await, (attempt, Vec::new()));
    }
}
