//! The faults: small types that strike and heal, and the table that says how each is used.

mod handlers;
mod links;
mod processes;
mod server;
mod stream;

use std::time::Duration;

use async_trait::async_trait;

use super::Failure;
use super::cast::Part;
use super::stage::{Aim, Stage};
use crate::actor::Deed;
use crate::history::FaultKind;

/// Something that goes wrong.
#[async_trait]
pub(super) trait Fault: Send {
    /// Strikes; the victim stands where it was aimed at.
    async fn strike(&mut self, stage: &mut Stage, aim: &mut Aim) -> Result<(), Failure>;

    /// Ends it.
    async fn heal(&mut self, _stage: &mut Stage) -> Result<(), Failure> {
        Ok(())
    }
}

/// Which faults may be on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Of the server: one at a time.
    Server,
    /// Of a process, or its connections: each has a victim of its own.
    Process,
    /// Of handlers: as they come.
    Handlers,
}

/// How a kind of fault is used.
pub(super) struct Use {
    pub(super) kind: FaultKind,
    pub(super) sort: Sort,
    pub(super) victim: Part,
    /// How long it lasts, in milliseconds.
    pub(super) lasts: (u64, u64),
    pub(super) make: fn() -> Box<dyn Fault>,
}

impl Use {
    const fn new(kind: FaultKind, sort: Sort, lasts: (u64, u64), make: fn() -> Box<dyn Fault>) -> Self {
        Self { kind, sort, victim: Part::Worker, lasts, make }
    }

    const fn of(mut self, victim: Part) -> Self {
        self.victim = victim;
        self
    }
}

/// Any producer.
const PRODUCER: Part = Part::Producer { next: 0, end: 0 };

/// Every fault of a run.
pub(super) fn table() -> Vec<Use> {
    use FaultKind as K;
    use Sort::{Handlers, Process, Server};
    vec![
        Use::new(K::Kill, Process, (100, 3000), || Box::new(processes::Kill)),
        Use::new(K::KillGateway, Process, (100, 2000), || Box::new(processes::Kill)).of(Part::Gateway),
        Use::new(K::KillProducer, Process, (100, 2000), || Box::new(processes::Kill)).of(PRODUCER),
        Use::new(K::Freeze, Process, (2700, 4000), || Box::new(processes::Freeze)),
        Use::new(K::Terminate, Process, (50, 2500), || Box::new(processes::Terminate)),
        Use::new(K::HandlerPanic, Handlers, (200, 500), || Box::new(handlers::Panic)),
        Use::new(K::HandlerHang, Handlers, (500, 1000), || Box::new(handlers::Messages(3, Deed::Hang, 1, 0))),
        Use::new(K::StackOverflow, Handlers, (500, 1000), || {
            Box::new(handlers::Messages(1, Deed::Overflow, handlers::ALWAYS, 5))
        }),
        Use::new(K::OutOfMemory, Handlers, (500, 1000), || {
            Box::new(handlers::Messages(1, Deed::Memory, handlers::ALWAYS, 5))
        }),
        Use::new(K::RestartEmpty, Server, (100, 1500), || Box::new(server::Restart::Empty)),
        Use::new(K::RestartEverysec, Server, (100, 3000), || Box::new(server::Restart::Everysec)),
        Use::new(K::RestartAlways, Server, (100, 3000), || Box::new(server::Restart::Always)),
        Use::new(K::ServerFreeze, Server, (2500, 4000), || Box::new(server::Freeze)),
        Use::new(K::ServerBusy, Server, (1000, 3000), || Box::new(server::Busy)),
        Use::new(K::ClientPause, Server, (500, 3000), || Box::new(server::Pause)),
        Use::new(K::ScriptFlush, Server, (0, 100), || Box::new(server::ForgetScripts)),
        Use::new(K::ClientKill, Server, (0, 1000), || Box::new(server::KillClients)),
        Use::new(K::FullMemory, Server, (500, 3000), || Box::new(server::FullMemory)),
        Use::new(K::AclRevoked, Server, (500, 2500), || Box::<server::Rights>::default()),
        Use::new(K::ClockStep, Server, (500, 3000), || Box::new(server::ClockStep)),
        Use::new(K::HoldThread, Handlers, (2500, 3500), || Box::new(handlers::Hold)),
        Use::new(K::Flush, Server, (0, 100), || Box::new(stream::Flush)),
        Use::new(K::DeleteStream, Server, (0, 100), || Box::new(stream::Delete)),
        Use::new(K::DestroyGroup, Server, (0, 100), || Box::new(stream::DestroyGroup)),
        Use::new(K::WrongType, Server, (200, 1500), || Box::new(stream::WrongType)),
        Use::new(K::DeletePending, Server, (0, 100), || Box::new(stream::DeletePending)),
        Use::new(K::DeleteConsumer, Server, (0, 100), || Box::new(stream::DeleteConsumer)),
        Use::new(K::CapReached, Server, (500, 2000), || Box::<stream::Cap>::default()),
        Use::new(K::Failover, Server, (0, 100), || Box::<server::Failover>::default()),
        Use::new(K::HalfOpen, Process, (500, 5000), || Box::new(links::Rough::half_open())),
        Use::new(K::CutLink, Process, (0, 500), || Box::new(links::Ends(crate::proxy::Cut::Reset))),
        Use::new(K::CloseLink, Process, (0, 500), || Box::new(links::Ends(crate::proxy::Cut::Close))),
        Use::new(K::SlowLink, Process, (1000, 3000), || Box::new(links::Rough::slow())),
        Use::new(K::SlicedLink, Process, (1000, 3000), || Box::new(links::Rough::sliced())),
        Use::new(K::RequestLost, Process, (100, 3000), || Box::new(links::Rough::lose_requests())),
        Use::new(K::Refusing, Process, (500, 4000), || Box::new(links::Refuse)),
        Use::new(K::ReplyLost, Process, (0, 200), || Box::new(links::LoseReply(crate::proxy::Label::Settle))),
        Use::new(K::FetchReplyLost, Process, (0, 200), || Box::new(links::LoseReply(crate::proxy::Label::Fetch))),
        Use::new(K::PublishReplyLost, Process, (0, 200), || Box::new(links::LoseReply(crate::proxy::Label::Publish)))
            .of(PRODUCER),
    ]
}

impl Use {
    /// Whether it can strike there.
    pub(super) fn fits(&self, sentinels: bool) -> bool {
        use FaultKind as K;
        match self.kind {
            K::Failover => sentinels,
            K::Kill | K::KillGateway | K::KillProducer | K::Freeze | K::Terminate => true,
            _ => self.sort == Sort::Handlers || !sentinels,
        }
    }
}

/// A time between two.
pub(super) fn between(dice: &mut crate::actor::Dice, (least, most): (u64, u64)) -> Duration {
    Duration::from_millis(least + dice.below(most - least + 1))
}
