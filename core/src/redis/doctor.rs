//! Is this server safe to keep messages on? One look at what it says of itself, judged check by check.
//!
//! What it does not let us see is `unknown`, never `ok`. Nothing is changed.

use std::time::Duration;

use ::redis::Pipeline;

use super::link::{Link, unwrapped};
use super::{parse, rights};
use crate::error::Result;
use crate::topology::Name;
use crate::transport::{Finding, Level};

/// A server's clock may differ from ours by this much.
const CLOCK: Duration = Duration::from_secs(2);

/// A full memory is near.
const CROWDED: f64 = 0.8;

/// Bells are small; a buffer below this is cut by a burst of them.
const BELLS: u64 = 1024 * 1024;

/// What the server says of itself.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Lines of `INFO`; none when it is forbidden.
    info: Option<String>,
    append_sync: Option<String>,
    snapshots: Option<String>,
    min_replicas: Option<u64>,
    pubsub_limit: Option<String>,
    /// By how much its clock is ahead of ours, in milliseconds.
    clock_ahead: Option<i64>,
}

/// Looks at the server; `probe` also tries the rights that are needed on this stream.
pub(super) async fn examine(link: &Link, probe: Option<&Name>) -> Result<Vec<Finding>> {
    let facts = ask(link).await?;
    let mut findings = facts.judge();
    if let Some(stream) = probe {
        findings.push(rights::examine(link, stream).await?);
    }
    Ok(findings)
}

async fn ask(link: &Link) -> Result<Facts> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TIME").cmd("INFO");
    for setting in ["appendfsync", "save", "min-replicas-to-write", "client-output-buffer-limit"] {
        pipeline.cmd("CONFIG").arg("GET").arg(setting);
    }
    let sent = link.clock().wall_ms();
    let mut replies = link.pipeline(&pipeline).await?.into_iter();
    let back = link.clock().wall_ms();
    // A refusal is what `unknown` is for; everything else was an error of the connection.
    let mut reply = || replies.next().and_then(|reply| unwrapped(reply).ok());
    let time = reply().and_then(|reply| parse::array(reply).ok()).unwrap_or_default();
    let server_ms = match &time[..] {
        [seconds, micros] => parse::number(seconds).ok().zip(parse::number(micros).ok()),
        _ => None,
    };
    let ours = i64::try_from(sent.midpoint(back)).unwrap_or(i64::MAX);
    let ahead = |(seconds, micros): (u64, u64)| {
        i64::try_from(seconds * 1000 + micros / 1000).unwrap_or(i64::MAX).saturating_sub(ours)
    };
    let info = reply().and_then(|reply| parse::text(reply).ok());
    let mut setting = || {
        let pair = parse::array(reply()?).ok()?;
        parse::text(pair.into_iter().nth(1)?).ok()
    };
    Ok(Facts {
        info,
        append_sync: setting(),
        snapshots: setting(),
        min_replicas: setting().and_then(|text| text.parse().ok()),
        pubsub_limit: setting(),
        clock_ahead: server_ms.map(ahead),
    })
}

impl Facts {
    fn judge(&self) -> Vec<Finding> {
        vec![
            self.version(),
            self.role(),
            self.cluster(),
            self.eviction(),
            self.memory(),
            self.persistence(),
            self.replication(),
            self.clock(),
            self.bells(),
        ]
    }

