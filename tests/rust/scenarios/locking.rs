//! Locks, leases and singleton jobs. How soon each thing happens is proven on virtual time, beside the code that decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::lock::{LeaseOptions, LockOptions, Restart, Singleton, SingletonOptions, SingletonPhase};
use stargazer_core::{Bus, Error};
use stargazer_tests::{Options, Reply, Server};
use tokio::time::sleep;

use super::lab::{Lab, until};

const TTL: Duration = Duration::from_secs(1);

fn short() -> LockOptions {
    LockOptions::default().with_ttl(TTL)
}

pub(super) async fn a_lock_has_one_holder(lab: Lab) {
    let (one, two) = (lab.bus().await, lab.bus().await);
    let (held, waits) = (one.lock("report", short()).unwrap(), two.lock("report", short()).unwrap());
    held.acquire().await.unwrap();
    assert!(!waits.try_acquire().await.unwrap());
    let limit = Some(Duration::from_millis(100));
    assert_eq!(waits.acquire_within(limit).await.unwrap_err().code(), "timeout");
    let woken = tokio::spawn({
        let waits = waits.clone();
        async move { waits.acquire().await }
    });
    // Longer than it lasts: it is renewed beside its owner.
    sleep(TTL * 2).await;
    assert!(held.is_held() && !woken.is_finished());
    assert!(held.release().await.unwrap());
    woken.await.unwrap().unwrap();
    assert!(one.lock("other", short()).unwrap().try_acquire().await.unwrap(), "names do not meet");
    assert!(waits.release().await.unwrap() && !waits.release().await.unwrap());
    two.close().await.unwrap();
    one.close().await.unwrap();
}

pub(super) async fn the_loss_of_a_lock_ends_what_runs_under_it(lab: Lab) {
    let bus = lab.bus().await;
    let lock = bus.lock("report", short().with_max_renewals(Some(0))).unwrap();
    let ended = Arc::new(AtomicU32::new(0));
    let work = {
        let ended = ended.clone();
        async move {
            sleep(Duration::from_secs(60)).await;
            ended.fetch_add(1, Ordering::SeqCst);
        }
    };
    assert_eq!(lock.run(work).await.unwrap_err().code(), "stale");
    assert_eq!(ended.load(Ordering::SeqCst), 0, "it was dropped where it stood");
    let told = bus.lock("report", short().with_max_renewals(Some(0)).with_abort_on_loss(false)).unwrap();
    let work = async { told.lost().await.unwrap().code() };
    assert_eq!(told.run(work).await.unwrap(), "stale", "told, and left to end by itself");
    assert!(!told.is_held() && bus.lock("report", short()).unwrap().try_acquire().await.unwrap());
    bus.close().await.unwrap();
}

pub(super) async fn a_lock_is_entered_again_by_its_object(lab: Lab) {
    let bus = lab.bus().await;
    let (lock, other) = (bus.lock("report", short()).unwrap(), bus.lock("report", short()).unwrap());
    lock.run(async {
        lock.run(async { assert!(!other.try_acquire().await.unwrap()) }).await.unwrap();
        assert!(lock.is_held() && !other.try_acquire().await.unwrap());
    })
    .await
    .unwrap();
    assert!(!lock.is_held() && other.try_acquire().await.unwrap());
    assert!(other.renew().await.unwrap() && !lock.renew().await.unwrap());
    bus.close().await.unwrap();
}

pub(super) async fn who_stops_waiting_for_a_lock_takes_nothing(lab: Lab) {
    let bus = lab.bus().await;
    let (held, asks) = (bus.lock("report", short()).unwrap(), bus.lock("report", short()).unwrap());
    held.acquire().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), asks.acquire()).await.is_err());
    held.release().await.unwrap();
    let third = bus.lock("report", short()).unwrap();
    third.acquire_within(Some(TTL / 2)).await.unwrap();
    sleep(TTL).await;
    assert!(third.is_held() && !asks.is_held());
    bus.close().await.unwrap();
}

