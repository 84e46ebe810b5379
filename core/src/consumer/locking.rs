//! What the driver does with the locks of channels. A channel may need two of them: they are taken in their order, all or
//! none, and count as held only as long as all are.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::machine::{Event, LockNumber};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::Transport;

/// Takes a channel's locks.
pub(super) async fn lock(
    transport: Arc<dyn Transport>,
    ttl: Duration,
    number: LockNumber,
    names: Arc<[Name]>,
    token: Name,
) -> Option<Event> {
    Some(Event::Locked { number, answer: take(&*transport, ttl, &names, &token).await })
}

/// Prolongs locks, side by side.
pub(super) async fn renew(
    transport: Arc<dyn Transport>,
    ttl: Duration,
    sent: Duration,
    locks: Vec<(LockNumber, Arc<[Name]>, Name)>,
) -> Option<Event> {
    let prolong = async |(number, names, token): (LockNumber, Arc<[Name]>, Name)| {
        (number, prolong(&*transport, ttl, &names, &token).await)
    };
    Some(Event::LocksRenewed { sent, answers: join_all(locks.into_iter().map(prolong)).await })
}

/// Gives a channel's locks up.
pub(super) async fn unlock(
    transport: Arc<dyn Transport>,
    number: LockNumber,
    names: Arc<[Name]>,
    token: Name,
) -> Option<Event> {
    give_up(&*transport, &names, &token).await;
    Some(Event::Unlocked { number })
}

async fn take(transport: &dyn Transport, ttl: Duration, names: &[Name], token: &str) -> Result<bool> {
    for (place, name) in names.iter().enumerate() {
        if !transport.lock(name, token, ttl).await? {
            give_up(transport, &names[..place], token).await;
            return Ok(false);
        }
    }
    Ok(true)
}

async fn prolong(transport: &dyn Transport, ttl: Duration, names: &[Name], token: &str) -> Result<bool> {
    for name in names {
        if !transport.renew_lock(name, token, ttl).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One that cannot be given up lapses by itself.
async fn give_up(transport: &dyn Transport, names: &[Name], token: &str) {
    for name in names.iter().rev() {
        if let Err(error) = transport.unlock(name, token).await {
            tracing::debug!(%error, lock = &**name, "a lock could not be given up; it lapses by itself");
        }
    }
}
