//! What a process answers over HTTP.
//!
//! Every process: `GET /livez` (200 while it runs; looks at nothing else) and `GET /readyz` (200 when work may be sent
//! here; 503 while it starts or drains, or when the bus does not answer). A gateway also has the chat API, see
//! [`api_routes`]. Errors are `application/problem+json` (RFC 9457) with a `code` that does not change.

mod api;
mod guard;
mod health;
mod listener;
mod message;
mod problem;
mod turn;
mod wait;

pub use api::{ApiOptions, api_routes};
pub use health::health_routes;
pub use listener::{Listener, Port};
