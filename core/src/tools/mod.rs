//! Tools: what they are called and take, the catalog of them, who runs them and where.

mod arguments;
mod catalog;
mod definition;
mod hash;
mod place;
mod schema;

pub use arguments::Arguments;
pub use catalog::Catalog;
pub use definition::ToolDefinition;
pub use hash::schema_hash;
pub use place::Place;
pub use schema::{Fault, Schema};
