//! Tells those who run calls which ones nobody waits for any more: a notification for who listens, and a mark for who reads
//! the request later. Best effort, in the background; the deadline ends what is not told.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::store::Store;
use crate::topology::{self, Name};

/// A call that ended without its answer.
#[derive(Debug)]
pub(super) struct Ended {
    /// Stream of the request.
    pub(super) stream: Name,
    /// Correlation id.
    pub(super) id: String,
    /// Time until its deadline.
    pub(super) left: Duration,
}

/// Calls that are told of in one step.
const TOGETHER: usize = 200;

/// Clocks may differ: a mark stands somewhat longer than its request.
const LONGER: Duration = Duration::from_secs(10);

/// Tells until the calls are gone.
pub(super) async fn send(store: Store, mut ended: UnboundedReceiver<Ended>) {
    let mut calls = Vec::new();
    while ended.recv_many(&mut calls, TOGETHER).await > 0 {
        tell(&store, std::mem::take(&mut calls)).await;
    }
}

/// Tells of these calls.
pub(super) async fn tell(store: &Store, ended: Vec<Ended>) {
    let mut ended = ended.into_iter().peekable();
    while ended.peek().is_some() {
        let mut batch = store.batch();
        for Ended { stream, id, left } in ended.by_ref().take(TOGETHER) {
            if !left.is_zero() {
                batch = batch.set(&topology::cancelled_key(&stream, &id), Bytes::new(), Some(left + LONGER));
            }
            batch = batch.notify(&topology::control_channel(&stream), id);
        }
        if let Err(error) = batch.commit().await {
            tracing::debug!(%error, "who runs cancelled calls was not told");
        }
    }
}
