//! What the fuzzer runs: each target takes any bytes and panics when something does not hold.
//!
//! The programs in `fuzz/targets/` hand libFuzzer's inputs to these functions (`make fuzz`); a plain test runs them
//! over the corpora in `fuzz/corpus/`, so that whatever was once found is tried in every run of the suites.
#![allow(clippy::missing_panics_doc)] // a panic is what a target has to tell

mod envelope;
mod event;
mod keys;
mod machine;
mod reply;
mod round_trip;
mod scan;
#[cfg(test)]
mod tests;

use stargazer_core::envelope::Value;

pub use envelope::envelope;
pub use event::event;
pub use keys::keys;
pub use machine::machine;
pub use reply::reply;
pub use round_trip::round_trip;
pub use scan::scan;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of its program, and of its corpus.
    pub name: &'static str,
    /// Tries one input; says whether it was taken, not merely refused.
    pub run: fn(&[u8]) -> bool,
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "envelope", run: envelope },
    Target { name: "scan", run: scan },
    Target { name: "round_trip", run: round_trip },
    Target { name: "reply", run: reply },
    Target { name: "keys", run: keys },
    Target { name: "event", run: event },
    Target { name: "machine", run: machine },
];

/// Equal to the last bit: floats by their bits, maps in their order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && same(a, b))
        }
        _ => a == b,
    }
}
