//! The handler form: a loop over `next` that runs a task per delivery.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::Consumer;
use super::delivery::Delivery;
use super::outcome::{HandlerResult, Outcome, outcome_of};
use crate::envelope::Envelope;
use crate::error::Result;

impl<T: Envelope> Consumer<T> {
    /// Runs the handler for every delivery, as many at a time as the consumer's concurrency, until the consumer is
    /// closed. What it returns is the outcome: `Ok(())` is ack, an error is retry, an [`Outcome`] is itself; a panic
    /// is retry. A handler that is cancelled (lease lost, too slow, closing) is dropped at its next await.
    pub async fn run<H, F, O>(&self, handler: H) -> Result<()>
    where
        H: Fn(Delivery<T>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult<O>> + Send + 'static,
        O: Into<Outcome> + Send + 'static,
    {
        self.run_until(handler, false).await
    }

    /// [`Consumer::run`], until nothing is left to do.
    pub async fn run_until_idle<H, F, O>(&self, handler: H) -> Result<()>
    where
        H: Fn(Delivery<T>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult<O>> + Send + 'static,
        O: Into<Outcome> + Send + 'static,
    {
        self.run_until(handler, true).await
    }

    async fn run_until<H, F, O>(&self, handler: H, until_idle: bool) -> Result<()>
    where
        H: Fn(Delivery<T>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult<O>> + Send + 'static,
        O: Into<Outcome> + Send + 'static,
    {
        self.serve_handlers(true);
        let handler = Arc::new(handler);
        let mut tasks = JoinSet::new();
        let result = loop {
            tokio::select! {
                biased;
                next = self.take() => match next {
                    Ok(Some(delivery)) => {
                        tasks.spawn(handle(handler.clone(), delivery));
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
                Some(_) = tasks.join_next() => {}
                idle = self.idle(), if until_idle => break idle,
            }
        };
        while tasks.join_next().await.is_some() {}
        result
    }
}

async fn handle<T, H, F, O>(handler: Arc<H>, delivery: Delivery<T>)
where
    H: Fn(Delivery<T>) -> F,
    F: Future<Output = HandlerResult<O>>,
    O: Into<Outcome>,
{
    if !delivery.begin().await {
        return;
    }
    let inner = delivery.inner.clone();
    let run = AssertUnwindSafe(async { outcome_of(handler(delivery).await) }).catch_unwind();
    let settled = tokio::select! {
        biased;
        () = inner.cancel().cancelled() => inner.give_up(),
        done = run => inner.settle(
            done.unwrap_or_else(|panic| Outcome::Retry { after: None, error: Some(text_of(&*panic)) })
        ),
    };
    if let Err(error) = settled {
        tracing::debug!(%error, "the outcome came too late");
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", text.unwrap_or("no text"))
}
