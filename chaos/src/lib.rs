//! The proof of the delivery promises.
//!
//! Every actor of a run (producers, handlers, settles, dead letters, faults) appends records to a history of its own;
//! a checker reads them all and decides whether the promises held. The same records come from the simulation, where
//! time is virtual, and from real processes over real servers.

pub mod actor;
pub mod check;
pub mod fuzz;
pub mod history;
pub mod mutants;
pub mod proxy;
pub mod real;
pub mod simulate;
pub mod sizes;
