//! A gateway: runs adapters, takes what they receive to the bus, and does on them what workers say.
//!
//! For each adapter the outbound stream of its platform is read in the platform's gateway group, channel by channel in
//! order, from before the adapter starts until after it has stopped.
//!
//! - **Once.** Something that was sent is not sent again within [`GatewayConfig::remember`], by whichever gateway. What may
//!   have been sent, because a gateway died or an adapter gave no answer, is sent again and the adapter told, or not:
//!   [`OnUnknown`].
//! - **Order.** What is sent in a channel is sent one after the other, in the order it was published, also when something is
//!   tried again, by whichever gateway. What has no channel (presence, most calls) has no order.
//! - **Adapters that fail.** One that does not start, breaks or stops by itself is stopped and started again, with a growing
//!   pause; what is to be sent waits meanwhile, on the bus and uncounted. One that refuses to start for good is left; the
//!   others go on. What panics or hangs in a send may have been sent. [`Gateway::health`] tells all of this.

mod calls;
mod config;
mod guard;
mod health;
mod marks;
mod methods;
mod perform;
mod post;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use config::{GatewayConfig, OnUnknown};
pub use health::{AdapterHealth, AdapterState};

use super::Adapter;
use crate::error::{Error, ErrorKind, Result};
use crate::publish::Publisher;
use crate::rpc::Handler;
use methods::{Method, Methods};
use post::Post;

/// Runs the adapters of one process.
///
/// Close it: adapters that are not stopped keep their connections until the process ends. Dropped, it stops them in the
/// background.
#[derive(Debug)]
pub struct Gateway {
    bus: Publisher,
    adapters: Vec<Arc<dyn Adapter>>,
    config: Arc<GatewayConfig>,
    methods: Vec<Method>,
    posts: Mutex<Option<Vec<Arc<Post>>>>,
    stop: watch::Sender<bool>,
}

