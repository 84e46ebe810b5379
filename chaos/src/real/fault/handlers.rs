//! Faults of handlers: messages that make theirs misbehave.

use async_trait::async_trait;

use super::Fault;
use crate::actor::Deed;
use crate::real::Failure;
use crate::real::stage::{Aim, Stage};

/// More attempts than anybody has.
const ALWAYS: u32 = 99;

/// A dozen panics; half of the messages succeed in the end.
pub(super) struct Panic;

#[async_trait]
impl Fault for Panic {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.publish(8, Deed::Panic, 1, 20);
        stage.publish(4, Deed::Panic, ALWAYS, 20);
        Ok(())
    }
}

/// A few handlers that never return; each message succeeds when it is tried again.
pub(super) struct Hang;

#[async_trait]
impl Fault for Hang {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.publish(3, Deed::Hang, 1, 0);
        Ok(())
    }
}

/// A message whose handler runs out of stack.
pub(super) struct Overflow;

#[async_trait]
impl Fault for Overflow {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.publish(1, Deed::Overflow, ALWAYS, 5);
        Ok(())
    }
}

/// A message whose handler runs out of memory.
pub(super) struct Memory;

#[async_trait]
impl Fault for Memory {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.publish(1, Deed::Memory, ALWAYS, 5);
        Ok(())
    }
}

/// A handler that holds its thread (in Python the interpreter's lock, in Node the event loop) for longer than a lease.
pub(super) struct Hold;

#[async_trait]
impl Fault for Hold {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        let lease = stage.options.profile.lease().0;
        stage.publish(1, Deed::Hold, 1, u64::try_from(lease.as_millis())? * 3 / 2);
        Ok(())
    }
}
