//! `stargazer doctor`: is this server safe to keep messages on?

use std::process::ExitCode;

use stargazer_core::Bus;
use stargazer_core::transport::{Finding, Level};

use super::Failure;
use super::args::DoctorArgs;
use super::screen;
use crate::settings::Environment;

/// Prints what is found, the worst first; fails when something is bad.
pub(super) async fn run(options: DoctorArgs, environment: Environment) -> Result<ExitCode, Failure> {
    let url = options.server.redis.or(environment.redis_url);
    let url = url.ok_or("no server to look at: give --redis, or set REDIS_URL")?;
    let mut config = environment.bus;
    config.connect_timeout = options.connect_timeout;
    let told = |error: stargazer_core::Error| error.to_string();
    let bus = Bus::connect(url).config(config).await.map_err(told)?;
    let mut findings = bus.doctor().await.map_err(told)?;
    let server = bus.url().to_owned();
    bus.close().await.map_err(told)?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    screen::line(&server);
    for finding in &findings {
        screen::line(&row(finding));
    }
    let bad = findings.iter().any(|finding| finding.level == Level::Bad);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn row(finding: &Finding) -> String {
    let advice = if finding.advice.is_empty() { String::new() } else { format!("\n{:26}{}", "", finding.advice) };
    format!("  {:<8} {:<14} {}{advice}", finding.level.as_str(), finding.check, finding.found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_what_was_found() {
        let bad = Finding::new("eviction", Level::Bad, "allkeys-lru", "set noeviction");
        assert_eq!(row(&bad), "  bad      eviction       allkeys-lru\n                          set noeviction");
        assert_eq!(row(&Finding::ok("cluster", "no")), "  ok       cluster        no");
    }
}
