//! The program `sg-chaos`.

fn main() {}
