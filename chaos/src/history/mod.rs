//! What happened, as records of fixed size: one format for the simulation and for processes of any language.

mod record;

pub use record::{Kind, NO_MESSAGE, Record, SIZE};
