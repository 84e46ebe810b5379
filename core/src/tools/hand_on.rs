//! What the handlers of a tools service ask: whether a caller's catalog is the one in force, what callers are allowed, and who
//! has the tools that this service has not.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::Catalog;
use super::authority::Authority;
use super::set::Checks;
use super::watch::Watch;
use crate::envelope::Map;
use crate::publish::Publisher;
use crate::rpc::{CallOptions, Failure, Handler, Identity, Memo, Reply, Request, code};

/// What its handlers ask.
pub(super) struct Inner {
    pub(super) bus: Publisher,
    pub(super) watch: Arc<Watch>,
    pub(super) service: String,
    pub(super) authority: Option<Arc<dyn Authority>>,
    /// Hash of the catalog that this instance put in force itself, which its watch may not have read yet.
    pub(super) published: RwLock<String>,
}

impl Inner {
    pub(super) fn put_in_force(&self, catalog: &Catalog) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        catalog.schema_hash().clone_into(&mut published);
    }
}

#[async_trait]
impl Checks for Inner {
    async fn catalog(&self, schema_hash: &str) -> std::result::Result<(), Failure> {
        if self.watch.loaded().catalog.schema_hash() == schema_hash {
            return Ok(());
        }
        // Ours may be the old one.
        let loaded = self.watch.refresh().await?;
        let hash = loaded.catalog.schema_hash();
        if hash == schema_hash {
            return Ok(());
        }
        let details = Map::from([("schema_hash", hash), ("version", loaded.version.as_str())]);
        let text = "the caller has another catalog of tools than the one in force; read it again, then call again";
        Err(Failure::new(code::CATALOG_STALE, text).with_details(details))
    }

    fn authority(&self) -> Option<&dyn Authority> {
        self.authority.as_deref()
    }
}

/// Hands calls of tools that only other services have on to them.
pub(super) struct HandOn(pub(super) Arc<Inner>);

#[async_trait]
impl Handler for HandOn {
    async fn call(&self, request: Request) -> std::result::Result<Reply, Failure> {
        let name = request.name();
        let other =
            |catalog: &Catalog| catalog.service(name).filter(|service| **service != *self.0.service).map(str::to_owned);
        let mut service = other(&self.0.watch.loaded().catalog);
        if service.is_none() {
            service = other(&self.0.watch.refresh().await?.catalog);
        }
        let Some(service) = service else {
            return Err(Failure::new(code::UNKNOWN, format!("no tools service has a tool that is called {name:?}")));
        };
        let mut options = CallOptions::default()
            .with_service(service)
            .with_memo(Memo::Off)
            .with_identity(Identity::from(&request.envelope))
            .with_schema_hash(request.envelope.schema_hash.clone())
            .with_trace_id(request.envelope.trace_id.clone())
            .with_cancel(request.cancel.clone());
        options.timeout = request.time_left();
        match request.bus.call_with(name, request.arguments().clone(), options).await {
            Ok(answer) => Ok(Reply::new(answer.result).with_writeback(answer.writeback)),
            // Under its own code, and that of the tool where the tool failed.
            Err(error) => Err(Failure::from(error)),
        }
    }
}
