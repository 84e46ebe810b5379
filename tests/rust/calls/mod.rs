//! Requests and replies through the public API: in memory and on a real server, and between processes that die.

mod both;
mod lone;
mod processes;
mod roles;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stargazer_core::config::BusConfig;
use stargazer_core::envelope::{Map, Value};
use stargazer_core::rpc::{
    Answer, CallOptions, Failure, Handler, HandlerOptions, Reply, Request, Server, Serving, handler_fn,
};
use stargazer_core::{Bus, Result};
use stargazer_tests::Server as RedisServer;

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(90);

const OPTIONS: fn() -> HandlerOptions = HandlerOptions::default;

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, case).await.expect("the case hangs") });
}

macro_rules! cases {
    ($($id:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $id() { super::run(super::both::$id(concat!("memory://calls-", stringify!($id)).into())); })+
        }
        mod server {
            $(#[test] fn $id() {
                let server = super::RedisServer::start().unwrap();
                super::run(super::both::$id(server.url()));
            })+
        }
    };
}

cases! {
    a_call_gives_what_its_handler_gave,
    thousands_of_calls_are_in_flight_and_find_their_answers,
    a_cancelled_call_ends_its_handler_elsewhere,
    where_nobody_serves_it_is_said_soon,
    of_two_equal_calls_at_once_one_runs,
    a_turn_that_comes_again_does_not_pay_again,
    raw_bytes_come_back_untouched,
    nothing_is_left_of_a_bus_that_closed,
    a_handler_that_runs_while_its_bus_closes_may_call,
}

async fn bus(url: &str) -> Bus {
    bus_with(url, |_| ()).await
}

async fn bus_with(url: &str, change: impl FnOnce(&mut BusConfig)) -> Bus {
    let mut config = BusConfig::default();
    change(&mut config);
    Bus::connect(url).config(config).await.unwrap()
}

fn n(n: i64) -> Map {
    Map::from([("n", n)])
}

fn number(request: &Request) -> i64 {
    request.arguments().get("n").and_then(Value::as_i64).unwrap()
}

/// Doubles `n`; fails for 1.
fn double() -> Arc<dyn Handler> {
    handler_fn(|request: Request| async move {
        match number(&request) {
            1 => Err(Failure::new("one", "not for 1")),
            n => Ok(Reply::new(n * 2)),
        }
    })
}

async fn serve(bus: &Bus, name: &str, handler: Arc<dyn Handler>) -> Serving {
    let quick = (Duration::from_secs(2), Duration::from_millis(500));
    Server::new(bus).lease(quick.0, quick.1).handle(name, handler, OPTIONS()).open().await.unwrap()
}

async fn call(bus: &Bus, name: &str, arguments: Map) -> Result<Answer> {
    bus.call_with(name, arguments, CallOptions::default()).await
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