pub(super) async fn a_lock_of_the_original_is_the_same_lock(lab: Lab) {
    let (bus, server) = (lab.bus().await, lab.server.as_ref().unwrap());
    let key = "sg:lock:channel:c1";
    assert_eq!(server.command(&["SET", key, "theirs", "NX", "EX", "30"]).unwrap().text(), "OK");
    let lock = bus.channel_lock("c1", LockOptions::default()).unwrap();
    assert!(!lock.try_acquire().await.unwrap());
    server.command(&["DEL", key]).unwrap();
    lock.acquire_within(Some(Duration::from_secs(5))).await.unwrap();
    let token = server.command(&["GET", key]).unwrap().text();
    assert_eq!((token.len(), Some(token.as_str())), (36, lock.token().as_deref()));
    assert!(matches!(server.command(&["PTTL", key]).unwrap(), Reply::Int(1..=30_000)));
    let same = bus.lock(key, LockOptions::default()).unwrap();
    assert!(!same.try_acquire().await.unwrap(), "a name with a colon is the key");
    // Theirs in our place: ours is told at its next renewal, and leaves theirs alone.
    assert!(lock.release().await.unwrap());
    let lock = bus.channel_lock("c1", short()).unwrap();
    lock.acquire().await.unwrap();
    server.command(&["SET", key, "theirs", "EX", "30"]).unwrap();
    assert_eq!(lock.lost().await.unwrap().code(), "stale");
    assert!(!lock.release().await.unwrap());
    assert_eq!(server.command(&["GET", key]).unwrap().text(), "theirs");
    bus.close().await.unwrap();
}

pub(super) async fn a_silent_server_costs_the_lock_in_time(lab: Lab) {
    let server = lab.server.as_ref().unwrap();
    let mut config = BusConfig::default();
    // No request ends by itself: the loss is told by the clock, not by an answer that fails.
    config.response_timeout = Duration::from_secs(600);
    let bus = lab.bus_with(config).await;
    let ttl = Duration::from_secs(2);
    let lock = bus.lock("report", LockOptions::default().with_ttl(ttl)).unwrap();
    let lease = bus.lease("status", &LeaseOptions::default().with_ttl(ttl)).unwrap();
    lock.acquire().await.unwrap();
    lease.acquire().await.unwrap();
    server.pause().unwrap();
    let (lost, led) = tokio::join!(lock.lost(), lease.lost());
    assert_eq!((lost.unwrap().code(), led.unwrap().code()), ("stale", "stale"));
    assert!(!lock.is_held() && !lease.is_leader());
    server.resume().unwrap();
    lock.leave().await;
    lock.acquire_within(Some(Duration::from_secs(20))).await.unwrap();
    bus.close().await.unwrap();
}

pub(super) async fn a_lock_outlives_a_restart_that_forgets_nothing(_: Lab) {
    let mut server = Server::start_with(Options { appendonly: true, ..Options::default() }).unwrap();
    server.command(&["CONFIG", "SET", "appendfsync", "always"]).unwrap();
    let (one, two) = (Bus::connect(server.url()).await.unwrap(), Bus::connect(server.url()).await.unwrap());
    let options = LockOptions::default().with_ttl(Duration::from_secs(10));
    let (held, waits) = (one.lock("report", options.clone()).unwrap(), two.lock("report", options).unwrap());
    held.acquire().await.unwrap();
    let asks = tokio::spawn({
        let waits = waits.clone();
        async move { waits.acquire().await }
    });
    let server = tokio::task::spawn_blocking(move || {
        server.kill().unwrap();
        server.restart().unwrap();
        server
    });
    let server = server.await.unwrap();
    until("it is renewed again", async || held.renew().await.unwrap_or_default()).await;
    assert!(held.is_held() && !asks.is_finished());
    assert!(held.release().await.unwrap());
    asks.await.unwrap().unwrap();
    assert!(waits.is_held(), "who waits goes on waiting over the restart");
    one.close().await.unwrap();
    two.close().await.unwrap();
    drop(server);
}