impl Gateway {
    /// A gateway on this bus with these adapters. Nothing happens before [`Gateway::start`] or [`Gateway::run`].
    pub fn new(bus: impl Into<Publisher>, adapters: impl IntoIterator<Item = Arc<dyn Adapter>>) -> Self {
        Self {
            bus: bus.into(),
            adapters: adapters.into_iter().collect(),
            config: Arc::default(),
            methods: Vec::new(),
            posts: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// Other settings.
    pub fn with_config(mut self, config: GatewayConfig) -> Self {
        self.config = Arc::new(config);
        self
    }

    /// Answers calls of a method itself, with this handler, whichever adapter they came for: `execute_tool`, or one of your
    /// own. The arguments of its requests are the parameters of the call; one that may have been run before has an attempt
    /// above 1.
    pub fn with_method(mut self, method: impl Into<String>, handler: Arc<dyn Handler>) -> Self {
        self.methods.push(Method { name: method.into(), handler });
        self
    }

    /// Runs until it is told to stop ([`Gateway::stop`]), the bus closes, or every adapter has failed for good. Then the
    /// adapters drain and stop.
    ///
    /// Fails as [`Gateway::start`] and [`Gateway::ended`] do. Dropped while it runs, it stops in the background.
    pub async fn run(&self) -> Result<()> {
        let _stops = Stops(&self.stop);
        self.start().await?;
        let mut stop = self.stop.subscribe();
        let result = tokio::select! {
            biased;
            // We hold the sender.
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            ended = self.ended() => ended,
        };
        result.and(self.close().await)
    }

    /// Opens the consumers and starts the adapters, all at once; returns when each has been tried once.
    ///
    /// An adapter that fails is started again later; one that fails for good is left. `Invalid` without adapters, for
    /// settings out of range, and for two adapters or methods of one name; `Conflict` when it was started before; what opening a
    /// consumer fails with; what the first adapter failed with when all of them failed for good.
    pub async fn start(&self) -> Result<()> {
        self.check()?;
        let methods = Methods::of(&self.methods);
        let mut posts = Vec::new();
        let mut result = Ok(());
        for adapter in &self.adapters {
            let opened =
                Post::open(&self.bus, adapter.clone(), self.config.clone(), methods.clone(), self.stop.subscribe())
                    .await;
            match opened {
                Ok(post) => posts.push(Arc::new(post)),
                Err(error) => {
                    result = Err(error.with_context("platform", adapter.name()));
                    break;
                }
            }
        }
        *self.posts() = Some(posts.clone());
        if result.is_ok() {
            for post in &posts {
                post.shared.status.reached(|state| state != AdapterState::Starting).await;
            }
            if posts.iter().all(|post| post.shared.status.state() == AdapterState::Failed) {
                result = self.ended().await;
            }
        }
        if result.is_err() {
            // What had begun ends; why it had to is what is told.
            let _ = self.close().await;
        }
        result
    }

    fn check(&self) -> Result<()> {
        self.config.validate()?;
        if self.adapters.is_empty() {
            return Err(Error::invalid("a gateway needs at least one adapter").with_context("field", "adapters"));
        }
        let mut names = HashSet::new();
        for name in self.adapters.iter().map(|adapter| adapter.name()) {
            let text = match names.insert(name) {
                _ if name.is_empty() => "an adapter must have a name".to_owned(),
                false => format!("two adapters are called {name:?}; a gateway has one a platform"),
                true => continue,
            };
            return Err(Error::invalid(text).with_context("field", "adapters"));
        }
        let mut methods = HashSet::new();
        for Method { name, .. } in &self.methods {
            if calls::is_taken(name) || !methods.insert(name) {
                let text = format!(
                    "a method of a gateway cannot be called {name:?}: it must have a name that nothing else has"
                );
                return Err(Error::invalid(text).with_context("field", "method"));
            }
        }
        if self.posts().is_some() {
            return Err(Error::new(ErrorKind::Conflict, "this gateway was started before; make another one"));
        }
        *self.posts() = Some(Vec::new());
        Ok(())
    }

    /// Ends when no adapter is left: all were stopped, or have failed for good. An error of those that failed.
    pub async fn ended(&self) -> Result<()> {
        let posts = self.posts().clone().unwrap_or_default();
        let mut result = Ok(());
        for post in posts {
            result = result.and(post.end().await.map_err(|e| e.with_context("platform", post.shared.adapter.name())));
        }
        result
    }

    /// Lets the adapters take no more messages, and wait for what their users wait for; sends go on. Takes at most the
    /// consumers' `drain_timeout`. Closing does this, too: for those who have more to end in between.
    pub async fn drain(&self) {
        let posts = self.posts().clone().unwrap_or_default();
        futures_util::future::join_all(posts.iter().map(|post| post.drain())).await;
    }

    /// Begins to close without waiting.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends it: the adapters drain and stop, then what is in hand is finished within `drain_timeout` and the rest given back. What
    /// failed in the end is told. May be called twice.
    pub async fn close(&self) -> Result<()> {
        self.stop();
        self.ended().await
    }

    /// How the adapters are, in their order; empty before the start.
    pub fn health(&self) -> Vec<AdapterHealth> {
        self.posts().iter().flatten().map(|post| post.shared.status.now()).collect()
    }

    /// Waits until the adapter of a platform is in a state that is wanted, and gives it. `NotFound` without such an adapter
    /// that was started.
    pub async fn reached(&self, platform: &str, wanted: impl Fn(AdapterState) -> bool) -> Result<AdapterState> {
        let post = self.posts().iter().flatten().find(|post| post.shared.adapter.name() == platform).cloned();
        let Some(post) = post else {
            let text = format!("this gateway runs no adapter called {platform:?}");
            return Err(Error::new(ErrorKind::NotFound, text).with_context("platform", platform));
        };
        Ok(post.shared.status.reached(wanted).await)
    }

    fn posts(&self) -> MutexGuard<'_, Option<Vec<Arc<Post>>>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stops a gateway when its `run` is dropped.
struct Stops<'a>(&'a watch::Sender<bool>);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
