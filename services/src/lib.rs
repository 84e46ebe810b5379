//! The services of stargazer as a library, so that each can be tested without a process.

pub use stargazer_core::VERSION;
