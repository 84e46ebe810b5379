//! Suites that start the program and talk to it as its users do: by arguments, signals, HTTP and a terminal's pipes.

#![allow(clippy::disallowed_methods, reason = "a test drives real processes in real time, under deadlines")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something unexpected happens")]

mod api;
mod chat;
mod dev;
mod http;
mod letters;
mod program;
mod roles;
mod stopping;
