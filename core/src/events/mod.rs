//! Lifecycle events: what happens in a process, told to whoever watches. The opposite promise of the bus's.
//!
//! An event may be lost, and is never in the way: publishing does not fail, does not wait longer than 50 ms, and says what
//! it dropped in its counts. A [`Publisher`](crate::Publisher)'s messages are not like that. On the wire an event is one
//! entry whose field `data` holds JSON, the same bytes that Python's `json.dumps` gives, so that the original's readers and
//! publishers work beside ours.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> stargazer_core::Result<()> {
//! use stargazer_core::{Bus, events::{self, Event, EventBus, EventOptions, EventReader, Place, ReaderOptions}};
//! let bus = Bus::connect("memory://").await?;
//! let options = ReaderOptions { place: Place::Start, ..ReaderOptions::default() };
//! let mut reader = EventReader::new(&bus, options)?;
//!
//! events::set_event_bus(Some(EventBus::new(&bus, EventOptions::default())?));
//! events::publish_nowait("agent.complete", "c1");
//! events::get_event_bus().publish(Event::new("phase.start").with_phase("analysis")).await;
//!
//! assert_eq!(reader.next().await?.kind(), "agent.complete");
//! assert_eq!(reader.next().await?.kind(), "phase.start");
//! # bus.close().await }
//! ```

mod event;
mod global;
mod publish;
mod queue;
mod reader;
mod route;
mod seen;
#[cfg(test)]
mod tests;

pub use event::Event;
pub use global::{get_event_bus, install_default_bus, publish_nowait, set_event_bus};
pub use publish::{EventBus, EventOptions};
pub use queue::EventStats;
pub use reader::{EventReader, Place, ReaderOptions};
pub use seen::SeenEvent;

pub use crate::envelope::EVENT_KINDS;
