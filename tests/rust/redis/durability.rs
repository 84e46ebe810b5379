//! What a receipt says of an entry's safety, and what becomes of a publish whose replicas do not confirm.

use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::{Bus, Durability, ErrorKind, PublishOptions, Receipt, Result};
use stargazer_tests::{Options, Server};

use super::{context, integer, run};

fn with(arguments: &[&str]) -> Server {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Server::start_with(Options { arguments, ..Options::default() }).unwrap()
}

fn replica_of(primary: &Server) -> Server {
    with(&["--replicaof", &format!("127.0.0.1 {}", primary.port()), "--repl-diskless-sync-delay", "0"])
}

async fn bus(url: String) -> Bus {
    let mut config = BusConfig::default();
    config.publish_timeout = Duration::from_millis(400);
    config.replica_timeout = Duration::from_millis(200);
    Bus::connect(url).config(config).await.unwrap()
}

async fn say(bus: &Bus, id: Option<&str>, replicas: u32) -> Result<Receipt> {
    let options = PublishOptions {
        message_id: id.map(str::to_owned),
        wait_replicas: Some(replicas),
        ..PublishOptions::default()
    };
    bus.publish("work", &Value::Map(Map::new()), options).await
}

fn length(server: &Server, bus: &Bus) -> i64 {
    integer(server, &["XLEN", &bus.topology().named_stream("work")])
}

async fn until_connected(primary: &Server, replicas: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while primary.command(&["INFO", "replication"]).unwrap().text().matches("state=online").count() < replicas {
        assert!(Instant::now() < deadline, "the replicas do not connect");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_receipt_names_what_the_server_does_with_it() {
    run(async {
        for (arguments, expected) in [
            (&[][..], Durability::Server),
            (&["--appendonly", "yes", "--appendfsync", "everysec"], Durability::AofEverysec),
            (&["--appendonly", "yes", "--appendfsync", "always"], Durability::AofAlways),
            (&["--appendonly", "yes", "--appendfsync", "no"], Durability::Server),
        ] {
            let server = with(arguments);
            let bus = bus(server.url()).await;
            assert_eq!(say(&bus, None, 0).await.unwrap().durability, expected);
            assert_eq!(say(&bus, Some("m"), 0).await.unwrap().durability, expected);
        }
        // Who may not look does not know.
        let server = with(&["--appendonly", "yes", "--appendfsync", "always"]);
        server.command(&["ACL", "SETUSER", "blind", "on", ">pw", "~*", "&*", "+@all", "-config"]).unwrap();
        let bus = bus(format!("redis://blind:pw@127.0.0.1:{}", server.port())).await;
        assert_eq!(say(&bus, None, 0).await.unwrap().durability, Durability::Server);
    });
}

#[test]
fn a_publish_waits_for_its_replicas_and_says_how_many_there_were() {
    run(async {
        let primary = with(&[]);
        let _replica = replica_of(&primary);
        until_connected(&primary, 1).await;
        let bus = bus(primary.url()).await;
        for id in [None, Some("m")] {
            let receipt = say(&bus, id, 1).await.unwrap();
            assert_eq!(receipt.durability, Durability::Replicated(1));
            assert_eq!(receipt.durability.to_string(), "replicated(1)");
        }
        // One too many: it is stored all the same, and nobody can say that it is safe.
        let error = say(&bus, None, 2).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Timeout, Some("unknown")), "{error}");
        assert_eq!((context(&error, "replicas"), context(&error, "wanted")), (Some("1"), Some("2")));
        assert!(context(&error, "id").is_some());
        assert_eq!(length(&primary, &bus), 3);
    });
}

#[test]
fn the_same_message_id_asks_again_and_stores_nothing_twice() {
    run(async {
        let primary = with(&[]);
        let replica = replica_of(&primary);
        until_connected(&primary, 1).await;
        let bus = bus(primary.url()).await;
        let first = say(&bus, Some("m"), 1).await.unwrap();
        replica.pause().unwrap();
        // Not only is the new one not confirmed: asking again for it does not pass for a confirmation either.
        for _ in 0..2 {
            let error = say(&bus, Some("n"), 1).await.unwrap_err();
            assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Timeout, Some("unknown")), "{error}");
        }
        // Others do not wait behind it.
        let (held, free) = tokio::join!(say(&bus, Some("o"), 1), async {
            let started = Instant::now();
            say(&bus, None, 0).await.unwrap();
            started.elapsed()
        });
        assert!(held.is_err() && free < Duration::from_millis(150), "{free:?}");
        replica.resume().unwrap();
        for id in ["n", "o"] {
            let again = say(&bus, Some(id), 1).await.unwrap();
            assert!(again.duplicate);
            assert_eq!(again.durability, Durability::Replicated(1));
        }
        assert_eq!(say(&bus, Some("m"), 1).await.unwrap().id, first.id);
        assert_eq!(length(&primary, &bus), 4);
    });
}

#[test]
fn memory_has_no_replicas() {
    run(async {
        let mut config = BusConfig::default();
        config.wait_replicas = 1;
        let error = Bus::connect("memory://").config(config.clone()).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "setting")), (ErrorKind::Invalid, Some("wait_replicas")));
        let bus = Bus::connect("memory://").await.unwrap();
        let error = say(&bus, None, 1).await.unwrap_err();
        assert_eq!((error.kind(), context(&error, "stored")), (ErrorKind::Invalid, Some("no")));
        config.replica_timeout = config.response_timeout;
        let error = config.validate().unwrap_err();
        assert_eq!(context(&error, "setting"), Some("replica_timeout"));
    });
}
