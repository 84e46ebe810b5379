//! The vectors: bodies as an independent encoder writes them, and the table of errors.

mod bodies;
mod file;
mod names;
mod table;
mod tools;
