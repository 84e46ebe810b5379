//! What the environment says: the only place of the services that reads it, when the program starts.
//!
//! `SG_BIND` (address to listen on), `SG_PORT`, `SG_LOG` (as `--log`), `SG_LOG_FORMAT` (`pretty` or `json`), `NO_COLOR`;
//! `REDIS_URL` and the names of streams and groups by way of [`stargazer_core::config`]. Flags count over all of them.

use stargazer_core::config::{BusConfig, url_from_env};

/// What the environment says; an empty variable says nothing.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `SG_BIND`.
    pub bind: Option<String>,
    /// `SG_PORT`.
    pub port: Option<String>,
    /// `SG_LOG`.
    pub log: Option<String>,
    /// `SG_LOG_FORMAT`.
    pub log_format: Option<String>,
    /// Whether `NO_COLOR` is set.
    pub no_color: bool,
    /// `REDIS_URL`.
    pub redis_url: Option<String>,
    /// Settings of the bus.
    pub bus: BusConfig,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn read() -> Self {
        Self {
            bind: variable("SG_BIND"),
            port: variable("SG_PORT"),
            log: variable("SG_LOG"),
            log_format: variable("SG_LOG_FORMAT"),
            no_color: variable("NO_COLOR").is_some(),
            redis_url: url_from_env(),
            bus: BusConfig::from_env(),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the place")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
