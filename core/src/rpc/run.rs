//! One call of a handler: its turn, its time, its end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;

use super::cancel::{Cancel, CancelReason};
use super::code;
use super::figures::{During, up};
use super::handler::{Failure, Reply, Request};
use super::server::Entry;
use crate::clock::Clock;

/// How a call ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    /// The handler ended by itself, or was ended because it took too long.
    Answered(Result<Reply, Failure>),
    /// The deadline passed before it was its turn.
    Expired,
    /// The deadline came while it ran.
    OutOfTime,
    /// Its caller cancelled it, and waits for no answer.
    Cancelled,
}

/// Waits for the call's turn and runs it.
pub(super) async fn run(entry: &Entry, request: Request, clock: &dyn Clock) -> Ended {
    let counts = &entry.counts;
    let cancel = request.cancel.clone();
    let left = request.time_left();
    let deadline = clock.now().saturating_add(left.unwrap_or(Duration::MAX));
    let permit = match &entry.permits {
        None => None,
        Some(permits) => {
            let _waiting = During::of(&counts.waiting);
            tokio::select! {
                biased;
                _ = cancel.cancelled() => {
                    up(&counts.cancelled);
                    return Ended::Cancelled;
                }
                permit = permits.acquire() => permit.ok(),
                () = clock.sleep_until(deadline) => {
                    up(&counts.expired);
                    return Ended::Expired;
                }
            }
        }
    };
    if left.is_some_and(|_| clock.now() >= deadline) {
        up(&counts.expired);
        return Ended::Expired;
    }
    let started = clock.now();
    let limit = started.saturating_add(entry.options.timeout.unwrap_or(Duration::MAX));
    let guard = Abandon(Some(cancel.clone()));
    let ended = {
        let _running = During::of(&counts.running);
        // The call itself may panic, not only what it gives to wait for.
        let mut running = Box::pin(AssertUnwindSafe(async { entry.handler.call(request).await }).catch_unwind());
        let stopped = tokio::select! {
            biased;
            done = &mut running => Err(done),
            reason = cancel.cancelled() => Ok(reason),
            () = clock.sleep_until(deadline.min(limit)) => {
                Ok(if limit <= deadline { CancelReason::Timeout } else { CancelReason::Deadline })
            }
        };
        let reason = match stopped {
            Ok(reason) => {
                cancel.cancel_for(reason);
                tokio::select! {
                    _ = &mut running => {}
                    () = clock.sleep(entry.options.cancel_grace) => {}
                }
                Some(reason)
            }
            // It may have seen the sign before we did.
            Err(_) => cancel.reason(),
        };
        match (reason, stopped) {
            (Some(reason), _) => stopped_for(reason, clock.now().saturating_sub(started)),
            (None, Err(Ok(answer))) => Ended::Answered(answer),
            (None, Err(Err(panic))) => Ended::Answered(Err(panicked(&*panic))),
            (None, Ok(_)) => Ended::Cancelled,
        }
    };
    drop(permit);
    guard.disarm();
    counts.took(clock.now().saturating_sub(started));
    up(match &ended {
        Ended::Answered(Ok(_)) => &counts.succeeded,
        Ended::Answered(Err(_)) | Ended::OutOfTime => &counts.failed,
        Ended::Expired => &counts.expired,
        Ended::Cancelled => &counts.cancelled,
    });
    ended
}

fn stopped_for(reason: CancelReason, after: Duration) -> Ended {
    let seconds = after.as_secs_f64();
    match reason {
        CancelReason::Caller | CancelReason::Abandoned => Ended::Cancelled,
        CancelReason::Timeout => Ended::Answered(Err(Failure::new(
            code::TIMEOUT,
            format!("the handler was ended after {seconds:.3} s, its limit"),
        ))),
        CancelReason::Deadline => Ended::OutOfTime,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::new(code::PANICKED, format!("the handler panicked: {}", text.unwrap_or("no text")))
}

/// Gives the sign to end when the call is dropped in the middle: whatever the handler started sees it.
struct Abandon(Option<Cancel>);

impl Abandon {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.cancel_for(CancelReason::Abandoned);
        }
    }
}
