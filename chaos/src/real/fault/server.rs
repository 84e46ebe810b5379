//! Faults of the server itself.

use std::time::Duration;

use async_trait::async_trait;
use tokio::task::block_in_place;

use super::Fault;
use crate::real::Failure;
use crate::real::stage::{Aim, Stage};

/// Killed, and started again with what it had kept.
pub(super) enum Restart {
    Empty,
    Everysec,
    Always,
}

#[async_trait]
impl Fault for Restart {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        if matches!(self, Self::Everysec) {
            stage.ask(&["CONFIG", "SET", "appendfsync", "everysec"])?;
            stage.wait(Duration::from_millis(300)).await?;
        }
        let server = stage.server.one()?;
        block_in_place(|| server.kill())?;
        match self {
            Self::Empty => {
                stage.server.one()?.forget()?;
                stage.forget()
            }
            Self::Everysec => stage.forget(),
            Self::Always => Ok(()),
        }
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let server = stage.server.one()?;
        Ok(block_in_place(|| server.restart())?)
    }
}

/// Stopped: connections stay open and nothing answers.
pub(super) struct Freeze;

#[async_trait]
impl Fault for Freeze {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        Ok(stage.server.one()?.pause()?)
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        Ok(stage.server.one()?.resume()?)
    }
}

/// Busy with something else.
pub(super) struct Busy;

#[async_trait]
impl Fault for Busy {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let seconds = format!("{:.1}", 1.0 + 0.1 * f64::from(u32::try_from(stage.dice.below(20))?));
        let port = stage.server.port();
        // Its answer comes when it is over, which is when `heal` asks.
        drop(tokio::task::spawn_blocking(move || stargazer_tests::command(port, None, &["DEBUG", "SLEEP", &seconds])));
        Ok(())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.ask(&["PING"]).map(|_| ())
    }
}

/// `CLIENT PAUSE`, of all commands or of writes alone.
pub(super) struct Pause;

#[async_trait]
impl Fault for Pause {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let which = if stage.dice.below(2) == 0 { "WRITE" } else { "ALL" };
        let millis = 500 + stage.dice.below(3000);
        stage.ask(&["CLIENT", "PAUSE", &millis.to_string(), which]).map(|_| ())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        // Nothing ends a pause of all commands before its time, and this waits for it.
        stage.ask(&["PING"]).map(|_| ())
    }
}

/// `SCRIPT FLUSH`.
pub(super) struct ForgetScripts;

#[async_trait]
impl Fault for ForgetScripts {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.ask(&["SCRIPT", "FLUSH"]).map(|_| ())
    }
}

/// `CLIENT KILL`, again and again, in the end of subscribers, too.
pub(super) struct KillClients;

#[async_trait]
impl Fault for KillClients {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        for _ in 0..5 {
            stage.ask(&["CLIENT", "KILL", "TYPE", "normal"])?;
            aim.decide(crate::proxy::Verdict::Pass);
            stage.wait(Duration::from_millis(200)).await?;
        }
        stage.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).map(|_| ())
    }
}

/// No memory for anything new.
pub(super) struct FullMemory;

#[async_trait]
impl Fault for FullMemory {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.ask(&["CONFIG", "SET", "maxmemory", "1mb"]).map(|_| ())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.ask(&["CONFIG", "SET", "maxmemory", "0"]).map(|_| ())
    }
}

/// The right to a command taken away from everybody: to scripts as a whole, or to one that scripts call.
#[derive(Default)]
pub(super) struct Rights;

#[async_trait]
impl Fault for Rights {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let commands = ["-evalsha", "-xreadgroup", "-xack", "-xadd"];
        let command = commands[usize::try_from(stage.dice.below(4))?];
        stage.ask(&["ACL", "SETUSER", "default", command]).map(|_| ())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.ask(&["ACL", "SETUSER", "default", "+@all"]).map(|_| ())
    }
}

/// The clock on its wall goes wrong by seconds or by an hour, and is put right.
pub(super) struct ClockStep;

#[async_trait]
impl Fault for ClockStep {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let steps = [5, -5, 3600, -3600];
        Ok(stage.clock.set(steps[usize::try_from(stage.dice.below(4))?])?)
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        Ok(stage.clock.set(0)?)
    }
}

/// The primary is killed, stopped, or told to give way; a replica takes its place.
#[derive(Default)]
pub(super) struct Failover {
    before: usize,
}

#[async_trait]
impl Fault for Failover {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let how = stage.dice.below(3);
        let rig = stage.server.rig()?;
        self.before = block_in_place(|| match how {
            0 => rig.kill_primary(),
            1 => rig.pause_primary(),
            _ => rig.fail_over(),
        })?;
        stage.forget()
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let rig = stage.server.rig()?;
        block_in_place(|| rig.wait_for_another(self.before))?;
        // A moment in which everybody learns of it, before the old one comes back.
        stage.wait(Duration::from_secs(1)).await?;
        let rig = stage.server.rig()?;
        Ok(block_in_place(|| rig.heal())?)
    }
}
