//! The bus of the process: deep code tells what happens without being handed anything.

use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use super::event::Event;
use super::publish::{EventBus, EventOptions};
use crate::error::Result;
use crate::publish::Publisher;

static BUS: RwLock<Option<EventBus>> = RwLock::new(None);

/// Makes this the bus of the process; `None` takes it away.
pub fn set_event_bus(bus: Option<EventBus>) {
    *BUS.write().unwrap_or_else(PoisonError::into_inner) = bus;
}

/// The bus of the process; without one, a bus that publishes nothing.
pub fn get_event_bus() -> EventBus {
    BUS.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(EventBus::null)
}

/// Makes a bus and has it be that of the process.
pub fn install_default_bus(publisher: &Publisher, options: EventOptions) -> Result<EventBus> {
    let bus = EventBus::new(publisher, options)?;
    set_event_bus(Some(bus.clone()));
    Ok(bus)
}

/// Publishes an event on the bus of the process and waits for nothing.
pub fn publish_nowait(kind: impl Into<String>, payload: impl Serialize) {
    let bus = get_event_bus();
    if !bus.is_null() {
        bus.publish_nowait(Event::new(kind).with_payload(payload));
    }
}
