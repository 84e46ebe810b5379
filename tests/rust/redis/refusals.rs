//! A server that is there and takes nothing, or takes and does not answer, while handlers run: whoever publishes is told
//! what went wrong and whether it was stored; outcomes wait and are recorded afterwards; consumers go on by themselves;
//! trouble and its end are told once. Nothing is lost, stored twice, or handled twice.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::Value;
use stargazer_core::{Bus, Consumer, Delivery, ErrorKind, Notice, PublishOptions, Receipt, Result};
use stargazer_tests::{Options, Reply, Server, command};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use super::{context, integer, run};

/// What a publish may be told while the server is like this.
struct Told {
    kinds: &'static [ErrorKind],
    stored: &'static str,
    /// Stands in the error.
    code: &'static str,
    /// The refused publish had been stored all the same.
    passed: bool,
    /// The server is started anew: sessions end, and outcomes that it has not recorded run again, which they say.
    anew: bool,
}

impl Told {
    const fn refused(code: &'static str) -> Self {
        Self { kinds: &[ErrorKind::Unavailable], stored: "no", code, passed: false, anew: false }
    }
}

/// A publisher, and a consumer whose handlers stand at a gate.
struct Work {
    bus: Bus,
    consumer: Arc<Consumer<Value>>,
    gate: watch::Sender<bool>,
    /// Which message, and whether it says that it came before.
    started: Arc<Mutex<Vec<(u32, bool)>>>,
    notices: broadcast::Receiver<Notice>,
    told: Vec<Notice>,
    running: JoinHandle<Result<()>>,
}

impl Work {
    async fn start(port: u16) -> Self {
        let mut config = BusConfig::default();
        config.publish_timeout = Duration::from_millis(300);
        config.response_timeout = Duration::from_millis(500);
        let bus = Bus::connect(format!("redis://127.0.0.1:{port}")).config(config).await.unwrap();
        let consumer = Arc::new(bus.consume("work", "g").concurrency(3).open().await.unwrap());
        let started: Arc<Mutex<Vec<(u32, bool)>>> = Arc::default();
        let gate = watch::Sender::new(false);
        let (worker, starts, opened) = (consumer.clone(), started.clone(), gate.subscribe());
        let running = tokio::spawn(async move {
            worker
                .run(move |d: Delivery<Value>| {
                    let n = d.data().unwrap().as_u64().unwrap();
                    starts.lock().unwrap().push((u32::try_from(n).unwrap(), d.redelivered()));
                    let mut opened = opened.clone();
                    async move {
                        opened.wait_for(|open| *open).await?;
                        Ok(())
                    }
                })
                .await
        });
        let notices = consumer.notices();
        Self { bus, consumer, gate, started, notices, told: Vec::new(), running }
    }

    async fn say(&self, n: u32) -> Result<Receipt> {
        let options = PublishOptions { message_id: Some(format!("m{n}")), ..PublishOptions::default() };
        self.bus.publish("work", &Value::from(n), options).await
    }

    /// Waits until handlers of so many messages have started.
    async fn starts(&self, count: usize) {
        let messages = || self.started.lock().unwrap().iter().map(|(n, _)| *n).collect::<BTreeSet<_>>();
        eventually(|| messages().len() >= count).await;
    }

    /// Waits until a notice of this kind comes.
    async fn hears(&mut self, kind: &str) {
        loop {
            let notice = self.notices.recv().await.unwrap();
            let found = notice.kind() == kind;
            self.told.push(notice);
            if found {
                return;
            }
        }
    }

    /// Ten messages, three of them with handlers, and one that is published when the server refuses.
    async fn endure(
        mut self,
        server: &RefCell<Option<Server>>,
        fault: impl AsyncFnOnce(),
        heal: impl AsyncFnOnce(),
        wanted: Told,
    ) {
        for n in 0..10 {
            self.say(n).await.unwrap();
        }
        self.starts(3).await;
        fault().await;
        let error = self.say(10).await.unwrap_err();
        assert!(wanted.kinds.contains(&error.kind()), "{error}");
        assert_eq!(context(&error, "stored"), Some(wanted.stored), "{error}");
        assert!(format!("{error:?}").contains(wanted.code), "{error:?}");
        // The outcomes of those that ran meet the fault.
        self.gate.send_replace(true);
        self.hears("trouble").await;
        assert!(self.say(10).await.is_err());
        heal().await;
        let receipt = loop {
            if let Ok(receipt) = self.say(10).await {
                break receipt;
            }
        };
        assert_eq!(receipt.duplicate, wanted.passed);
        self.starts(11).await;
        self.hears("recovered").await;
        self.say(11).await.unwrap();
        self.starts(12).await;
        self.consumer.idle().await.unwrap();
        while let Ok(notice) = self.notices.try_recv() {
            self.told.push(notice);
        }
        let times = |kind| self.told.iter().filter(|notice| notice.kind() == kind).count();
        assert_eq!(times("trouble"), times("recovered"), "{:?}", self.told);
        let started = self.started.lock().unwrap().clone();
        for n in 0..12 {
            let of: Vec<bool> = started.iter().filter(|(m, _)| *m == n).map(|(_, again)| *again).collect();
            assert!(of[1..].iter().all(|again| *again), "an entry that runs again says so: {started:?}");
            assert!(wanted.anew || of == [false], "each once: {started:?}");
        }
        assert!(wanted.anew || times("trouble") == 1, "{:?}", self.told);
        let length = ["XLEN", &self.bus.topology().named_stream("work")];
        assert_eq!(integer(server.borrow().as_ref().unwrap(), &length), 0, "everything is finished");
        self.consumer.close().await.unwrap();
        self.running.await.unwrap().unwrap();
    }
}

async fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < deadline, "never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the server answers with this error.
async fn answers(port: u16, code: &str) {
    let is_code = || matches!(command(port, None, &["PING"]), Ok(Reply::Error(text)) if text.starts_with(code));
    eventually(is_code).await;
}

fn set(server: &RefCell<Option<Server>>, name: &str, value: &str) {
    let answer = server.borrow().as_ref().unwrap().command(&["CONFIG", "SET", name, value]).unwrap();
    assert_eq!(answer.text(), "OK");
}

fn a_server(arguments: &[&str]) -> (RefCell<Option<Server>>, u16) {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    let server = Server::start_with(Options { arguments, ..Options::default() }).unwrap();
    let port = server.port();
    (RefCell::new(Some(server)), port)
}

#[test]
fn a_server_without_replicas_is_waited_for() {
    run(async {
        let (server, port) = a_server(&[]);
        let fault = async || set(&server, "min-replicas-to-write", "1");
        let heal = async || set(&server, "min-replicas-to-write", "0");
        Work::start(port).await.endure(&server, fault, heal, Told::refused("NOREPLICAS")).await;
    });
}

#[test]
fn a_server_that_cannot_save_is_waited_for() {
    run(async {
        let (server, port) = a_server(&[]);
        let fault = async || {
            set(&server, "save", "3600 1");
            let folder = server.borrow().as_ref().unwrap().log();
            std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
            command(port, None, &["BGSAVE"]).unwrap();
            let failed =
                || command(port, None, &["INFO", "persistence"]).unwrap().text().contains("last_bgsave_status:err");
            eventually(failed).await;
        };
        let heal = async || set(&server, "save", "");
        Work::start(port).await.endure(&server, fault, heal, Told::refused("MISCONF")).await;
    });
}

#[test]
fn a_server_that_runs_a_long_script_is_waited_for() {
    run(async {
        let (server, port) = a_server(&["--lua-time-limit", "20"]);
        let fault = async || {
            // Who asked is not answered before the script is killed, or not at all.
            std::thread::spawn(move || drop(command(port, None, &["EVAL", "while true do end", "0"])));
            answers(port, "BUSY").await;
        };
        let heal = async || {
            let killed = command(port, None, &["SCRIPT", "KILL"]).unwrap();
            assert_eq!(killed.text(), "OK");
        };
        Work::start(port).await.endure(&server, fault, heal, Told::refused("BUSY")).await;
    });
}

#[test]
fn a_server_that_loads_its_data_is_waited_for() {
    run(async {
        // Slow on purpose: it answers between two keys of its file.
        let slow = ["--rdbcompression", "no", "--loading-process-events-interval-bytes", "1024"];
        let (server, port) = a_server(&[&slow[..], &["--key-load-delay", "10000"]].concat());
        let loading = RefCell::new(None);
        let fault = async || {
            let mut held = server.take().unwrap();
            let filler = "x".repeat(4096);
            for n in 0..300 {
                held.command(&["SET", &format!("filler:{n}"), &filler]).unwrap();
            }
            held.command(&["SAVE"]).unwrap();
            loading.replace(Some(std::thread::spawn(move || {
                held.restart().unwrap();
                held
            })));
            answers(port, "LOADING").await;
        };
        let heal = async || {
            let loading = loading.take().unwrap();
            let loaded = tokio::task::spawn_blocking(move || loading.join().unwrap()).await.unwrap();
            server.replace(Some(loaded));
        };
        let wanted = Told { anew: true, ..Told::refused("") };
        Work::start(port).await.endure(&server, fault, heal, wanted).await;
    });
}

/// A line to a server that can go dead without a word: what is connected hears nothing any more, and whoever connects
/// is accepted and never answered.
struct Line {
    port: u16,
    dead: watch::Sender<bool>,
}

impl Line {
    /// `passes`: what is sent over a dead line arrives; only the answers do not.
    async fn to(port: u16, passes: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let line = Self { port: listener.local_addr().unwrap().port(), dead: watch::Sender::new(false) };
        let dead = line.dead.subscribe();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, port, passes, dead.clone()));
            }
        });
        line
    }
}

/// Waits until the line is dead, or is not.
async fn becomes(line: &watch::Receiver<bool>, dead: bool) {
    // Without an owner the line ends anyway.
    drop(line.clone().wait_for(|is| *is == dead).await);
}

async fn carry(near: TcpStream, port: u16, passes: bool, dead: watch::Receiver<bool>) {
    if *dead.borrow() {
        // Accepted; nothing follows.
        return becomes(&dead, false).await;
    }
    let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let ((mut asks, mut told), (mut replies, mut hears)) = (near.into_split(), far.into_split());
    let there = async {
        tokio::select! {
            _ = tokio::io::copy(&mut asks, &mut hears) => return,
            () = becomes(&dead, true), if !passes => {}
        }
        becomes(&dead, false).await;
    };
    let back = async {
        tokio::select! {
            _ = tokio::io::copy(&mut replies, &mut told) => return,
            () = becomes(&dead, true) => {}
        }
        // A line that was dead is cut when it is mended.
        becomes(&dead, false).await;
    };
    // Whichever side ends first ends the other.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

#[test]
fn a_line_that_goes_dead_is_noticed_and_left() {
    for passes in [false, true] {
        run(async {
            let (server, port) = a_server(&[]);
            let line = Line::to(port, passes).await;
            let fault = async || assert!(!line.dead.send_replace(true));
            let heal = async || assert!(line.dead.send_replace(false));
            let kinds = &[ErrorKind::Timeout, ErrorKind::Unavailable];
            let wanted = Told { kinds, stored: "unknown", code: "", passed: passes, anew: false };
            Work::start(line.port).await.endure(&server, fault, heal, wanted).await;
        });
    }
}
