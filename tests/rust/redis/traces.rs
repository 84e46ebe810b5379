//! Traces cost no round trip: steps travel in the write of what leaves anyway, and nobody waits for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Inbound, Map};
use stargazer_core::trace::State;
use stargazer_core::{Bus, Role};
use stargazer_tests::{Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::run;

/// A line to the server that keeps what was written, write by write, and may be slow on the way back.
struct Line {
    port: u16,
    writes: Arc<Mutex<Vec<String>>>,
    slow_ms: Arc<AtomicU64>,
}

impl Line {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port());
        let line = Self { port, writes: Arc::default(), slow_ms: Arc::default() };
        let (writes, slow_ms) = (line.writes.clone(), line.slow_ms.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                tokio::spawn(carry(near, far, writes.clone(), slow_ms.clone()));
            }
        });
        line
    }

    fn writes_with(&self, text: &str) -> Vec<String> {
        self.writes.lock().unwrap().iter().filter(|write| write.contains(text)).cloned().collect()
    }
}

async fn carry(near: TcpStream, far: TcpStream, writes: Arc<Mutex<Vec<String>>>, slow_ms: Arc<AtomicU64>) {
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let ((mut asks, mut told), (mut replies, mut hears)) = (near.into_split(), far.into_split());
    let there = async {
        let mut asked = vec![0; 1 << 20];
        while let Ok(length @ 1..) = asks.read(&mut asked).await {
            writes.lock().unwrap().push(String::from_utf8_lossy(&asked[..length]).into_owned());
            if hears.write_all(&asked[..length]).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut reply = vec![0; 1 << 20];
        while let Ok(length @ 1..) = replies.read(&mut reply).await {
            tokio::time::sleep(Duration::from_millis(slow_ms.load(Ordering::Relaxed))).await;
            if told.write_all(&reply[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

async fn bus(line: &Line) -> Bus {
    let mut config = BusConfig::default();
    config.trace = Some("test".into());
    let url = format!("redis://127.0.0.1:{}", line.port);
    Bus::connect(url).config(config).role(Role::Worker).await.unwrap()
}

#[test]
fn steps_leave_in_the_write_of_a_publish_and_of_a_settle() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let line = Line::to(&server).await;
        let bus = bus(&line).await;
        for n in 0..20 {
            bus.publish_inbound(&Inbound::new("web", "c", "u", format!("message {n}!"))).await.unwrap();
        }
        for n in 0..20 {
            let writes = line.writes_with(&format!("message {n}!"));
            assert_eq!(writes.len(), 1);
            assert!(writes[0].contains("sg:trace:") && writes[0].contains("QUEUED"), "{}", writes[0]);
        }
        let inbox = bus.consume_inbound().concurrency(4).open().await.unwrap();
        inbox.run_until_idle(async |_| Ok(())).await.unwrap();
        inbox.close().await.unwrap();
        let settles = line.writes_with("COMPLETED");
        assert!(!settles.is_empty());
        for write in settles {
            // Behind the steps, in the same write, stands the settle itself.
            let commands = write.matches("EVALSHA").count() - write.matches("sg:trace:").count().min(1);
            assert!(commands >= 1, "{write}");
        }
        bus.close().await.unwrap();
    });
}

#[test]
fn a_publish_waits_for_one_answer_however_many_steps_come() {
    run(async {
        // Long beside whatever a busy machine adds: two of them are told from one all the same.
        const WAY: Duration = Duration::from_secs(2);
        let server = Server::start_with(Options::default()).unwrap();
        let line = Line::to(&server).await;
        let bus = bus(&line).await;
        let publish = async || {
            let begun = Instant::now();
            bus.publish_inbound(&Inbound::new("web", "c", "u", "x")).await.unwrap();
            begun.elapsed()
        };
        publish().await;
        line.slow_ms.store(u64::try_from(WAY.as_millis()).unwrap(), Ordering::Relaxed);
        let steps = async {
            loop {
                bus.transition("t", State::Inferring, Map::new()).unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            took = publish() => assert!(took < WAY * 19 / 10, "{took:?}: it waited for more than one answer"),
            () = steps => unreachable!("it goes on for ever"),
        }
        line.slow_ms.store(0, Ordering::Relaxed);
        bus.close().await.unwrap();
    });
}

#[test]
fn steps_beside_a_publish_that_nobody_waits_for_are_written_and_counted() {
    run(async {
        let server = Server::start_with(Options::default()).unwrap();
        let line = Line::to(&server).await;
        let bus = bus(&line).await;
        // Every answer comes later than the publish is dropped.
        line.slow_ms.store(20, Ordering::Relaxed);
        let message = Inbound::new("web", "c", "u", "x");
        for _ in 0..3 {
            tokio::select! {
                biased;
                stored = bus.publish_inbound(&message) => panic!("{stored:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while bus.trace_figures().written < 6 {
            assert!(Instant::now() < deadline, "{:?}", bus.trace_figures());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((bus.trace_figures().written, bus.trace_figures().dropped), (6, 0), "two steps of each");
        bus.close().await.unwrap();
    });
}