    fn value(&self, name: &str) -> Option<&str> {
        let line = self.info.as_ref()?.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    fn version(&self) -> Finding {
        let (name, version) = match self.value("valkey_version") {
            Some(version) => ("valkey", Some(version)),
            None => ("redis", self.value("redis_version")),
        };
        let Some(version) = version else { return Finding::unknown("version", "INFO") };
        if super::too_old(version) {
            return Finding::new(
                "version",
                Level::Bad,
                format!("{name} {version}"),
                "use Redis 6.2 or newer, or Valkey",
            );
        }
        Finding::ok("version", format!("{name} {version}"))
    }

    fn role(&self) -> Finding {
        match self.value("role") {
            None => Finding::unknown("role", "INFO"),
            Some("master") => Finding::ok("role", "primary"),
            Some(_) => {
                let advice = "connect to the primary, or through its sentinels: redis+sentinel://…";
                Finding::new("role", Level::Bad, "replica: takes no writes", advice)
            }
        }
    }

    fn cluster(&self) -> Finding {
        match self.value("cluster_enabled") {
            None => Finding::unknown("cluster", "INFO"),
            Some("0") => Finding::ok("cluster", "no"),
            Some(_) => {
                Finding::new("cluster", Level::Bad, "node of a cluster", "use a server that is not in cluster mode")
            }
        }
    }

    fn eviction(&self) -> Finding {
        let Some(policy) = self.value("maxmemory_policy") else { return Finding::unknown("eviction", "INFO") };
        if policy.starts_with("allkeys") {
            let advice = "set maxmemory-policy noeviction: this one deletes streams, read or not, when memory is full";
            return Finding::new("eviction", Level::Bad, policy, advice);
        }
        if policy.starts_with("volatile") {
            let advice =
                "set maxmemory-policy noeviction: when memory is full this one forgets message ids, and doubles pass";
            return Finding::new("eviction", Level::Warning, policy, advice);
        }
        Finding::ok("eviction", policy)
    }

    #[allow(clippy::cast_precision_loss)]
    fn memory(&self) -> Finding {
        let (Some(limit), Some(used)) = (self.number("maxmemory"), self.number("used_memory")) else {
            return Finding::unknown("memory", "INFO");
        };
        let mega = |bytes: u64| format!("{} MiB", bytes / (1024 * 1024));
        if limit == 0 {
            let advice =
                "set maxmemory below what the machine has: a full server refuses publishes, a full machine kills it";
            return Finding::new("memory", Level::Warning, format!("{} used, no limit", mega(used)), advice);
        }
        let found = format!("{} of {} used", mega(used), mega(limit));
        if used as f64 > limit as f64 * CROWDED {
            let advice = "raise maxmemory, or let consumers catch up: at the limit publishes are refused";
            return Finding::new("memory", Level::Warning, found, advice);
        }
        Finding::ok("memory", found)
    }

    fn persistence(&self) -> Finding {
        let failed = |name| self.value(name) == Some("err");
        let Some(append) = self.value("aof_enabled") else { return Finding::unknown("persistence", "INFO") };
        if failed("aof_last_write_status") || failed("rdb_last_bgsave_status") {
            let advice = "look at the server's log and its disk: it cannot write, and will take no writes";
            return Finding::new("persistence", Level::Bad, "the last write to disk failed", advice);
        }
        let lost = "set appendonly yes: a restart loses what came after the last snapshot";
        match (append, self.append_sync.as_deref(), self.snapshots.as_deref()) {
            ("0", _, Some("")) => {
                let advice = "set appendonly yes: a restart loses everything";
                Finding::new("persistence", Level::Warning, "none", advice)
            }
            ("0", _, Some(_)) => Finding::new("persistence", Level::Warning, "snapshots only", lost),
            ("0", _, None) => Finding::new("persistence", Level::Warning, "no append-only file", lost),
            (_, Some("always"), _) => Finding::ok("persistence", "append-only file, synced always"),
            (_, Some("everysec"), _) => Finding::ok("persistence", "append-only file, synced every second"),
            (_, Some(_), _) => {
                let advice = "set appendfsync everysec or always: now the system decides when it is safe";
                Finding::new("persistence", Level::Warning, "append-only file, never synced", advice)
            }
            (_, None, _) => Finding::unknown("persistence", "CONFIG GET"),
        }
    }

    fn replication(&self) -> Finding {
        let Some(replicas) = self.number("connected_slaves") else { return Finding::unknown("replication", "INFO") };
        let found = format!("{replicas} replicas");
        match (replicas, self.min_replicas) {
            (0, _) => Finding::ok("replication", "no replicas"),
            (_, Some(0)) => {
                let advice = "set min-replicas-to-write 1 and min-replicas-max-lag 2, or publish with wait_replicas: a primary cut off from its replicas takes writes that are lost";
                Finding::new("replication", Level::Warning, format!("{found}, writes without them"), advice)
            }
            (_, Some(least)) => Finding::ok("replication", format!("{found}, no writes with fewer than {least}")),
            (_, None) => Finding::unknown("replication", "CONFIG GET"),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn clock(&self) -> Finding {
        let Some(ahead) = self.clock_ahead else { return Finding::unknown("clock", "TIME") };
        let found = format!(
            "{:.1} s {} ours",
            ahead.unsigned_abs() as f64 / 1000.0,
            if ahead < 0 { "behind" } else { "ahead of" }
        );
        if u128::from(ahead.unsigned_abs()) > CLOCK.as_millis() {
            let advice = "keep both clocks in time (NTP): entry ids and retry times are the server's";
            return Finding::new("clock", Level::Warning, found, advice);
        }
        Finding::ok("clock", found)
    }

    fn bells(&self) -> Finding {
        let Some(limits) = &self.pubsub_limit else { return Finding::unknown("pubsub-buffer", "CONFIG GET") };
        let words: Vec<&str> = limits.split_whitespace().collect();
        let hard = words.windows(2).find(|pair| pair[0] == "pubsub").and_then(|pair| pair[1].parse::<u64>().ok());
        match hard {
            None => Finding::unknown("pubsub-buffer", "CONFIG GET"),
            Some(bytes) if bytes > 0 && bytes < BELLS => {
                let advice =
                    "raise client-output-buffer-limit pubsub to 32mb 8mb 60: resting consumers are cut off and poll";
                Finding::new("pubsub-buffer", Level::Warning, format!("{bytes} bytes"), advice)
            }
            Some(0) => Finding::ok("pubsub-buffer", "no limit"),
            Some(bytes) => Finding::ok("pubsub-buffer", format!("{} MiB", bytes / (1024 * 1024))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: &str = "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n\
        maxmemory:1000000\r\nused_memory:1000\r\naof_enabled:1\r\naof_last_write_status:ok\r\n\
        rdb_last_bgsave_status:ok\r\nconnected_slaves:0\r\n";

    fn safe() -> Facts {
        Facts {
            info: Some(SAFE.into()),
            append_sync: Some("everysec".into()),
            snapshots: Some(String::new()),
            min_replicas: Some(0),
            pubsub_limit: Some("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60".into()),
            clock_ahead: Some(-20),
        }
    }

    fn level(facts: &Facts, check: &str) -> Level {
        facts.judge().into_iter().find(|finding| finding.check == check).unwrap().level
    }

    fn with(line: &str, instead: &str) -> Facts {
        assert!(SAFE.contains(line));
        Facts { info: Some(SAFE.replace(line, instead)), ..safe() }
    }

    #[test]
    fn a_safe_server_is_ok_in_every_check() {
        for finding in safe().judge() {
            assert_eq!((finding.level, finding.advice.as_str()), (Level::Ok, ""), "{finding}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_and_never_ok() {
        for finding in Facts::default().judge() {
            assert_eq!(finding.level, Level::Unknown, "{finding}");
            assert!(!finding.advice.is_empty());
        }
        let blind = Facts { append_sync: None, snapshots: None, min_replicas: None, ..safe() };
        assert_eq!(level(&blind, "persistence"), Level::Unknown);
    }

    #[test]
    fn every_danger_has_its_level() {
        for (line, instead, check, expected) in [
            ("7.0.15", "6.0.16", "version", Level::Bad),
            ("role:master", "role:slave", "role", Level::Bad),
            ("cluster_enabled:0", "cluster_enabled:1", "cluster", Level::Bad),
            ("noeviction", "allkeys-lru", "eviction", Level::Bad),
            ("noeviction", "volatile-ttl", "eviction", Level::Warning),
            ("maxmemory:1000000", "maxmemory:0", "memory", Level::Warning),
            ("used_memory:1000", "used_memory:900000", "memory", Level::Warning),
            ("aof_enabled:1", "aof_enabled:0", "persistence", Level::Warning),
            ("aof_last_write_status:ok", "aof_last_write_status:err", "persistence", Level::Bad),
            ("connected_slaves:0", "connected_slaves:2", "replication", Level::Warning),
        ] {
            assert_eq!(level(&with(line, instead), check), expected, "{instead}");
        }
        assert_eq!(level(&Facts { clock_ahead: Some(-3_600_000), ..safe() }, "clock"), Level::Warning);
        assert_eq!(level(&Facts { append_sync: Some("no".into()), ..safe() }, "persistence"), Level::Warning);
        let small = Facts { pubsub_limit: Some("pubsub 1000 0 0".into()), ..safe() };
        assert_eq!(level(&small, "pubsub-buffer"), Level::Warning);
    }
}
