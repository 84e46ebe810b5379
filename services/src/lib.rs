//! The services of stargazer as a library, so that each can be tested without a process.
//!
//! [`host`] runs services: it connects the bus, starts and stops them in order and drains on a signal. [`roles`] are the
//! services, [`processor`] is the turn of a message, [`http`] what a process answers over HTTP, [`cli`] the program.

pub mod cli;
pub mod host;
pub mod http;
pub mod processor;
pub mod roles;
pub mod settings;

pub use stargazer_core::VERSION;
