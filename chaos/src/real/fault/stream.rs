//! Faults of streams and groups: somebody deletes what we work with.

use std::time::Duration;

use async_trait::async_trait;
use stargazer_tests::Reply;

use super::Fault;
use crate::actor::Deed;
use crate::history::{Kind, Record};
use crate::real::Failure;
use crate::real::cast::Part;
use crate::real::stage::{Aim, Stage};

/// `FLUSHALL`.
pub(super) struct Flush;

#[async_trait]
impl Fault for Flush {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.ask(&["FLUSHALL"])?;
        stage.forget()
    }
}

/// `DEL` of the inbound stream.
pub(super) struct Delete;

#[async_trait]
impl Fault for Delete {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.ask(&["DEL", &stage.names.inbound.clone()])?;
        stage.orphaned = true;
        stage.forget()
    }
}

/// `XGROUP DESTROY` of the workers' group.
pub(super) struct DestroyGroup;

#[async_trait]
impl Fault for DestroyGroup {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let (stream, group) = (stage.names.inbound.clone(), stage.names.workers.clone());
        stage.ask(&["XGROUP", "DESTROY", &stream, &group]).map(|_| ())
    }
}

/// A text in the place of the stream.
pub(super) struct WrongType;

#[async_trait]
impl Fault for WrongType {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.ask(&["SET", &stage.names.inbound.clone(), "somebody else's"])?;
        stage.orphaned = true;
        stage.forget()
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.ask(&["DEL", &stage.names.inbound.clone()]).map(|_| ())
    }
}

/// `XDEL` of entries that are pending.
pub(super) struct DeletePending;

#[async_trait]
impl Fault for DeletePending {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let (stream, group) = (stage.names.inbound.clone(), stage.names.workers.clone());
        let reply = stage.ask(&["XPENDING", &stream, &group, "-", "+", "200"])?;
        let Reply::List(pending) = reply else { return Err("XPENDING gave no list".into()) };
        stage.orphaned = true;
        stage.watch.look()?;
        for entry in pending.iter().step_by(20) {
            let Reply::List(parts) = entry else { continue };
            let id = parts.first().map(Reply::text).unwrap_or_default();
            let Some((ms, seq)) = id.split_once('-') else { continue };
            let entry = (ms.parse()?, seq.parse()?);
            // One that has no receipt yet cannot be named in the history: it stays.
            let Some((message, lane)) = stage.watch.message_of(entry) else { continue };
            stage.pen.write(&Record { message, lane, entry, ..stage.pen.record(Kind::Deleted) })?;
            stage.ask(&["XDEL", &stream, &id])?;
        }
        Ok(())
    }
}

/// `XGROUP DELCONSUMER` of the victim.
pub(super) struct DeleteConsumer;

#[async_trait]
impl Fault for DeleteConsumer {
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure> {
        let (stream, group) = (stage.names.inbound.clone(), stage.names.workers.clone());
        let name = format!("actor{}-", stage.players[aim.player].actor);
        let known = stage.ask(&["HKEYS", &stage.names.worker_keys.consumers.clone()])?;
        let Reply::List(known) = known else { return Err("HKEYS gave no list".into()) };
        if let Some(identity) = known.iter().map(Reply::text).find(|identity| identity.starts_with(&name)) {
            stage.ask(&["XGROUP", "DELCONSUMER", &stream, &group, &identity])?;
        }
        Ok(())
    }
}

/// No worker runs, and more is published than the stream may hold.
#[derive(Default)]
pub(super) struct Cap;

#[async_trait]
impl Fault for Cap {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        for player in stage.ready(Part::Worker) {
            stage.kill(player)?;
        }
        stage.publish(crate::actor::CAP + crate::actor::CAP / 5, Deed::Ack, 0, 0);
        let stream = stage.names.inbound.clone();
        let full = |stage: &mut Stage| stage.count(&["XLEN", &stream]) >= crate::actor::CAP;
        if !stage.until(Duration::from_secs(10), full).await? {
            stage.findings.push("the cap was not reached".into());
        }
        Ok(())
    }

    async fn heal(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        for player in 0..stage.players.len() {
            if stage.players[player].part == Part::Worker {
                stage.bring_back(player)?;
            }
        }
        Ok(())
    }
}
