//! Tools: what they are called and take, the catalog of them, who runs them and where.
//!
//! A [`Tool`] is a [`ToolDefinition`] and a handler. A [`ToolService`] serves tools over the bus and keeps them in the
//! [`Catalog`]; a [`RemoteRegistry`] knows the catalog, offers it to models, and calls tools wherever they run.

mod arguments;
mod authority;
mod board;
mod catalog;
mod context;
mod definition;
mod gateway;
mod hand_on;
mod hash;
mod life;
mod local;
mod part;
mod place;
mod remote;
mod schema;
mod service;
mod set;
#[cfg(test)]
mod tests;
mod tool;
mod watch;
mod workers;

pub use arguments::Arguments;
pub use authority::{Authority, Grants};
pub use catalog::Catalog;
pub use context::{ToolContext, merge_writeback};
pub use definition::ToolDefinition;
pub use gateway::{EXECUTE_TOOL, GatewayTools};
pub use hash::schema_hash;
pub use place::Place;
pub use remote::{RegistryBuilder, RemoteRegistry, Route, workers};
pub use schema::{Fault, Schema};
pub use service::{ServeTools, ToolService};
pub use set::{PERMISSION_DENIED, ToolSet};
pub use tool::Tool;
pub use workers::{Worker, WorkerTool};
