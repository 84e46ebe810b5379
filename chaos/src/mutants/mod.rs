//! Mutants: the product with one rule broken on purpose, to prove that the checker notices.
//!
//! For each rule the table names, beforehand, the check that must find it and the accidents under which it does. A
//! mutant counts as caught when this check finds something in one of its seeds, and nothing is found in the same
//! seeds with no rule broken.

mod command;
mod plans;
mod subject;
mod table;

pub use command::{Options, play};
pub use subject::{Caught, Subject, judge, prove};
pub use table::TABLE;
