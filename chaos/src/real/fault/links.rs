//! Faults of connections, by the victim's own proxy.

use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::history::Phase;
use crate::proxy::{Cut, Label, Point, Proxy, Verdict, Weather};
use crate::real::Failure;
use crate::real::stage::{Aim, Stage};

fn proxy<'a>(stage: &'a Stage, aim: &Aim) -> &'a Proxy {
    &stage.players[aim.player].proxy
}

/// Calm again for everybody. Where something was swallowed connections cannot go on: replies would belong to other
/// requests.
fn calm(stage: &Stage, cut: bool) {
    for player in &stage.players {
        if player.proxy.weather() != Weather::default() {
            player.proxy.set(Weather::default());
            if cut {
                player.proxy.cut(Cut::Reset);
            }
        }
    }
}

/// Bad weather on the victim's connections.
pub(super) struct Rough(Weather);

impl Rough {
    /// Nothing passes, and nobody says so.
    pub(super) fn half_open() -> Self {
        Self(Weather { swallow_requests: true, swallow_replies: true, ..Weather::default() })
    }

    /// Requests vanish, what the server says by itself arrives.
    pub(super) fn lose_requests() -> Self {
        Self(Weather { swallow_requests: true, ..Weather::default() })
    }

    /// 50 ms and up to 40 more each way, 64 kB a second.
    pub(super) fn slow() -> Self {
        let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(40));
        Self(Weather { delay, jitter, bandwidth: Some(64 << 10), ..Weather::default() })
    }

    /// A byte at a time.
    pub(super) fn sliced() -> Self {
        Self(Weather { slice: true, ..Weather::default() })
    }
}

#[async_trait]
impl Fault for Rough {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        proxy(stage, aim).set(self.0.clone());
        Ok(())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        calm(stage, self.0.swallow_requests || self.0.swallow_replies);
        Ok(())
    }
}

/// All connections end.
pub(super) struct Ends(pub(super) Cut);

#[async_trait]
impl Fault for Ends {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        proxy(stage, aim).cut(self.0);
        Ok(())
    }
}

/// New connections are refused, those there are end.
pub(super) struct Refuse;

#[async_trait]
impl Fault for Refuse {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        let proxy = proxy(stage, aim);
        proxy.set(Weather { refuse: true, ..Weather::default() });
        proxy.cut(Cut::Reset);
        Ok(())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        calm(stage, false);
        Ok(())
    }
}

/// The server does what it is asked, and its reply never comes: wholly lost, or cut in half.
pub(super) struct LoseReply(pub(super) Label);

#[async_trait]
impl Fault for LoseReply {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        aim.decide(Verdict::Pass);
        for n in 0..3 {
            let mut next = stage.stop_at(aim.player, Phase::SettleSent, self.0, Point::Reply).await?;
            next.decide(if n == 1 { Verdict::Half } else { Verdict::Reset });
        }
        Ok(())
    }
}
