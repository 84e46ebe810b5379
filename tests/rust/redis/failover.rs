//! Another server behind the address, or the same one with another history: the consumer gives its identities up. What runs
//! is told to end, nothing of it is committed, and it runs again under a new identity, which it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::{Bus, Consumer, Notice, Role};
use stargazer_tests::{Reply, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;

use super::{integer, run};

/// An address behind which another server can take the place of the first.
struct Address {
    port: u16,
    to: Arc<AtomicU16>,
    cut: watch::Sender<()>,
}

impl Address {
    async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Self { port, to: Arc::new(server.port().into()), cut: watch::Sender::new(()) };
        let (to, cut) = (address.to.clone(), address.cut.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (port, mut cut) = (to.load(Ordering::SeqCst), cut.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        address
    }

    fn becomes(&self, server: &Server) {
        self.to.store(server.port(), Ordering::SeqCst);
        self.cut.send_replace(());
    }
}

fn replicate(from: &Server, by: &Server) {
    by.command(&["REPLICAOF", "127.0.0.1", &from.port().to_string()]).unwrap();
    while integer(from, &["WAIT", "1", "100"]) < 1 {}
}

async fn bus(port: u16) -> Bus {
    let mut config = BusConfig::default();
    config.publish_timeout = Duration::from_secs(1);
    let url = format!("redis://127.0.0.1:{port}");
    Bus::connect(url).role(Role::Standalone).platforms(["web"]).config(config).await.unwrap()
}

async fn open(bus: &Bus) -> (Consumer<Inbound>, Receiver<Notice>) {
    let inbox = bus.consume_inbound().lease(Duration::from_secs(2), Duration::from_millis(500)).open().await.unwrap();
    let notices = inbox.notices();
    (inbox, notices)
}

async fn say(bus: &Bus, text: &str) {
    bus.publish_inbound(&Inbound::new("web", "c", "u", text)).await.unwrap();
}

/// The identity that is given up.
async fn given_up(notices: &mut Receiver<Notice>) -> String {
    loop {
        if let Notice::SessionLost { identity, .. } = notices.recv().await.unwrap() {
            return identity.to_string();
        }
    }
}

/// A handler runs while `fault` strikes; `now` is the server that is asked afterwards.
async fn gives_up_through(bus: &Bus, now: &Server, fault: impl FnOnce()) {
    let (inbox, mut notices) = open(bus).await;
    let d = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
    assert_eq!((d.data().unwrap().content.as_str(), d.redelivered()), ("one", false));
    fault();
    let identity = given_up(&mut notices).await;
    assert!(d.is_cancelled());
    let (entry, late) = (d.id(), d.bus());
    d.ack().await.unwrap();
    loop {
        if let Notice::StaleOutcome { id } = notices.recv().await.unwrap() {
            assert_eq!(id, entry);
            break;
        }
    }
    let topology = bus.topology();
    let pending = bus.pending("inbound", &topology.worker_group).await.unwrap();
    assert!(pending.count >= 1, "its outcome is not recorded");
    assert_eq!(inbox.next_timeout(Duration::from_secs(10)).await.unwrap_err().code(), "stale");
    let again = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
    assert_eq!((again.id(), again.redelivered()), (entry, true));
    let error = late.publish_outbound("web", &Outbound::message("c", "late")).await.unwrap_err();
    assert_eq!(error.code(), "stale", "{error}");
    again.bus().publish_outbound("web", &Outbound::message("c", "once")).await.unwrap();
    again.ack().await.unwrap();
    let behind = inbox.next_timeout(Duration::from_secs(10)).await.unwrap().unwrap();
    assert_eq!(behind.data().unwrap().content, "two");
    behind.ack().await.unwrap();
    inbox.idle().await.unwrap();
    assert_eq!(integer(now, &["XLEN", &topology.outbound_stream("web")]), 1);
    // Given up means gone, also from the group.
    let group = ["XINFO", "CONSUMERS", &topology.inbound_stream, &topology.worker_group];
    while format!("{:?}", now.command(&group).unwrap()).contains(&identity) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    inbox.close().await.unwrap();
}

#[test]
fn a_replica_that_takes_over_ends_what_ran_on_its_predecessor() {
    run(async {
        let (primary, replica) = (Server::start().unwrap(), Server::start().unwrap());
        let address = Address::of(&primary).await;
        let bus = bus(address.port).await;
        say(&bus, "one").await;
        say(&bus, "two").await;
        replicate(&primary, &replica);
        let promoted = || {
            while integer(&primary, &["WAIT", "1", "100"]) < 1 {}
            replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
            address.becomes(&replica);
        };
        gives_up_through(&bus, &replica, promoted).await;
        assert_eq!(primary.command(&["XLEN", &bus.topology().inbound_stream]).unwrap(), Reply::Int(2));
    });
}

#[test]
fn another_history_of_the_same_server_is_noticed_although_no_connection_breaks() {
    run(async {
        let server = Server::start().unwrap();
        let bus = bus(server.port()).await;
        say(&bus, "one").await;
        say(&bus, "two").await;
        let demoted = || {
            let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            server.command(&["REPLICAOF", "127.0.0.1", &nobody.to_string()]).unwrap();
            server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
        };
        gives_up_through(&bus, &server, demoted).await;
    });
}
