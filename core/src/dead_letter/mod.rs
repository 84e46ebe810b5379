//! Dead letters: the entries that were given up, to look at, to put back and to throw away.
//!
//! A letter is put back in one step: its bytes stand in its stream again under the same message id, the marker of that id
//! names the new entry, and the letter is gone; a lost answer neither loses nor doubles it. What is thrown away is named
//! by id, or by a filter together with the number of letters it must match. Letters of the original are letters, too; one
//! that cannot be understood is listed with the reason, can be discarded, and never spoils a page.

mod discard;
mod filter;
mod letter;
mod look;
mod plain;
mod replay;

pub use filter::Filter;
pub use letter::{Letter, UNKNOWN_REASON};
pub use look::{Page, Query, Summary};
pub use replay::{ReplayOptions, ReplayReport, ReplayedLetter};

use crate::publish::Publisher;
use crate::topology::Name;

/// The dead letters in one stream.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    bus: Publisher,
    stream: Name,
}

impl DeadLetters {
    pub(crate) fn new(bus: Publisher, stream: Name) -> Self {
        Self { bus, stream }
    }

    /// The stream they stand in.
    pub fn stream(&self) -> &Name {
        &self.stream
    }
}
