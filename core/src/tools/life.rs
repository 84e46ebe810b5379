//! The life of an instance of a tools service: it joins the catalog, gives signs of life, says that it ends, and leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::board::{BEAT, Board};
use super::hand_on::Inner;
use super::set::ToolSet;
use super::workers::Worker;
use crate::error::Result;
use crate::rpc::Serving;

/// What a service's handle and its task share.
pub(super) struct Life {
    pub(super) inner: Arc<Inner>,
    pub(super) tools: ToolSet,
    pub(super) own: Serving,
    pub(super) shared: Serving,
    pub(super) worker: Worker,
    pub(super) draining: AtomicBool,
}

impl Life {
    fn board(&self) -> &Board {
        self.inner.watch.board()
    }

    /// How it does now.
    fn told(&self) -> Worker {
        let mut worker = self.worker.clone().of_figures(&self.own.figures());
        worker.seen_ms = self.inner.bus.clock().wall_ms();
        worker.draining = self.draining.load(Ordering::Acquire);
        worker
    }

    pub(super) async fn join(&self) -> Result<()> {
        let version = self.board().join(&self.told(), &self.tools).await?;
        self.inner.put_in_force(&version.catalog);
        self.inner.watch.refresh().await.map(drop)
    }

    /// Gives signs of life for ever.
    pub(super) async fn beat(&self) {
        let mut failing = false;
        loop {
            self.inner.bus.clock().sleep(BEAT).await;
            match self.beat_once().await {
                Ok(()) => {
                    if failing {
                        tracing::info!(instance = self.worker.instance, "the sign of life of a tools service is back");
                    }
                    failing = false;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(instance = self.worker.instance, %error, "no sign of life of a tools service could be given");
                    }
                    failing = true;
                }
            }
        }
    }

    async fn beat_once(&self) -> Result<()> {
        if !self.board().beat(&self.told()).await? {
            // Our part is gone: we were silent for too long, or the server lost it.
            return self.join().await;
        }
        self.board().sweep(&self.worker.instance).await
    }

    /// Says that it ends, and takes the tools out of the catalog.
    pub(super) async fn leave(&self) {
        if self.draining.swap(true, Ordering::AcqRel) {
            return;
        }
        self.told_off(self.board().leave(&self.told()).await);
    }

    /// Ends what runs.
    pub(super) async fn end(&self, drain_timeout: Option<Duration>) -> Result<()> {
        let close = async |serving: &Serving| match drain_timeout {
            Some(limit) => serving.close_within(limit).await,
            None => serving.close().await,
        };
        let (own, shared) = tokio::join!(close(&self.own), close(&self.shared));
        self.told_off(self.board().end(&self.worker.instance).await);
        own.and(shared)
    }

    /// What could not be told on the board ends with the last sign of life.
    fn told_off(&self, result: Result<()>) {
        if let Err(error) = result {
            tracing::warn!(instance = self.worker.instance, %error, "a tools service could not leave the catalog");
        }
    }
}
