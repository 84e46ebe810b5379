//! Suites that start the program.

fn main() {}
