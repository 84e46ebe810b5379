//! The Rust suites that cross a border. A unit's own tests stand beside the unit.

mod versions;
