//! The Rust suites that cross a border. A unit's own tests stand beside the unit.

#![allow(clippy::disallowed_methods, reason = "a test drives real processes in real time, under deadlines")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something unexpected happens")]

mod calls;
mod conformance;
mod gateways;
mod harness;
mod manifests;
mod redis;
mod redis_platform;
mod scenarios;
mod tools;
mod vectors;
mod walls;
