//! A core consumer of any kind of body behind one type, opened when it is first used.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sg::config::ConsumerConfig;
use sg::envelope::Envelope;
use stargazer_core as sg;
use tokio::sync::broadcast::Receiver;

/// A running reader.
pub(crate) trait Source: Send + Sync {
    /// Waits for deliveries, each of which is to be begun; at most `max`, none once it is closed.
    fn batch(&self, max: usize) -> BoxFuture<'_, sg::Result<Vec<sg::Delivery>>>;
    /// What is there already.
    fn ready(&self, max: usize) -> sg::Result<Vec<sg::Delivery>>;
    /// Waits for one delivery; `Timeout` when none came.
    fn within<'a>(&'a self, limit: &'a sg::TimeLimit) -> BoxFuture<'a, sg::Result<Vec<sg::Delivery>>>;
    fn idle(&self) -> BoxFuture<'_, sg::Result<()>>;
    fn notices(&self) -> Receiver<sg::Notice>;
    fn listen(&self) -> sg::Notices;
    fn serve_handlers(&self, on: bool);
    /// Closes; with the configured time for what is in hand if none is given.
    fn close(&self, drain_timeout: Option<Duration>) -> BoxFuture<'_, sg::Result<()>>;
}

impl<T: Envelope> Source for sg::Consumer<T> {
    fn batch(&self, max: usize) -> BoxFuture<'_, sg::Result<Vec<sg::Delivery>>> {
        async move { Ok(self.take_batch(max).await?.into_iter().map(sg::Delivery::untyped).collect()) }.boxed()
    }

    fn ready(&self, max: usize) -> sg::Result<Vec<sg::Delivery>> {
        Ok(self.try_next_batch(max)?.into_iter().map(sg::Delivery::untyped).collect())
    }

    fn within<'a>(&'a self, limit: &'a sg::TimeLimit) -> BoxFuture<'a, sg::Result<Vec<sg::Delivery>>> {
        async move { Ok(self.take_within(limit).await?.into_iter().map(sg::Delivery::untyped).collect()) }.boxed()
    }

    fn idle(&self) -> BoxFuture<'_, sg::Result<()>> {
        self.idle().boxed()
    }

    fn notices(&self) -> Receiver<sg::Notice> {
        self.notices()
    }

    fn listen(&self) -> sg::Notices {
        self.listen()
    }

    fn serve_handlers(&self, on: bool) {
        self.serve_handlers(on);
    }

    fn close(&self, drain_timeout: Option<Duration>) -> BoxFuture<'_, sg::Result<()>> {
        match drain_timeout {
            Some(limit) => self.close_within(limit).boxed(),
            None => self.close().boxed(),
        }
    }
}

/// Opens a reader with settings.
pub(crate) type Open = Box<dyn Fn(ConsumerConfig) -> BoxFuture<'static, sg::Result<Arc<dyn Source>>> + Send + Sync>;

/// How to open what a builder describes.
pub(crate) fn open<T: Envelope>(builder: sg::ConsumerBuilder<T>) -> Open {
    Box::new(move |config| {
        let opening = builder.clone().config(config).open();
        async move { Ok(Arc::new(opening.await?) as Arc<dyn Source>) }.boxed()
    })
}
