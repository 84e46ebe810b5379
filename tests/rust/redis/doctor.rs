//! The examination of a server: dangers are found, what cannot be seen is never called good, and looking changes nothing.

use stargazer_core::config::BusConfig;
use stargazer_core::transport::{Finding, Level, Transport};
use stargazer_core::{Bus, ErrorKind};
use stargazer_tests::{Options, Server};

use super::{ConnectOptions, connect, context, integer, run};

fn level(findings: &[Finding], check: &str) -> Level {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("{check} in {findings:?}")).level
}

fn settings(strict: bool) -> BusConfig {
    let mut config = BusConfig::default();
    config.strict_server = strict;
    config
}

#[test]
fn a_server_is_examined_and_nothing_is_changed() {
    run(async {
        let arguments = ["--maxmemory", "100mb", "--maxmemory-policy", "noeviction", "--appendonly", "yes"];
        let server =
            Server::start_with(Options { arguments: arguments.map(String::from).into(), ..Options::default() })
                .unwrap();
        let bus = Bus::connect(server.url()).config(settings(true)).await.unwrap();
        let findings = bus.doctor().await.unwrap();
        for finding in &findings {
            assert_eq!(finding.level, Level::Ok, "{finding}");
        }
        assert_eq!(integer(&server, &["DBSIZE"]), 0);
        for (fault, check, expected) in [
            (&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"][..], "eviction", Level::Bad),
            (&["CONFIG", "SET", "appendonly", "no"], "persistence", Level::Warning),
            (&["CONFIG", "SET", "maxmemory", "0"], "memory", Level::Warning),
            (&["REPLICAOF", "127.0.0.1", "1"], "role", Level::Bad),
        ] {
            server.command(fault).unwrap();
            assert_eq!(level(&bus.doctor().await.unwrap(), check), expected, "{check}");
        }
        let error = Bus::connect(server.url()).config(settings(true)).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "setting")), (ErrorKind::Invalid, Some("strict_server")));
        assert!(error.message().contains("allkeys-lru"), "{error}");
        Bus::connect(server.url()).config(settings(false)).await.unwrap();
    });
}

#[test]
fn what_a_user_may_not_see_is_unknown_and_what_it_may_not_do_is_named() {
    run(async {
        let server = Server::start().unwrap();
        let rule = ["ACL", "SETUSER", "app", "on", ">pw", "~sg:*", "&sg:*", "+@all", "-@dangerous", "-zadd", "-hset"];
        server.command(&rule).unwrap();
        let url = format!("redis://app:pw@127.0.0.1:{}", server.port());
        let bus = Bus::connect(&url).await.unwrap();
        let findings = bus.doctor().await.unwrap();
        for check in ["version", "role", "cluster", "eviction", "memory", "persistence", "replication", "pubsub-buffer"]
        {
            assert_eq!(level(&findings, check), Level::Unknown, "{check}");
        }
        assert_eq!(level(&findings, "clock"), Level::Ok);
        let rights = findings.iter().find(|finding| finding.check == "rights").unwrap();
        assert_eq!((rights.level, rights.found.as_str()), (Level::Bad, "not allowed: HSET, ZADD"));
        assert_eq!(bus.ping().await.unwrap().primary, None);
        let error = Bus::connect(&url).config(settings(true)).await.unwrap_err();
        assert_eq!(context(&error, "setting"), Some("strict_server"));
        // The rule of the docs.
        server.command(&["ACL", "SETUSER", "app", "+hset", "+zadd", "+info", "+config|get", "+role"]).unwrap();
        for finding in bus.doctor().await.unwrap() {
            assert!(matches!(finding.level, Level::Ok | Level::Warning), "{finding}");
        }
        bus.ensure_streams(stargazer_core::Role::Standalone, &["web".to_owned()]).await.unwrap();
        let inbox = bus.consume_inbound().open().await.unwrap();
        bus.publish_inbound(&stargazer_core::envelope::Inbound::new("web", "c", "u", "hi")).await.unwrap();
        inbox.next().await.unwrap().unwrap().ack().await.unwrap();
        inbox.close().await.unwrap();
    });
}

#[test]
fn a_server_that_is_down_has_no_findings() {
    run(async {
        let mut server = Server::start().unwrap();
        let transport = connect(&server.url(), ConnectOptions::default()).await.unwrap();
        server.kill().unwrap();
        assert_eq!(transport.examine(None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    });
}
