//! Faults of processes.

use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Signal;

use super::Fault;
use crate::real::Failure;
use crate::real::stage::{Aim, Stage};

/// `kill -9`; comes back when the fault ends.
pub(super) struct Kill;

#[async_trait]
impl Fault for Kill {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        stage.kill(aim.player)?;
        // Seldom is it started again at once, but it may be long before anybody does.
        let pause = 100 + stage.dice.below(3000);
        stage.players[aim.player].return_after(Duration::from_millis(pause));
        Ok(())
    }
}

/// `SIGSTOP`, and `SIGCONT` when the fault ends.
pub(super) struct Freeze;

#[async_trait]
impl Fault for Freeze {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        stage.signal(aim.player, Signal::STOP)
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        for player in 0..stage.players.len() {
            if stage.players[player].frozen {
                stage.signal(player, Signal::CONT)?;
            }
        }
        Ok(())
    }
}

/// `SIGTERM`; one who does not end in time is killed.
pub(super) struct Terminate;

#[async_trait]
impl Fault for Terminate {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        stage.signal(aim.player, Signal::TERM)
    }
}
