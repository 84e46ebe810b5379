//! The catalog on the server, kept by several at once and by the original's.

use super::super::board::{Board, LIVE};
use super::super::workers::Worker;
use super::*;
use crate::envelope::{Limits, codec, json};
use crate::store::Heard;
use crate::topology::{CatalogKeys, Topology};

fn keys() -> CatalogKeys {
    CatalogKeys::new(&Topology::default())
}

fn instance(name: &str) -> Worker {
    let text = format!(
        r#"{{"instance": "{name}", "service": "s", "status": "serving", "capacity": 1, "in_flight": 0, "seen_ms": 1,
             "started_ms": 1, "tools": []}}"#
    );
    Worker::from_json(text.as_bytes(), &Limits::default()).unwrap()
}

fn set(tools: &[&str]) -> ToolSet {
    ToolSet::new(tools.iter().map(|name| says(name, ""))).unwrap()
}

async fn names(board: &Board) -> Vec<String> {
    board.read().await.unwrap().catalog.tools().iter().map(|tool| tool.name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_catalog_stands_where_and_as_the_original_reads_it() {
    let bus = bus();
    let mut ear = bus.store().subscribe(["sg:pubsub:tools:catalog"]).await.unwrap();
    let service = bus.serve_tools([weather()]).await.unwrap();
    let current = bus.store().get("sg:tools:catalog:current").await.unwrap().unwrap();
    let current = std::str::from_utf8(&current).unwrap();
    let seq = bus.store().get("sg:tools:catalog:seq").await.unwrap().unwrap();
    assert_eq!(seq, current, "the last version that was begun is in force");
    let blob = bus.store().get(&format!("sg:tools:catalog:v{current}")).await.unwrap().unwrap();
    let map = codec::decode(&blob, &Limits::default()).unwrap();
    let keys: Vec<&str> = map.as_map().unwrap().keys().collect();
    assert_eq!(keys, ["tools", "permissions", "schema_hash"]);
    let hash = map.get("schema_hash").unwrap().as_str().unwrap();
    assert_eq!(hash, service.schema_hash());
    let Heard::Notification { payload, .. } = ear.next().await.unwrap() else { panic!("no notice") };
    let told = json::decode(&payload, &Limits::default()).unwrap();
    assert_eq!(told.get("version").unwrap().as_i64().unwrap().to_string(), current);
    assert_eq!(told.get("schema_hash").unwrap().as_str(), Some(hash));
    service.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_that_come_at_once_are_all_there() {
    let bus = bus();
    let joins = (0..20).map(|n| {
        let board = Board::new(&bus);
        async move { board.join(&instance(&format!("i{n}")), &set(&[&format!("t{n}"), "all"])).await.unwrap() }
    });
    futures_util::future::join_all(joins).await;
    assert_eq!(names(&Board::new(&bus)).await.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn the_tools_of_the_dead_leave_and_those_of_the_last_stay() {
    let bus = bus();
    let board = Board::new(&bus);
    board.join(&instance("dead"), &set(&["a", "b"])).await.unwrap();
    board.join(&instance("alive"), &set(&["b", "c"])).await.unwrap();
    assert_eq!(names(&board).await, ["a", "b", "c"]);
    tokio::time::sleep(LIVE / 2).await;
    assert!(board.beat(&instance("alive")).await.unwrap());
    tokio::time::sleep(LIVE / 2 + Duration::from_secs(1)).await;
    board.sweep("alive").await.unwrap();
    assert_eq!(names(&board).await, ["b", "c"]);
    assert!(!board.beat(&instance("dead")).await.unwrap(), "who comes back is told that it has to join again");
    board.join(&instance("dead"), &set(&["a"])).await.unwrap();
    assert_eq!(names(&board).await, ["a", "b", "c"]);
    for name in ["dead", "alive"] {
        let mut leaving = instance(name);
        leaving.draining = true;
        board.leave(&leaving).await.unwrap();
        assert!(board.workers().await.unwrap().contains(&leaving), "it is shown for as long as it drains");
        board.end(name).await.unwrap();
    }
    assert!(board.workers().await.unwrap().is_empty());
    assert_eq!(names(&board).await, ["b", "c"], "the last one leaves its tools");
    // Its successor brings other ones.
    board.join(&instance("next"), &set(&["d"])).await.unwrap();
    assert_eq!(names(&board).await, ["d"]);
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_looks_after_the_catalog() {
    let bus = bus();
    let board = Board::new(&bus);
    board.join(&instance("a"), &set(&["a"])).await.unwrap();
    let version = board.current().await.unwrap();
    board.sweep("a").await.unwrap();
    assert_eq!(board.current().await.unwrap(), version, "nothing has changed");
    assert_eq!(bus.store().get(&keys().keeper).await.unwrap().as_deref(), Some(&b"a"[..]));
    board.sweep("b").await.unwrap();
    assert_eq!(bus.store().get(&keys().keeper).await.unwrap().as_deref(), Some(&b"a"[..]));
}

#[tokio::test(start_paused = true)]
async fn old_versions_go_after_a_while_and_the_one_in_force_stays() {
    let bus = bus();
    let board = Board::new(&bus);
    let mut versions = Vec::new();
    for n in 0..5 {
        let version = board.join(&instance(&format!("i{n}")), &set(&[&format!("t{n}")])).await.unwrap();
        versions.push(version.version);
    }
    for version in &versions {
        assert!(bus.store().exists(&keys().version(version)).await.unwrap(), "those who read it may still need it");
    }
    tokio::time::sleep(Duration::from_secs(601)).await;
    for version in &versions[..4] {
        assert!(!bus.store().exists(&keys().version(version)).await.unwrap());
        assert!(!bus.store().exists(&keys().ours(version)).await.unwrap());
    }
    assert!(bus.store().exists(&keys().version(&versions[4])).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_catalog_of_the_originals_is_taken_up() {
    let bus = bus();
    let board = Board::new(&bus);
    board.join(&instance("ours"), &set(&["a"])).await.unwrap();
    // As its tools service does it.
    let put = async |tool: &str| {
        let seq = bus.store().increment(&keys().seq, 1, None).await.unwrap().to_string();
        let entry = Map::from([("name", Value::from(tool)), ("parameters", Map::from([("type", "object")]).into())]);
        let blob = Map::from([
            ("tools", Value::from(vec![entry])),
            ("permissions", Map::new().into()),
            ("schema_hash", "theirs".into()),
        ]);
        let blob = codec::encode_map(&blob, &Limits::default()).unwrap();
        bus.store().set(&keys().version(&seq), blob, None).await.unwrap();
        bus.store().set(&keys().current, seq, None).await.unwrap();
    };
    put("theirs").await;
    assert_eq!(board.read().await.unwrap().catalog.schema_hash(), "theirs");
    board.sweep("ours").await.unwrap();
    assert_eq!(names(&board).await, ["a", "theirs"]);
    tokio::time::sleep(LIVE / 2).await;
    board.beat(&instance("ours")).await.unwrap();
    tokio::time::sleep(LIVE / 2).await;
    put("newer").await;
    board.beat(&instance("ours")).await.unwrap();
    board.sweep("ours").await.unwrap();
    assert_eq!(names(&board).await, ["a", "newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_board_that_says_nonsense_is_told() {
    let bus = bus();
    let board = Board::new(&bus);
    assert!(board.read().await.unwrap().catalog.tools().is_empty(), "before the first there is none");
    bus.store().set(&keys().current, "7", None).await.unwrap();
    assert_eq!(board.read().await.unwrap_err().kind(), ErrorKind::NotFound);
    bus.store().set(&keys().version("7"), "nonsense", None).await.unwrap();
    assert_eq!(board.read().await.unwrap_err().kind(), ErrorKind::Malformed);
    bus.store().set(&keys().current, vec![0xFF], None).await.unwrap();
    assert_eq!(board.read().await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(bus.tool_registry().await.unwrap_err().kind(), ErrorKind::Malformed);
}
