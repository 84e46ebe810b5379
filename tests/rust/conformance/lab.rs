//! Where a case runs: a transport, the accidents that may befall its server, and time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stargazer_core::clock::{ManualClock, SystemClock};
use stargazer_core::engine::{Engine, PendingEntry};
use stargazer_core::redis::{ConnectOptions, RedisTransport};
use stargazer_core::topology::Name;
use stargazer_core::transport::{Append, EntryId, Fields, Group, Ordering, Retention, Transport};
use stargazer_tests::{Reply, Server};

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Retention of most cases.
pub(super) const ACKED: Retention = Retention::Acked { cap: 1_000_000 };

/// A transport and what can be done to its server.
pub(super) struct Lab {
    /// The transport under test.
    pub(super) transport: Arc<dyn Transport>,
    /// What its players fetch need not be weighed: a server may hand it out around its script.
    pub(super) unweighed: bool,
    world: World,
}

enum World {
    Engine { engine: Arc<Engine>, clock: Option<Arc<ManualClock>> },
    Server(Server),
}

/// Runs a case on the engine.
pub(super) fn on_engine<F: Future<Output = ()>>(case: impl FnOnce(Lab) -> F) {
    run(async {
        let clock = ManualClock::new();
        let engine = Engine::new(clock.clone());
        let world = World::Engine { engine: engine.clone(), clock: Some(clock) };
        case(Lab { transport: engine, unweighed: false, world }).await;
    });
}

/// Runs a case on a server of its own.
pub(super) fn on_server<F: Future<Output = ()>>(case: impl FnOnce(Lab) -> F) {
    run(async { case(start().await).await });
}

/// The same, with fetches that need not be weighed.
pub(super) fn on_server_unweighed<F: Future<Output = ()>>(case: impl FnOnce(Lab) -> F) {
    run(async { case(Lab { unweighed: true, ..start().await }).await });
}

/// Runs a case on an engine with a clock that moves, and on a server, for as long as it takes.
pub(super) fn on_both(case: impl AsyncFnOnce(Lab, Lab)) {
    runtime().block_on(async {
        let engine = Engine::new(SystemClock::shared());
        let lab = Lab { transport: engine.clone(), unweighed: false, world: World::Engine { engine, clock: None } };
        case(lab, start().await).await;
    });
}

async fn start() -> Lab {
    let server = Server::start().unwrap();
    Lab { transport: connect(&server).await, unweighed: false, world: World::Server(server) }
}

async fn connect(server: &Server) -> Arc<dyn Transport> {
    let options = ConnectOptions::default();
    Arc::new(RedisTransport::connect(&server.url(), options, SystemClock::shared()).await.unwrap())
}