pub(super) async fn leaders_have_numbers_that_grow(lab: Lab) {
    let (one, two) = (lab.bus().await, lab.bus().await);
    let options = LeaseOptions::default().with_ttl(TTL);
    let (first, second) = (one.lease("status", &options).unwrap(), two.lease("status", &options).unwrap());
    let mut last = 0;
    for _ in 0..3 {
        let fence = first.acquire().await.unwrap();
        assert!(fence > last);
        assert_eq!((first.fence(), second.try_acquire().await.unwrap()), (Some(fence), None));
        assert!(first.resign().await.unwrap() && !first.is_leader());
        last = second.acquire().await.unwrap();
        assert!(last > fence);
        second.resign().await.unwrap();
    }
    // Its holder's key lapses; the counter does not.
    sleep(TTL * 2).await;
    assert!(first.acquire().await.unwrap() > last);
    one.close().await.unwrap();
    two.close().await.unwrap();
}

fn quick() -> SingletonOptions {
    let pause = Duration::from_millis(10);
    SingletonOptions::default().with_ttl(TTL).with_backoff(pause, pause).with_max_restarts(2, Duration::from_secs(60))
}

pub(super) async fn a_singleton_runs_on_one_process(lab: Lab) {
    let (one, two) = (lab.bus().await, lab.bus().await);
    let running = Arc::new(AtomicU32::new(0));
    let run = |bus: &Bus| {
        let singleton = bus.singleton("upkeep", &quick()).unwrap();
        let (here, running) = (singleton.clone(), running.clone());
        let task = tokio::spawn(async move {
            let job = async |_| {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                // Ends with the future, wherever it stands.
                let _leaves = Leaves(running.clone());
                std::future::pending().await
            };
            here.run(job).await
        });
        (singleton, task)
    };
    let (first, task) = run(&one);
    let runs = async |singleton: &Singleton| singleton.state().phase == SingletonPhase::Running;
    until("the first runs", async || runs(&first).await).await;
    let (second, other) = run(&two);
    sleep(TTL).await;
    assert_eq!((first.state().phase, second.state().phase), (SingletonPhase::Running, SingletonPhase::Waiting));
    let led = first.state().fence.unwrap();
    first.stop();
    task.await.unwrap().unwrap();
    until("the second runs", async || runs(&second).await).await;
    assert!(second.state().fence.unwrap() > led);
    assert_eq!(first.state().phase, SingletonPhase::Stopped);
    two.close().await.unwrap();
    other.await.unwrap().unwrap();
    assert_eq!((second.state().phase, running.load(Ordering::SeqCst)), (SingletonPhase::Stopped, 0));
    one.close().await.unwrap();
}

struct Leaves(Arc<AtomicU32>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) async fn a_singleton_starts_again_as_its_policy_says(lab: Lab) {
    let bus = lab.bus().await;
    for (restart, fails, starts, phase) in [
        (Restart::OnError, true, 3, SingletonPhase::Failed),
        (Restart::OnError, false, 1, SingletonPhase::Finished),
        (Restart::Always, false, 3, SingletonPhase::Failed),
        (Restart::Never, true, 1, SingletonPhase::Failed),
    ] {
        let singleton = bus.singleton("upkeep", &quick().with_restart(restart)).unwrap();
        let runs = AtomicU32::new(0);
        let job = async |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            if fails { Err(Error::invalid("it broke")) } else { Ok(()) }
        };
        assert_eq!(singleton.run(job).await.is_err(), fails, "{restart:?}");
        let state = singleton.state();
        assert_eq!((runs.into_inner(), state.phase), (starts, phase), "{restart:?}");
        assert_eq!((state.restarts, state.error.is_some()), (u64::from(starts - 1), fails));
    }
    bus.close().await.unwrap();
}
