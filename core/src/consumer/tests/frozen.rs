//! A process that stands still between taking a delivery and beginning it.

use std::time::Duration;

use super::publish;
use crate::bus::Bus;
use crate::clock::ManualClock;
use crate::config::{BusConfig, OnLeaseLost};
use crate::engine::Engine;
use crate::provision::Role;

/// Nothing of ours runs while this thread does not wait, as in a frozen process: only the time goes on.
#[tokio::test]
async fn what_was_taken_before_the_lease_ended_is_not_begun_after() {
    for keep in [OnLeaseLost::Cancel, OnLeaseLost::Keep] {
        let clock = ManualClock::new();
        let bus = Bus::over(Engine::new(clock.clone()), clock.clone(), BusConfig::default());
        bus.ensure_streams(Role::Worker, &[]).await.unwrap();
        for n in 0..3 {
            publish(&bus, n, "x").await;
        }
        let lease = Duration::from_secs(2);
        let inbox = bus.consume_inbound().lease(lease, lease / 4).on_lease_lost(keep).open().await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(inbox.take_batch(3).await.unwrap());
        }
        assert!(taken[0].begin_now() && !taken[0].redelivered());
        clock.advance(lease);
        for d in &taken[1..] {
            assert!(!d.begin_now(), "{keep:?}");
        }
        assert_eq!(taken[0].is_cancelled(), keep == OnLeaseLost::Cancel, "what runs is told, or may go on");
        drop(taken);
        // The session is in force again once it is renewed, and what it gave back comes again.
        let mut again = Vec::new();
        while again.len() < 3 {
            clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
            again.extend(inbox.try_next_batch(3).unwrap());
        }
        assert!(again.iter().all(|d| d.redelivered() && d.begin_now() && d.attempt() == 1));
    }
}
