//! Locks, leases and singletons on the engine, on time that passes by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::clock::SystemClock;
use crate::config::BusConfig;
use crate::engine::Engine;
use crate::topology::{fence_key, lease_key, named_lock};
use crate::transport::Transport;

const TTL: Duration = Duration::from_secs(30);

/// Two buses of one server, and the connections under them.
struct Lab {
    ours: Publisher,
    theirs: Publisher,
    our_line: Arc<Engine>,
    line: Arc<Engine>,
}

fn publisher(line: &Arc<Engine>) -> Publisher {
    Publisher::new(line.clone(), SystemClock::shared(), BusConfig::default()).unwrap()
}

fn lab() -> Lab {
    let line = Engine::new(SystemClock::shared());
    let our_line = line.reconnect();
    Lab { ours: publisher(&our_line), theirs: publisher(&line), our_line, line }
}

fn options() -> LockOptions {
    LockOptions::default().with_ttl(TTL)
}

fn lock_of(publisher: &Publisher, options: LockOptions) -> Lock {
    Lock::new(publisher, named_lock("x"), options).unwrap()
}

async fn is_free(lab: &Lab) -> bool {
    let key = named_lock("x");
    let free = lab.line.lock(&key, "looks", TTL).await.unwrap();
    free && lab.line.unlock(&key, "looks").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_holds_it_and_the_next_is_woken_at_once() {
    let lab = lab();
    let (one, two) = (lock_of(&lab.ours, options()), lock_of(&lab.theirs, options()));
    one.acquire().await.unwrap();
    assert!(!two.try_acquire().await.unwrap());
    let short = Instant::now();
    let error = two.acquire_within(Some(Duration::from_secs(3))).await.unwrap_err();
    assert_eq!((error.code(), short.elapsed()), ("timeout", Duration::from_secs(3)));
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.acquire().await.map(|()| Instant::now()) }
    });
    sleep(Duration::from_secs(100)).await;
    assert!(one.is_held() && !waiting.is_finished(), "it is renewed beside its owner");
    let released = Instant::now();
    assert!(one.release().await.unwrap());
    let taken = waiting.await.unwrap().unwrap();
    assert!(taken - released < Duration::from_millis(5), "{:?}", taken - released);
    assert_ne!(two.token(), None);
    assert!(!one.release().await.unwrap(), "it had none");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_tells_nothing_is_noticed_by_asking_again() {
    let lab = lab();
    assert!(lab.line.lock(&named_lock("x"), "original", Duration::from_secs(10)).await.unwrap());
    let (lock, began) = (lock_of(&lab.ours, options()), Instant::now());
    lock.acquire().await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(11), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn its_loss_is_told_before_anybody_else_can_have_it() {
    let lab = lab();
    let lock = lock_of(&lab.ours, options());
    let began = Instant::now();
    let theirs = lock_of(&lab.theirs, options());
    let work = lock.run(async {
        sleep(Duration::from_secs(5)).await;
        // From here on the server does not answer us.
        lab.our_line.close().await;
        std::future::pending::<()>().await;
    });
    let (ended, taken) = tokio::join!(async { (work.await.unwrap_err(), began.elapsed()) }, async {
        sleep(Duration::from_secs(1)).await;
        theirs.acquire().await.unwrap();
        began.elapsed()
    });
    assert_eq!(ended.0.code(), "stale");
    assert!(ended.1 <= TTL * 4 / 5 && taken >= TTL, "{ended:?} {taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_removed_is_lost_at_the_next_renewal() {
    let lab = lab();
    for abort in [true, false] {
        let lock = lock_of(&lab.ours, options().with_abort_on_loss(abort));
        let work = async {
            sleep(Duration::from_secs(1)).await;
            assert!(lab.line.break_lock(lock.key()).unwrap());
            assert!(lab.line.lock(lock.key(), "theirs", Duration::from_secs(60)).await.unwrap());
            let told = timeout(TTL / 3, lock.lost()).await.unwrap();
            assert!(!abort, "it would have been dropped");
            assert_eq!((told.unwrap().code(), lock.is_held()), ("stale", false));
            assert_eq!(lock.acquire().await.unwrap_err().code(), "stale", "what is lost is not entered again");
            assert!(!lock.renew().await.unwrap());
        };
        let result = lock.run(work).await;
        assert_eq!(result.map_err(|error| error.code()), if abort { Err("stale") } else { Ok(()) });
        assert!(!lab.line.lock(lock.key(), "others", TTL).await.unwrap(), "theirs is left alone");
        assert!(lab.line.unlock(lock.key(), "theirs").await.unwrap());
        assert!(lock.try_acquire().await.unwrap(), "given up, it can be taken again");
        assert!(lock.release().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn renewing_ends_where_it_is_told_to() {
    let lab = lab();
    let third = TTL / 3;
    for (options, most) in [
        (options().with_max_renewals(Some(3)), third * 3 + TTL * 4 / 5),
        (options().with_auto_renew(false), TTL * 4 / 5),
        (options().with_max_renewals(Some(0)), TTL * 4 / 5),
    ] {
        let (lock, began) = (lock_of(&lab.ours, options), Instant::now());
        lock.acquire().await.unwrap();
        assert_eq!(lock.lost().await.unwrap().code(), "stale");
        assert_eq!(began.elapsed().as_millis(), most.as_millis());
        lock.leave().await;
        assert!(is_free(&lab).await, "what is ours on the server is given up as well");
    }
    let lock = lock_of(&lab.ours, options().with_auto_renew(false));
    lock.acquire().await.unwrap();
    for _ in 0..10 {
        sleep(TTL / 2).await;
        assert!(lock.renew().await.unwrap());
    }
    assert!(lock.release().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn it_is_entered_again_by_the_same_object() {
    let lab = lab();
    let lock = lock_of(&lab.ours, options());
    for _ in 0..3 {
        lock.acquire().await.unwrap();
    }
    let token = lock.token().unwrap();
    assert!(lock.release().await.unwrap() && lock.release().await.unwrap());
    assert!(!is_free(&lab).await);
    assert!(lock.release().await.unwrap());
    assert!(is_free(&lab).await && lock.token().is_none());
    lock.acquire().await.unwrap();
    assert_ne!(lock.token().unwrap(), token, "a late release of one never ends the next");
    assert_eq!(uuid::Uuid::parse_str(&token).unwrap().get_version_num(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_what_is_dropped() {
    let lab = lab();
    let held = lock_of(&lab.theirs, options());
    held.acquire().await.unwrap();
    let asks = lock_of(&lab.ours, options());
    assert!(timeout(Duration::from_secs(1), asks.acquire()).await.is_err());
    assert!(held.release().await.unwrap());
    sleep(Duration::from_secs(5)).await;
    assert!(is_free(&lab).await, "who gave up asking takes nothing");
    assert!(timeout(Duration::from_secs(1), asks.run(std::future::pending::<()>())).await.is_err());
    sleep(Duration::from_millis(1)).await;
    assert!(is_free(&lab).await, "a run that is dropped gives it up");
    asks.acquire().await.unwrap();
    let lost = asks.lost();
    drop(asks);
    sleep(Duration::from_millis(1)).await;
    assert!(is_free(&lab).await, "also while somebody waits for its loss");
    assert!(lost.await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_closes_tells_and_lets_it_lapse() {
    let lab = lab();
    let (kept, left) = (lock_of(&lab.ours, options()), Lock::new(&lab.ours, named_lock("y"), options()).unwrap());
    kept.acquire().await.unwrap();
    left.acquire().await.unwrap();
    let leaves = tokio::spawn(async move {
        assert_eq!(left.lost().await.unwrap().code(), "stale");
        left.release().await.unwrap()
    });
    let began = Instant::now();
    lab.ours.shut().await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(leaves.await.unwrap());
    assert!(lab.line.lock(&named_lock("y"), "next", TTL).await.unwrap(), "who leaves gives it up");
    assert!(!kept.is_held() && !is_free(&lab).await, "who stays may still work under it");
    sleep(TTL).await;
    assert!(is_free(&lab).await);
    assert_eq!(kept.acquire_within(None).await.unwrap_err().code(), "stale");
    kept.leave().await;
    assert_eq!(kept.acquire().await.unwrap_err().code(), "closed");
}

#[test]
fn settings_out_of_range_are_refused() {
    let lab = lab();
    for ttl in [Duration::ZERO, Duration::from_millis(99), Duration::from_secs(86_401)] {
        let error = Lock::new(&lab.ours, named_lock("x"), options().with_ttl(ttl)).unwrap_err();
        assert_eq!((error.code(), error.context()[0].1.as_str()), ("invalid", "ttl"));
        assert_eq!(Lease::new(&lab.ours, "x", &LeaseOptions::default().with_ttl(ttl)).unwrap_err().code(), "invalid");
    }
    assert_eq!(Lease::new(&lab.ours, "", &LeaseOptions::default()).unwrap_err().code(), "invalid");
    let pauses = SingletonOptions::default().with_backoff(TTL * 2, TTL);
    assert_eq!(Singleton::new(&lab.ours, "x", &pauses).unwrap_err().context()[0].1, "backoff");
}

#[tokio::test(start_paused = true)]
async fn numbers_of_leaders_only_grow() {
    let lab = lab();
    let lease = |publisher: &Publisher| Lease::new(publisher, "status", &LeaseOptions::default()).unwrap();
    let (one, two) = (lease(&lab.ours), lease(&lab.theirs));
    let mut last = 0;
    for round in 0..6 {
        let fence = one.acquire().await.unwrap();
        assert!(fence > last, "{round}");
        assert_eq!((one.acquire().await.unwrap(), one.fence(), one.is_leader()), (fence, Some(fence), true));
        assert_eq!(two.try_acquire().await.unwrap(), None);
        last = fence;
        match round % 3 {
            0 => assert!(one.resign().await.unwrap()),
            1 => {
                // An operator removes the lease, and others lead: it steps down at its next renewal.
                assert!(lab.line.break_lock(&lease_key("status")).unwrap());
                last = two.acquire().await.unwrap();
                assert!(last > fence);
                assert_eq!(one.lost().await.unwrap().code(), "stale");
                assert_eq!((one.fence(), one.resign().await.unwrap()), (None, false));
                assert!(two.resign().await.unwrap());
            }
            _ => {
                // It lapses, and its counter stays.
                assert!(lab.line.break_lock(&lease_key("status")).unwrap());
                one.lost().await.unwrap();
            }
        }
    }
    let store = lab.theirs.store();
    assert_eq!(store.time_to_live(&fence_key("status")).await.unwrap(), None);
    assert_eq!(store.increment(&fence_key("status"), 0, None).await.unwrap(), last);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_be_heard_steps_down_before_the_next_one_leads() {
    let lab = lab();
    let one = Lease::new(&lab.ours, "status", &LeaseOptions::default()).unwrap();
    let two = Lease::new(&lab.theirs, "status", &LeaseOptions::default()).unwrap();
    let first = one.acquire().await.unwrap();
    lab.our_line.close().await;
    let began = Instant::now();
    let ((), second) = tokio::join!(
        async {
            one.lost().await.unwrap();
            assert!(!two.is_leader() && !one.is_leader());
            assert!(began.elapsed() <= Duration::from_secs(12));
        },
        two.acquire()
    );
    assert!(second.unwrap() > first);
    assert!(began.elapsed() >= Duration::from_millis(14_900), "{:?}", began.elapsed());
}

fn quick() -> SingletonOptions {
    SingletonOptions::default().with_max_restarts(2, Duration::from_secs(60))
}

fn job(publisher: &Publisher, options: &SingletonOptions) -> Singleton {
    Singleton::new(publisher, "upkeep", options).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_starts_again_and_is_given_up_in_the_end() {
    let lab = lab();
    for (restart, fails, starts, phase) in [
        (Restart::OnError, true, 3, SingletonPhase::Failed),
        (Restart::OnError, false, 1, SingletonPhase::Finished),
        (Restart::Always, false, 3, SingletonPhase::Failed),
        (Restart::Never, true, 1, SingletonPhase::Failed),
        (Restart::Never, false, 1, SingletonPhase::Finished),
    ] {
        let (singleton, runs) = (job(&lab.ours, &quick().with_restart(restart)), AtomicU32::new(0));
        let result = singleton
            .run(async |fence| {
                assert_eq!(singleton.state().fence, Some(fence));
                assert_eq!(singleton.state().phase, SingletonPhase::Running);
                runs.fetch_add(1, Ordering::SeqCst);
                if fails { Err(Error::invalid("it broke")) } else { Ok(()) }
            })
            .await;
        assert_eq!(result.is_err(), fails, "{restart:?}");
        let state = singleton.state();
        assert_eq!((runs.into_inner(), state.phase), (starts, phase), "{restart:?}");
        assert_eq!((state.restarts, state.fence), (u64::from(starts - 1), None));
        assert_eq!(state.error.is_some_and(|error| error.contains("it broke")), fails);
        let next = Lease::new(&lab.theirs, "upkeep", &LeaseOptions::default()).unwrap();
        assert!(next.try_acquire().await.unwrap().is_some(), "it resigned");
        next.resign().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_lost_its_lead_is_ended_and_comes_back() {
    let lab = lab();
    let (here, there) = (job(&lab.ours, &quick()), job(&lab.theirs, &quick()));
    let running = Arc::new(AtomicU32::new(0));
    let run = |singleton: &Singleton| {
        let (singleton, running) = (singleton.clone(), running.clone());
        tokio::spawn(async move {
            let work = async |_| {
                struct Leaves(Arc<AtomicU32>);
                impl Drop for Leaves {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                let _leaves = Leaves(running.clone());
                std::future::pending::<()>().await;
                Ok(())
            };
            singleton.run(work).await
        })
    };
    let first = run(&here);
    while here.state().phase != SingletonPhase::Running {
        sleep(Duration::from_millis(10)).await;
    }
    let second = run(&there);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(there.state().phase, SingletonPhase::Waiting);
    // Our process cannot reach the server any more.
    lab.our_line.close().await;
    while there.state().phase != SingletonPhase::Running {
        sleep(Duration::from_millis(10)).await;
    }
    assert_ne!(here.state().phase, SingletonPhase::Running);
    assert_eq!((there.state().restarts, running.load(Ordering::SeqCst)), (0, 1));
    there.stop();
    second.await.unwrap().unwrap();
    assert_eq!((there.state().phase, running.load(Ordering::SeqCst)), (SingletonPhase::Stopped, 0));
    here.stop();
    let _ = first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_singleton_runs_once_at_a_time_and_again_after_its_end() {
    let lab = lab();
    let singleton = job(&lab.ours, &quick().with_restart(Restart::OnError));
    for _ in 0..2 {
        let failed = singleton.run(async |_| Err(Error::invalid("it broke"))).await;
        assert_eq!(failed.unwrap_err().code(), "invalid");
        let state = singleton.state();
        assert_eq!((state.phase, state.restarts), (SingletonPhase::Failed, 2), "restarts are counted anew");
    }
    let (runs, again) = (AtomicU32::new(0), singleton.clone());
    singleton
        .run(async |_| {
            runs.fetch_add(1, Ordering::SeqCst);
            let refused = again.run(async |_| Ok(())).await.unwrap_err();
            assert_eq!((refused.code(), again.state().phase), ("conflict", SingletonPhase::Running));
            Ok(())
        })
        .await
        .unwrap();
    let state = singleton.state();
    assert_eq!((runs.into_inner(), state.phase, state.error), (1, SingletonPhase::Finished, None));
    // After its end nothing is stopped; the next run begins.
    singleton.stop();
    singleton.run(async |_| Ok(())).await.unwrap();
    assert_eq!(singleton.state().phase, SingletonPhase::Finished);
    {
        let dropped = singleton.run(async |_| std::future::pending().await);
        tokio::pin!(dropped);
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut dropped).await;
        assert_eq!(singleton.state().phase, SingletonPhase::Running);
    }
    let next = Lease::new(&lab.theirs, "upkeep", &LeaseOptions::default()).unwrap();
    // The longest wait there is ends beyond what a clock can say: that is for ever.
    next.acquire_within(Some(Duration::MAX)).await.unwrap();
    next.resign().await.unwrap();
    singleton.run(async |_| Ok(())).await.unwrap();
    let fresh = job(&lab.ours, &quick());
    fresh.stop();
    fresh.run(async |_| panic!("it was stopped before")).await.unwrap();
    assert_eq!(fresh.state().phase, SingletonPhase::Stopped);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_abandoned_run_touches_no_other() {
    let lab = lab();
    let singleton = job(&lab.ours, &quick());
    singleton.abandon();
    assert_eq!(singleton.state().phase, SingletonPhase::Waiting, "nobody runs it");
    let turn = singleton.next().await.unwrap().unwrap();
    singleton.abandon();
    assert_eq!((singleton.state().phase, turn.lost().await.code()), (SingletonPhase::Stopped, "cancelled"));
    assert!(singleton.next().await.unwrap().is_none());
    singleton.begin().unwrap();
    let again = singleton.next().await.unwrap().unwrap();
    assert!(again.fence() > turn.fence(), "it had resigned");
    turn.failed("too late");
    let state = singleton.state();
    assert_eq!((state.phase, state.error, state.fence), (SingletonPhase::Running, None, Some(again.fence())));
    again.done();
    assert!(singleton.next().await.unwrap().is_none());
    assert_eq!(singleton.state().phase, SingletonPhase::Finished);
    // Who waits for a turn while it is abandoned gets none, and leaves nothing behind.
    let other = job(&lab.theirs, &quick());
    let led = other.next().await.unwrap().unwrap();
    singleton.begin().unwrap();
    let waits = tokio::spawn({
        let singleton = singleton.clone();
        async move { singleton.next().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    singleton.abandon();
    assert!(waits.await.unwrap().unwrap().is_none());
    led.done();
    assert!(other.next().await.unwrap().is_none());
    let next = Lease::new(&lab.theirs, "upkeep", &LeaseOptions::default()).unwrap();
    next.acquire_within(Some(TTL)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_turn_at_a_time_is_told() {
    let lab = lab();
    let singleton = job(&lab.ours, &quick());
    let turn = singleton.next().await.unwrap().unwrap();
    assert_eq!(singleton.next().await.unwrap_err().code(), "invalid");
    let lost = tokio::spawn(turn.lost());
    drop(turn);
    assert_eq!(lost.await.unwrap().code(), "cancelled");
    let turn = singleton.next().await.unwrap().unwrap();
    singleton.stop();
    assert_eq!(turn.lost().await.code(), "cancelled");
    turn.failed("told to end");
    assert!(singleton.next().await.unwrap().is_none());
    assert!(singleton.next().await.unwrap().is_none(), "also when asked again");
}
