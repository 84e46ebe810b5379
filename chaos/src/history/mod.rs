//! What happened, as records of fixed size: one format for the simulation and for processes of any language.
//!
//! A run is a folder with a file `<actor>.hist` for every process life (the driver of the run is actor 0) and
//! `rules.json`. A process appends each record with one `write`, before it does what the record announces and after
//! what it reports, so that a killed one loses nothing that others could have seen. One clock serves the whole machine.

mod fault;
mod figure;
mod read;
mod record;

pub use fault::{FaultKind, Forgets, Hits, Phase};
pub use figure::Figure;
pub use read::History;
pub use record::{Kind, NO_LANE, NO_MESSAGE, Nature, Record, SIZE};
