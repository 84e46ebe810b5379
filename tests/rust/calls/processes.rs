//! Caller and tool are two processes, and one of them dies.

use std::time::Instant;

use stargazer_core::ErrorKind;
use stargazer_core::envelope::Inbound;
use stargazer_tests::{Reply as Word, Server as RedisServer};

use super::roles::Player;
use super::*;

fn tools(url: &str) -> Player {
    let mut player = Player::start("tools", url);
    player.hear("ready");
    player
}

#[test]
fn a_call_runs_in_another_process() {
    let server = RedisServer::start().unwrap();
    let tools = tools(&server.url());
    run(async {
        let bus = bus(&server.url()).await;
        assert_eq!(call(&bus, "who", n(0)).await.unwrap().result, tools.pid().into());
        bus.close().await.unwrap();
    });
}

#[test]
fn a_request_of_a_killed_process_runs_in_another_one() {
    let server = RedisServer::start().unwrap();
    let mut first = tools(&server.url());
    run(async {
        let bus = bus(&server.url()).await;
        let asking = bus.clone();
        let asked = tokio::spawn(async move { call(&asking, "who", n(500)).await });
        let (mut first, mut second) = tokio::task::spawn_blocking({
            let url = server.url();
            move || {
                first.hear("runs");
                let second = tools(&url);
                first.kill();
                (first, second)
            }
        })
        .await
        .unwrap();
        assert_eq!(asked.await.unwrap().unwrap().result, second.pid().into());
        assert_eq!(second.hear("runs"), "2", "it was started before");
        second.kill();
        first.kill();
        bus.close().await.unwrap();
    });
}

#[test]
fn where_the_only_process_was_killed_it_is_said_soon() {
    let server = RedisServer::start().unwrap();
    let mut only = tools(&server.url());
    run(async {
        let bus = bus(&server.url()).await;
        call(&bus, "who", n(0)).await.unwrap();
        only.kill();
        let began = Instant::now();
        assert_eq!(call(&bus, "who", n(0)).await.unwrap_err().kind(), ErrorKind::NoWorker);
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        bus.close().await.unwrap();
    });
}

#[test]
fn nothing_is_left_of_a_caller_that_was_killed() {
    let server = RedisServer::start().unwrap();
    let mut tools = tools(&server.url());
    let mut caller = Player::start("caller", &server.url());
    caller.hear("ready");
    tools.hear("runs");
    let replies = || match server.command(&["KEYS", "sg:tools:reply:*"]).unwrap() {
        Word::List(keys) => keys.len(),
        other => panic!("not a list: {other:?}"),
    };
    assert_eq!(replies(), 1);
    caller.kill();
    // The answer comes two seconds later, to nobody; it lets the stream live for two more.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut next = Player::start("caller", &server.url());
    next.hear("answer");
    drop(next);
    while replies() > 0 {
        assert!(Instant::now() < deadline, "the stream of a dead caller stays");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_turn_of_a_killed_worker_does_not_pay_again() {
    let server = RedisServer::start().unwrap();
    let mut tools = tools(&server.url());
    let mut first = Player::start("worker", &server.url());
    first.hear("ready");
    run(async {
        let bus = bus(&server.url()).await;
        bus.publish_inbound(&Inbound::new("web", "c1", "u1", "x")).await.unwrap();
        bus.close().await.unwrap();
    });
    assert_eq!(first.hear("turn"), "[false, false]");
    let mut second = Player::start("worker", &server.url());
    second.hear("ready");
    first.kill();
    assert_eq!(second.hear("turn"), "[true, true]");
    tools.hear("runs");
    tools.hear("runs");
    run(async {
        // Nothing but this runs after the two.
        let bus = bus(&server.url()).await;
        call(&bus, "who", n(0)).await.unwrap();
        bus.close().await.unwrap();
    });
    tools.hear("runs");
    tools.kill();
}
