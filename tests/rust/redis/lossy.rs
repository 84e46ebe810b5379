//! Requests given up and connections cut, with several consumers at once: nothing is lost, doubled or overtaken, and
//! nothing stays behind on the server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use stargazer_core::transport::{Fetch, Group, Session, Settle, SettleResult, Transport};
use stargazer_core::{ErrorKind, Result};
use stargazer_tests::{Options, Reply, Server};

use super::{ACKED, EntryId, RedisTransport, ack, connect, entry, group, integer, join, run, start};

const ENTRIES: usize = 2000;
const LANES: u64 = 20;
const CONSUMERS: u64 = 3;

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// What ran, in the order it ran: the last id of each lane, and how many in all.
#[derive(Default)]
struct Log {
    last: HashMap<Bytes, EntryId>,
    count: usize,
}

/// Sends a request until it is answered; every fourth is given up at once, to be carried out or not.
async fn stubborn<T, F: Future<Output = Result<T>>>(dice: &RefCell<Dice>, request: impl Fn() -> F) -> T {
    loop {
        let patience = match dice.borrow_mut().below(4) {
            0 => Duration::ZERO,
            _ => Duration::from_secs(5),
        };
        match tokio::time::timeout(patience, request()).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn consume(
    transport: &RedisTransport,
    group: &Group,
    session: &Session,
    dice: &RefCell<Dice>,
    log: &RefCell<Log>,
) {
    let mut cursor = EntryId::ZERO;
    let mut outcomes: Vec<Settle> = Vec::new();
    while log.borrow().count < ENTRIES {
        let count = usize::try_from(1 + dice.borrow_mut().below(30)).unwrap();
        let request = Fetch { cursor, count, max_bytes: 1 << 20, unweighed: count % 2 == 0, new: true, wary: true };
        let fetched = stubborn(dice, || transport.fetch(group, session, &request)).await.unwrap();
        for handed in fetched.entries {
            assert!(handed.id > cursor, "handed out twice: {:?}", handed.id);
            cursor = handed.id;
            let mut log = log.borrow_mut();
            let before = log.last.insert(handed.lane.clone().unwrap(), handed.id);
            assert!(before < Some(handed.id), "overtaken: {before:?} {:?}", handed.id);
            log.count += 1;
            outcomes.push(ack(&handed));
        }
        // Some wait for a later batch.
        let keep = usize::try_from(dice.borrow_mut().below(4)).unwrap().min(outcomes.len());
        let kept = outcomes.split_off(outcomes.len() - keep);
        let settled = stubborn(dice, || transport.settle(group, session, &outcomes)).await.unwrap();
        assert!(settled.results.iter().all(|result| *result == SettleResult::Done));
        outcomes = kept;
    }
    stubborn(dice, || transport.settle(group, session, &outcomes)).await.unwrap();
}

async fn cut(server: &Server, log: &RefCell<Log>) {
    while log.borrow().count < ENTRIES {
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

#[test]
fn lost_requests_and_answers_change_nothing() {
    run(async {
        let (server, first) = start(Options::default()).await;
        let group = group("g", ACKED);
        let (dice, log) = (RefCell::new(Dice(7)), RefCell::new(Log::default()));
        let mut parties = Vec::new();
        for n in 0..CONSUMERS {
            let transport = connect(&server.url(), super::ConnectOptions::default()).await.unwrap();
            let session = join(&transport, &group, &format!("c{n}")).await;
            parties.push((transport, session));
        }
        let batch = (0..ENTRIES).map(|_| entry(&dice.borrow_mut().below(LANES).to_string(), "")).collect();
        for appended in first.append(batch).await {
            appended.unwrap();
        }
        let [a, b, c] = [0, 1, 2].map(|n: usize| consume(&parties[n].0, &group, &parties[n].1, &dice, &log));
        tokio::join!(a, b, c, cut(&server, &log));
        assert_eq!(log.borrow().count, ENTRIES);
        assert_eq!(integer(&server, &["XLEN", "s"]), 0);
        assert_eq!(first.pending(&group.stream, &group.name).await.unwrap().count, 0);
        assert_eq!(server.command(&["HGETALL", &group.keys.lanes]).unwrap(), Reply::List(Vec::new()));
        assert_eq!(integer(&server, &["EXISTS", &group.keys.tries]), 0);
    });
}
