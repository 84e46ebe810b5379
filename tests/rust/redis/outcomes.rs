//! Stored, not stored, unknown: what is told of each way a publish can fail, and that publishing again under the same
//! message id stores nothing twice.

use std::net::TcpListener as Port;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::{Bus, Error, ErrorKind, PublishOptions, Receipt, Result};
use stargazer_tests::{Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{context, integer, run};

/// A line to the server that can be cut after requests have passed and before their replies have.
struct Line {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Line {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port());
        let cut = Arc::new(AtomicBool::new(false));
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::spawn(carry(near, far, cuts.clone()));
            }
        });
        Self { port, cut }
    }
}

async fn carry(near: TcpStream, far: TcpStream, cut: Arc<AtomicBool>) {
    let ((mut asks, mut told), (mut replies, mut hears)) = (near.into_split(), far.into_split());
    let there = async {
        // Whichever side ends first ends the other.
        let _ = tokio::io::copy(&mut asks, &mut hears).await;
    };
    let back = async {
        let mut reply = vec![0; 1 << 16];
        while let Ok(length @ 1..) = replies.read(&mut reply).await {
            // What is cut is the connection, once.
            if cut.swap(false, Ordering::AcqRel) || told.write_all(&reply[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

async fn bus(port: u16) -> Bus {
    let mut config = BusConfig::default();
    config.publish_timeout = Duration::from_millis(300);
    config.response_timeout = Duration::from_millis(500);
    Bus::connect(format!("redis://127.0.0.1:{port}")).config(config).await.unwrap()
}

async fn say(bus: &Bus, id: Option<&str>) -> Result<Receipt> {
    let options = PublishOptions { message_id: id.map(str::to_owned), ..PublishOptions::default() };
    bus.publish("work", &Value::Map(Map::new()), options).await
}

fn length(server: &Server, bus: &Bus) -> i64 {
    integer(server, &["XLEN", &bus.topology().named_stream("work")])
}

fn told(error: &Error) -> (ErrorKind, Option<&str>) {
    (error.kind(), context(error, "stored"))
}

#[test]
fn a_lost_reply_is_unknown_and_the_same_message_id_stores_nothing_twice() {
    run(async {
        let server = Server::start().unwrap();
        let line = Line::to(&server).await;
        let bus = bus(line.port).await;
        line.cut.store(true, Ordering::Release);
        let error = say(&bus, None).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Unavailable, Some("unknown")), "{error}");
        assert_eq!(length(&server, &bus), 1, "the request had passed");
        // Under a message id the publish itself asks again.
        bus.ping().await.unwrap();
        line.cut.store(true, Ordering::Release);
        let receipt = say(&bus, Some("m")).await.unwrap();
        assert!(receipt.duplicate, "the first request had passed");
        assert!(!line.cut.load(Ordering::Acquire));
        assert_eq!(length(&server, &bus), 2);
        assert_eq!(say(&bus, Some("m")).await.unwrap().id, receipt.id);
        assert_eq!(length(&server, &bus), 2);
    });
}

#[test]
fn what_may_have_passed_once_stays_unknown_when_the_server_then_refuses() {
    run(async {
        let mut server = Server::start().unwrap();
        let line = Line::to(&server).await;
        let bus = bus(line.port).await;
        line.cut.store(true, Ordering::Release);
        // The reply is lost, and from then on every write is refused.
        let refuse = async {
            while line.cut.load(Ordering::Acquire) {
                tokio::task::yield_now().await;
            }
            server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).unwrap();
        };
        let (said, ()) = tokio::join!(say(&bus, Some("m")), refuse);
        if let Err(error) = said {
            assert_eq!(told(&error), (ErrorKind::Unavailable, Some("unknown")), "{error}");
        }
        assert_eq!(length(&server, &bus), 1);
        server.kill().unwrap();
    });
}

#[test]
fn a_server_that_is_gone_before_we_send_has_stored_nothing() {
    run(async {
        let mut server = Server::start().unwrap();
        let bus = bus(server.port()).await;
        say(&bus, None).await.unwrap();
        server.kill().unwrap();
        // The connection's end is seen before the next request, or costs that one its answer.
        let first = say(&bus, None).await.unwrap_err();
        assert!(matches!(context(&first, "stored"), Some("no" | "unknown")), "{first}");
        for id in [None, Some("m")] {
            let error = say(&bus, id).await.unwrap_err();
            assert_eq!(told(&error), (ErrorKind::Unavailable, Some("no")), "{error}");
        }
    });
}

#[test]
fn every_refusal_of_the_server_says_that_nothing_was_stored() {
    run(async {
        let server = Server::start().unwrap();
        let bus = bus(server.port()).await;
        say(&bus, None).await.unwrap();
        let nobody = Port::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
        let table: [(&str, &[&str], &[&str], ErrorKind); 3] = [
            ("OOM", &["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"], ErrorKind::Full),
            (
                "NOREPLICAS",
                &["CONFIG", "SET", "min-replicas-to-write", "1"],
                &["CONFIG", "SET", "min-replicas-to-write", "0"],
                ErrorKind::Unavailable,
            ),
            ("READONLY", &["REPLICAOF", "127.0.0.1", &nobody], &["REPLICAOF", "NO", "ONE"], ErrorKind::Unavailable),
        ];
        for (code, fault, heal, kind) in table {
            server.command(fault).unwrap();
            let before = length(&server, &bus);
            for id in [None, Some(code)] {
                let error = say(&bus, id).await.unwrap_err();
                assert_eq!(told(&error), (kind, Some("no")), "{code}: {error}");
                assert!(format!("{error:?}").contains(code), "{error:?}");
            }
            assert_eq!(length(&server, &bus), before, "{code}");
            server.command(heal).unwrap();
            // A connection that was given up comes back after a pause, which may be longer than a publish has.
            let deadline = Instant::now() + Duration::from_secs(10);
            while let Err(error) = say(&bus, Some(code)).await {
                assert_eq!(told(&error), (ErrorKind::Unavailable, Some("no")), "{code}: {error}");
                assert!(Instant::now() < deadline, "{error}");
            }
            assert_eq!(length(&server, &bus), before + 1, "{code}");
        }
    });
}

#[test]
fn a_server_that_cannot_save_takes_nothing() {
    run(async {
        let server = Server::start().unwrap();
        let bus = bus(server.port()).await;
        say(&bus, None).await.unwrap();
        server.command(&["CONFIG", "SET", "save", "3600 1"]).unwrap();
        std::fs::remove_dir_all(server.log().parent().unwrap()).unwrap();
        server.command(&["BGSAVE"]).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !server.command(&["INFO", "persistence"]).unwrap().text().contains("rdb_last_bgsave_status:err") {
            assert!(Instant::now() < deadline, "the server could save");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let error = say(&bus, Some("m")).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Unavailable, Some("no")), "{error}");
        assert!(format!("{error:?}").contains("MISCONF"), "{error:?}");
        assert_eq!(length(&server, &bus), 1);
    });
}

#[test]
fn rights_that_are_taken_away_are_told_and_work_goes_on_when_they_are_back() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let user = ["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"];
        server.command(&user).unwrap();
        let mut config = BusConfig::default();
        config.publish_timeout = Duration::from_millis(300);
        let bus = Bus::connect(format!("redis://app:pw@127.0.0.1:{}", server.port())).config(config).await.unwrap();
        say(&bus, None).await.unwrap();
        server.command(&["ACL", "SETUSER", "app", "-xadd"]).unwrap();
        let error = say(&bus, None).await.unwrap_err();
        assert_eq!(told(&error), (ErrorKind::Auth, Some("no")), "{error}");
        server.command(&["ACL", "SETUSER", "app", "+xadd"]).unwrap();
        say(&bus, None).await.unwrap();
        // Without the user the connection is cut, and its password refused from then on.
        server.command(&["ACL", "DELUSER", "app"]).unwrap();
        let before = refused_connections(&server);
        let until = Instant::now() + Duration::from_secs(2);
        let mut last = None;
        while Instant::now() < until {
            last = say(&bus, Some("m")).await.err();
            assert_eq!(bus.ping().await.unwrap_err().kind(), ErrorKind::Auth);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(told(&last.unwrap()), (ErrorKind::Auth, Some("no")));
        assert!(refused_connections(&server) - before <= 2, "the server is asked again and again");
        server.command(&user).unwrap();
        let restored = Instant::now();
        while say(&bus, Some("m")).await.is_err() {
            assert!(restored.elapsed() < Duration::from_secs(20), "never again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(length(&server, &bus), 3);
    });
}

/// Connections so far, but for the one that asks.
fn refused_connections(server: &Server) -> i64 {
    let stats = server.command(&["INFO", "stats"]).unwrap().text();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    line.trim().parse::<i64>().unwrap()
}
