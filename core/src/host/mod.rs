//! What a language binding stands on: one I/O thread per process, and queues that carry results back to a host
//! thread in bursts. Used by bindings only; core's own calls never make a runtime.
//!
//! No object of the host language ever reaches the I/O thread, and the I/O thread calls no host code except the
//! doorbell of a [`Completions`] queue, which must neither block nor touch the host's interpreter. What only the host can do
//! (a tool, an adapter that is written in its language) is an errand, see [`Errands`].

mod asking;
mod calls;
mod completions;
mod errands;
mod failed;
mod parts;

use std::future::Future;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle};

pub use asking::Asking;
pub use calls::{HostAuthority, HostHandler, Served, Serves};
pub use completions::Completions;
pub use errands::{Errand, Errands, Order, UnderWay};
pub use failed::Failed;
pub use parts::{Given, LIMITS, Part, convert, gateway_consumer};

use crate::error::{Error, ErrorKind, Result};

/// The I/O thread of this process: a current-thread runtime, so that everything that is queued while it works
/// leaves as one write.
///
/// It lives as long as the process. After a fork the child makes its own; what belonged to the parent's is refused
/// with `Forked` by whoever checks [`Host::of_this_process`].
#[derive(Debug)]
pub struct Host {
    handle: Handle,
    process: u32,
}

static CURRENT: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());
static STARTING: Mutex<()> = Mutex::new(());

impl Host {
    /// The I/O thread, started when there is none in this process.
    pub fn get() -> Result<&'static Self> {
        if let Some(host) = Self::current() {
            return Ok(host);
        }
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = Self::current() {
            return Ok(host);
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::internal("the I/O runtime could not be made").with_source(error))?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("stargazer-io".into())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(|error| Error::internal("the I/O thread could not be started").with_source(error))?;
        // Lives for ever: handles may be used until the process ends, and a parent's must not be dropped in a child.
        let host: &'static Self = Box::leak(Box::new(Self { handle, process: std::process::id() }));
        CURRENT.store(std::ptr::from_ref(host).cast_mut(), Ordering::Release);
        Ok(host)
    }

    #[allow(unsafe_code)]
    fn current() -> Option<&'static Self> {
        // SAFETY: the pointer is null or was leaked from a box by `get` and never freed.
        let host = unsafe { CURRENT.load(Ordering::Acquire).as_ref() }?;
        (host.process == std::process::id()).then_some(host)
    }

    /// `Forked` when this thread was started in a process that this one was forked from.
    pub fn of_this_process(&self) -> Result<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Forked,
            "this bus was connected before the process was forked; connect again in the child, or use the spawn start method",
        )
        .with_context("process", std::process::id())
        .with_context("connected_in", self.process))
    }

    /// Runs a future on the I/O thread.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Nobody waits for the task itself: what it has to say goes through a queue. Boxed, because the runtime's own code for a
        // task is compiled for every type of future, and a binding has a type for every call.
        drop(self.handle.spawn(future.boxed()));
    }
}