fn run(case: impl Future<Output = ()>) {
    runtime().block_on(async { tokio::time::timeout(LIMIT, case).await.expect("the case hangs") });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Lab {
    /// A group with lanes on a stream that holds nothing yet.
    pub(super) async fn group(&self) -> Group {
        self.group_with("g", Ordering::Lanes, ACKED).await
    }

    /// A group of this name, made if needed, on the stream of all cases.
    pub(super) async fn group_with(&self, name: &str, ordering: Ordering, retention: Retention) -> Group {
        let group = Group::new("s".into(), name.into(), ordering, retention);
        self.transport.recreate(&group).await.unwrap();
        group
    }

    /// Appends an entry of a lane, the text as its data.
    pub(super) async fn publish(&self, lane: &str, text: &str) -> EntryId {
        self.append(Append::new("s".into(), fields(&[("data", text), ("key", lane)]))).await
    }

    /// Appends an entry that must be stored.
    pub(super) async fn append(&self, entry: Append) -> EntryId {
        self.transport.append(vec![entry]).await.remove(0).unwrap().id
    }

    /// Another connection to the same server.
    pub(super) async fn reconnect(&self) -> Arc<dyn Transport> {
        match &self.world {
            World::Engine { engine, .. } => engine.reconnect(),
            World::Server(server) => connect(server).await,
        }
    }

    /// Deletes an entry behind everybody's back; whether it was there.
    pub(super) fn delete(&self, stream: &Name, id: EntryId) -> bool {
        match &self.world {
            World::Engine { engine, .. } => engine.delete_entries(stream, &[id]).unwrap() == 1,
            World::Server(server) => did(server, &["XDEL", stream, &id.to_string()]),
        }
    }

    /// Destroys a group, leaving what routing knows; whether it was there.
    pub(super) fn destroy(&self, group: &Group) -> bool {
        match &self.world {
            World::Engine { engine, .. } => engine.destroy_group(group).unwrap(),
            World::Server(server) => did(server, &["XGROUP", "DESTROY", &group.stream, &group.name]),
        }
    }

    /// Lets the server's memory be full, or no longer.
    pub(super) fn fill_memory(&self, full: bool) {
        match &self.world {
            World::Engine { engine, .. } => engine.fill_memory(full).unwrap(),
            World::Server(server) => {
                let most = if full { "1" } else { "0" };
                assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", most]).unwrap().text(), "OK");
            }
        }
    }

    /// Reads new entries as a consumer that knows nothing of registrations does.
    pub(super) fn read_as(&self, group: &Group, consumer: &str, count: usize) -> Vec<EntryId> {
        match &self.world {
            World::Engine { engine, .. } => engine.read_as(group, &consumer.into(), count).unwrap(),
            World::Server(server) => {
                let (stream, name, count) = (&*group.stream, &*group.name, &*count.to_string());
                let words = ["XREADGROUP", "GROUP", name, consumer, "COUNT", count, "STREAMS", stream, ">"];
                let Reply::List(streams) = server.command(&words).unwrap() else { return Vec::new() };
                let Some(Reply::List(pair)) = streams.first() else { return Vec::new() };
                let Reply::List(rows) = &pair[1] else { return Vec::new() };
                let id = |row: &Reply| match row {
                    Reply::List(row) => row[0].text().parse().unwrap(),
                    other => panic!("not an entry: {other:?}"),
                };
                rows.iter().map(id).collect()
            }
        }
    }

    /// Acknowledges entries as somebody does who knows nothing of registrations.
    pub(super) fn ack_as(&self, group: &Group, ids: &[EntryId]) {
        match &self.world {
            World::Engine { engine, .. } => assert_eq!(engine.ack_as(group, ids).unwrap(), ids.len()),
            World::Server(server) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                let mut words = vec!["XACK", &group.stream, &group.name];
                words.extend(ids.iter().map(String::as_str));
                match server.command(&words).unwrap() {
                    Reply::Int(n) => assert_eq!(usize::try_from(n).unwrap(), ids.len()),
                    other => panic!("not a number: {other:?}"),
                }
            }
        }
    }

    /// Deletes a consumer with what it holds.
    pub(super) fn delete_consumer(&self, group: &Group, consumer: &str) {
        match &self.world {
            World::Engine { engine, .. } => engine.delete_consumer(group, consumer).unwrap(),
            World::Server(server) => {
                server.command(&["XGROUP", "DELCONSUMER", &group.stream, &group.name, consumer]).unwrap();
            }
        }
    }

    /// The server forgets who is registered in a group.
    pub(super) fn forget_registrations(&self, group: &Group) {
        match &self.world {
            World::Engine { engine, .. } => engine.forget_registrations(group).unwrap(),
            World::Server(server) => {
                did(server, &["DEL", &group.keys.consumers]);
            }
        }
    }

    /// Somebody puts a text where a key of ours stands.
    pub(super) fn usurp(&self, key: &Name) {
        match &self.world {
            World::Engine { engine, .. } => engine.usurp(key).unwrap(),
            World::Server(server) => assert_eq!(server.command(&["SET", key, "a text"]).unwrap().text(), "OK"),
        }
    }

    /// It is removed; whether it was there.
    pub(super) fn give_back(&self, key: &Name) -> bool {
        match &self.world {
            World::Engine { engine, .. } => engine.give_back(key).unwrap(),
            World::Server(server) => did(server, &["DEL", key]),
        }
    }

    /// Deletes only the key of a stream; whether it was there.
    pub(super) fn drop_stream(&self, stream: &Name) -> bool {
        match &self.world {
            World::Engine { engine, .. } => engine.drop_stream(stream).unwrap(),
            World::Server(server) => did(server, &["DEL", stream]),
        }
    }

    /// The server forgets everything.
    pub(super) fn flush(&self) {
        match &self.world {
            World::Engine { engine, .. } => engine.flush().unwrap(),
            World::Server(server) => assert_eq!(server.command(&["FLUSHALL"]).unwrap().text(), "OK"),
        }
    }

    /// The pending list as the server sees it; nothing when there is no such group.
    pub(super) fn pending(&self, group: &Group) -> Vec<PendingEntry> {
        match &self.world {
            World::Engine { engine, .. } => engine.pending_entries(group).unwrap(),
            World::Server(server) => {
                let command = ["XPENDING", &group.stream, &group.name, "-", "+", "100000"];
                match server.command(&command).unwrap() {
                    Reply::List(rows) => rows.iter().map(pending_entry).collect(),
                    _ => Vec::new(),
                }
            }
        }
    }

    /// Lets a group's last sign of life, of its own and of its consumers, lie two days back.
    pub(super) fn age(&self, group: &Group) {
        const TWO_DAYS: Duration = Duration::from_secs(2 * 24 * 3600);
        match &self.world {
            World::Engine { engine, .. } => engine.age_group(group, TWO_DAYS).unwrap(),
            World::Server(server) => {
                let key = format!("{}:groups", group.stream);
                let seen: u128 = server.command(&["HGET", &key, &group.name]).unwrap().text().parse().unwrap();
                let seen = (seen - TWO_DAYS.as_millis()).to_string();
                assert_eq!(server.command(&["HSET", &key, &group.name, &seen]).unwrap(), Reply::Int(0));
            }
        }
    }

    /// How many lanes and records of starts the server keeps for a group.
    pub(super) fn kept(&self, group: &Group) -> (usize, usize) {
        match &self.world {
            World::Engine { engine, .. } => engine.kept(group).unwrap(),
            World::Server(server) => {
                let count = |key: &Name| match server.command(&["HLEN", key]).unwrap() {
                    Reply::Int(n) => usize::try_from(n).unwrap(),
                    other => panic!("not a length: {other:?}"),
                };
                (count(&group.keys.lanes), count(&group.keys.tries))
            }
        }
    }

    /// Lets a moment of the server's time pass.
    pub(super) async fn pass(&self, time: Duration) {
        match &self.world {
            World::Engine { clock: Some(clock), .. } => {
                clock.advance(time);
                tokio::task::yield_now().await;
            }
            World::Engine { clock: None, .. } | World::Server(_) => tokio::time::sleep(time).await,
        }
    }

    /// Lets time pass until the condition holds.
    pub(super) async fn until(&self, mut condition: impl AsyncFnMut() -> bool) {
        while !condition().await {
            self.pass(Duration::from_millis(5)).await;
        }
    }
}

/// Whether a command found something to do. A group or stream that is missing is nothing to do.
fn did(server: &Server, words: &[&str]) -> bool {
    server.command(words).unwrap() == Reply::Int(1)
}

/// A row of `XPENDING`.
fn pending_entry(row: &Reply) -> PendingEntry {
    match row {
        Reply::List(row) => match row.as_slice() {
            [id, consumer, Reply::Int(idle), Reply::Int(deliveries)] => PendingEntry {
                id: id.text().parse().unwrap(),
                consumer: consumer.text(),
                idle: Duration::from_millis(u64::try_from(*idle).unwrap()),
                deliveries: u64::try_from(*deliveries).unwrap(),
            },
            other => panic!("not a row of XPENDING: {other:?}"),
        },
        other => panic!("not a row of XPENDING: {other:?}"),
    }
}

/// Fields from text.
pub(super) fn fields(pairs: &[(&'static str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().to_vec().into())).collect()
}

/// Random numbers that a seed repeats.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
}
