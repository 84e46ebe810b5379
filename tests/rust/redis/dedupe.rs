//! Message ids: known for a window, on both transports; a window outlives a server that keeps its file.

use std::time::{Duration, Instant};

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::topology::message_id_key;
use stargazer_core::{Bus, PublishOptions, Receipt};
use stargazer_tests::{Options, Server};

use super::{integer, run};

async fn bus(url: &str, window: Option<Duration>) -> Bus {
    let mut config = BusConfig::default();
    if let Some(window) = window {
        config.dedupe_window = window;
    }
    Bus::connect(url).config(config).await.unwrap()
}

async fn say(bus: &Bus, stream: &str, id: &str) -> Receipt {
    let options = PublishOptions { message_id: Some(id.to_owned()), ..PublishOptions::default() };
    bus.publish(stream, &Value::Map(Map::new()), options).await.unwrap()
}

/// What is left of the window of a message id, in milliseconds.
fn left(server: &Server, bus: &Bus, id: &str) -> i64 {
    integer(server, &["PTTL", &message_id_key(&bus.topology().named_stream("work"), id)])
}

#[test]
fn a_message_id_is_known_for_its_window_and_stored_anew_after_it() {
    run(async {
        let server = Server::start().unwrap();
        let window = Duration::from_secs(2);
        for url in ["memory://dedupe", &server.url()] {
            let bus = bus(url, Some(window)).await;
            let (began, first) = (Instant::now(), say(&bus, "work", "m").await);
            let named = Instant::now();
            assert!(!first.duplicate);
            assert!(!say(&bus, "other", "m").await.duplicate, "an id is one of its stream");
            let mut known = 0;
            let anew = loop {
                let again = say(&bus, "work", "m").await;
                if !again.duplicate {
                    break again;
                }
                assert_eq!(again.id, first.id, "the receipt names what is stored");
                // Asking again does not make the window longer.
                assert!(named.elapsed() < window + Duration::from_secs(5));
                known += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            // Two clocks, of which one counts in milliseconds.
            assert!(began.elapsed() + Duration::from_millis(5) >= window, "{url}: {:?}", began.elapsed());
            assert!(known > 0 && anew.id > first.id, "{url}");
            assert!(say(&bus, "work", "m").await.duplicate, "with a window of its own");
        }
    });
}

#[test]
fn a_window_outlives_a_server_that_keeps_its_file() {
    run(async {
        for appendonly in [true, false] {
            let mut server = Server::start_with(Options { appendonly, ..Options::default() }).unwrap();
            let bus = bus(&server.url(), None).await;
            let first = say(&bus, "work", "m").await;
            let before = left(&server, &bus, "m");
            assert!((500_000..=600_000).contains(&before), "ten minutes, if nobody says otherwise: {before}");
            server.kill().unwrap();
            server.restart().unwrap();
            if appendonly {
                let after = left(&server, &bus, "m");
                assert!(after > 0 && after <= before, "a restart does not make it longer: {after}");
            }
            let again = loop {
                // The connection that broke may cost a first attempt.
                let options = PublishOptions { message_id: Some("m".into()), ..PublishOptions::default() };
                if let Ok(receipt) = bus.publish("work", &Value::Map(Map::new()), options).await {
                    break receipt;
                }
            };
            // A server without a file has lost the entry along with its marker: it is stored anew, and once.
            assert_eq!((again.duplicate, again.id == first.id), (appendonly, appendonly));
            assert_eq!(integer(&server, &["XLEN", &bus.topology().named_stream("work")]), 1);
        }
    });
}

#[test]
fn a_marker_costs_little_memory_and_leaves_with_its_window() {
    run(async {
        const IDS: usize = 20_000;
        let server = Server::start().unwrap();
        let bus = bus(&server.url(), Some(Duration::from_secs(3600))).await;
        let stream = bus.topology().named_stream("work");
        let used = || {
            let info = server.command(&["INFO", "memory"]).unwrap().text();
            let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
            line.trim().parse::<usize>().unwrap()
        };
        let before = used();
        let ids: Vec<String> = (0..IDS).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect();
        for page in ids.chunks(500) {
            futures_util::future::join_all(page.iter().map(|id| say(&bus, "work", id))).await;
        }
        // What is left without the entries is the markers.
        server.command(&["DEL", &stream]).unwrap();
        let each = used().saturating_sub(before) / IDS;
        assert!((50..400).contains(&each), "{each} bytes");
        assert_eq!(integer(&server, &["DBSIZE"]), i64::try_from(IDS).unwrap());
    });
}
