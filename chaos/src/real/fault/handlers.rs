//! Faults of handlers: messages that make theirs misbehave.

use async_trait::async_trait;

use super::Fault;
use crate::actor::Deed;
use crate::real::Failure;
use crate::real::stage::{Aim, Stage};

/// More attempts than anybody has.
pub(super) const ALWAYS: u32 = 99;

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

/// So many messages that do something to their handlers, for so many attempts; the last as milliseconds that it takes.
pub(super) struct Messages(pub(super) u64, pub(super) Deed, pub(super) u32, pub(super) u64);

#[async_trait]
impl Fault for Messages {
    async fn strike(&mut self, stage: &mut Stage, _aim: &mut Aim) -> Result<(), Failure> {
        stage.publish(self.0, self.1, self.2, self.3);
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
