//! The roles as processes of their own, on a server.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use stargazer_core::envelope::{Inbound, Outbound};
use stargazer_core::platform::redis::{Injection, NewInstance, RedisPlatform, RedisPlatformConfig, Reply};
use stargazer_core::store::EntryId;
use stargazer_core::{Bus, Role};
use stargazer_tests::{Options, Server};

use crate::http::{get, message, post, send_message};
use crate::program::{LIMIT, Program, until};

fn gateway(server: &Server) -> Program {
    Program::start(&["gateway", "--redis", &server.url(), "--port", "0"])
}

fn inference(server: &Server) -> Program {
    let url = server.url();
    let lease = ["--lease", "2s", "--sweep", "500ms", "--retry-base", "50ms"];
    Program::start(&[&["inference", "--redis", &url, "--port", "0"][..], &lease].concat())
}

#[test]
fn dev_runs_on_a_server() {
    let server = Server::start().unwrap();
    let mut dev = Program::start(&["dev", "--redis", &server.url(), "--port", "0", "--demo"]);
    assert_eq!(dev.code(), Some(0), "{}", dev.said);
    assert!(dev.said.contains("30 of 30"), "{}", dev.said);
    assert!(dev.said.contains(&server.url()) && !dev.said.contains("memory://"), "{}", dev.said);
}

#[test]
fn every_message_is_answered_once_though_a_worker_is_killed() {
    let server = Server::start().unwrap();
    let (mut gateway, mut first, mut second) = (gateway(&server), inference(&server), inference(&server));
    let address = gateway.address();
    first.address();
    second.address();
    let ask = |n: usize| {
        let text = if n % 10 == 3 { format!("fail twice {n}") } else { format!("echo {n}") };
        let body = json!({"text": text, "user": "ann", "channel": format!("c{}", n % 8)});
        send_message(address, "?wait=true", &body)
    };
    let pending: Vec<_> = (0..80).map(ask).collect();
    // Which of them has work in hand is for the bus to decide.
    let (mut victim, mut survivor) = (first, second);
    until("one of them works", || {
        if survivor.has_said("is tried again") {
            std::mem::swap(&mut victim, &mut survivor);
        }
        victim.has_said("is tried again")
    });
    victim.signal(Signal::KILL);
    assert_eq!(victim.code(), None);
    for (n, pending) in pending.into_iter().enumerate() {
        let answer = pending.answer();
        let replies = answer.body["replies"].as_array().unwrap_or_else(|| panic!("{n}: {answer:?}"));
        assert_eq!((answer.status, replies.len()), (200, 1), "{n}: {answer:?}");
        let text = replies[0]["text"].as_str().unwrap();
        assert!(text == n.to_string() || text.ends_with(&format!("fail twice {n}")), "{n}: {text}");
    }
    for mut role in [gateway, survivor] {
        role.signal(Signal::TERM);
        assert_eq!(role.code(), Some(0), "{}", role.said);
    }
}

#[test]
fn an_instance_of_the_platform_redis_is_answered() {
    let server = Server::start().unwrap();
    let mut gateway = Program::start(&["gateway", "--redis", &server.url(), "--port", "0", "--platform", "redis"]);
    let _inference = inference(&server);
    gateway.address();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let replies = runtime.block_on(async {
        let bus = Bus::connect(server.url()).role(Role::Gateway).platforms(["redis"]).await.unwrap();
        let platform = RedisPlatform::new(&bus, RedisPlatformConfig::default()).unwrap();
        let id = platform.create_instance(NewInstance::new()).await.unwrap().instance_id;
        let question = Injection::new(&id, "echo hello", "u1").with_user_name("Ann").with_response_nonce("n1");
        let sent = platform.inject_message(question).await.unwrap();
        let (mut replies, mut after) = (Vec::new(), EntryId::ZERO);
        while replies.last().is_none_or(|last: &Reply| last.kind() != "turn_complete") {
            let page = platform.turn_replies(&id, &sent.trace_id, after, 10, LIMIT).await.unwrap();
            assert!(!page.items.is_empty(), "no answer in time: {replies:?}");
            after = page.next;
            replies.extend(page.items);
        }
        bus.close().await.unwrap();
        replies
    });
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].body.text("text"), Some("hello"));
    assert_eq!(replies[1].body.text("nonce"), Some("n1"));
}

#[test]
fn answers_keep_to_the_contract() {
    let server = Server::start().unwrap();
    let _inference = inference(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said: Vec<Outbound> = runtime.block_on(async {
        let bus = Bus::connect(server.url()).role(Role::Standalone).platforms(["web"]).await.unwrap();
        let ask = |text: &str, id: &str| Inbound::new("web", "c1", "u1", text).with_message_id(id);
        bus.publish_inbound(&ask("aside", "m1").with_addressed(false)).await.unwrap();
        bus.publish_inbound(&ask("echo with a trace", "m2").with_trace_id("t2")).await.unwrap();
        bus.publish_inbound(&ask("without a trace", "m3").with_trace_id("")).await.unwrap();
        bus.publish_inbound(&ask("echo end", "m4")).await.unwrap();
        let out = bus.consume_outbound("web").open().await.unwrap();
        let mut said = Vec::new();
        while said.last().is_none_or(|last: &Outbound| last.text != "end") {
            let delivery = out.next_timeout(LIMIT).await.unwrap().unwrap();
            said.push(delivery.data().unwrap());
            delivery.ack().await.unwrap();
        }
        bus.close().await.unwrap();
        said
    });
    let keys: Vec<_> = said.iter().map(|one| (one.trace_id.as_str(), one.message_key.as_deref().unwrap())).collect();
    assert_eq!(keys[..2], [("t2", "t2:message:0"), ("m3", "m3:message:0")]);
    assert_eq!((said.len(), said[0].text.as_str()), (3, "with a trace"), "no sign of the end without a nonce");
    assert!(said[1].text.contains("without a trace"), "{}", said[1].text);
}

#[test]
fn a_server_that_cannot_be_reached_is_a_clear_error() {
    for wait in ["0s", "300ms"] {
        let started = Instant::now();
        let url = "redis://user:hunter2@127.0.0.1:1";
        let mut role = Program::start(&["gateway", "--redis", url, "--port", "0", "--connect-timeout", wait]);
        assert_eq!(role.code(), Some(1));
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(role.said.contains("unavailable: no Redis server answers at 127.0.0.1:1"), "{}", role.said);
        assert!(!role.said.contains("hunter2"), "{}", role.said);
        assert!(role.said.lines().all(|line| line.starts_with('{')), "{}", role.said);
    }
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let server = Server::start_with(Options { password: Some("right".into()), ..Options::default() }).unwrap();
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let mut role = Program::start(&["inference", "--redis", &url, "--port", "0", "--connect-timeout", "60s"]);
    assert_eq!(role.code(), Some(1));
    assert!(role.said.contains("auth: "), "{}", role.said);
}

#[test]
fn a_role_needs_a_server() {
    for (arguments, part) in [
        (&["inference", "--port", "0"][..], "--redis"),
        (&["gateway", "--port", "0", "--redis", "memory://x"], "stargazer dev"),
        (&["gateway", "--port", "0", "--redis", "nonsense"], "redis://"),
    ] {
        let mut role = Program::start(arguments);
        assert_eq!(role.code(), Some(1), "{arguments:?}");
        assert!(role.said.contains(part), "{part:?} in {}", role.said);
    }
}

#[test]
fn a_role_waits_for_its_server_and_says_so() {
    let mut server = Server::start().unwrap();
    server.kill().unwrap();
    let mut role =
        Program::start_with(&["gateway", "--port", "0", "--connect-timeout", "60s"], &[("REDIS_URL", &server.url())]);
    let address = role.listening();
    let ready = get(address, "/readyz");
    assert_eq!((ready.status, ready.body["status"].as_str()), (503, Some("starting")));
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(post(address, "", &message("early")).body["code"], "not-ready");
    role.line_with("trying again");
    server.restart().unwrap();
    until("it is ready", || get(address, "/readyz").status == 200);
}

#[test]
fn a_server_that_goes_down_is_told_once_and_waited_for() {
    let mut server = Server::start().unwrap();
    let (mut gateway, mut inference) = (gateway(&server), inference(&server));
    let address = gateway.address();
    inference.address();
    assert_eq!(post(address, "?wait=true", &message("before")).status, 200);
    server.kill().unwrap();
    until("it is not ready", || get(address, "/readyz").status == 503);
    assert_eq!(get(address, "/readyz").body["checks"][0]["status"], "down");
    assert_eq!(get(address, "/livez").status, 200);
    server.restart().unwrap();
    until("it is ready again", || get(address, "/readyz").status == 200);
    assert_eq!(post(address, "?wait=true", &message("after")).status, 200);
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.code(), Some(0), "{}", gateway.said);
    let told = gateway.said.lines().filter(|line| line.contains("\"WARN\"") && line.contains("trying again")).count();
    assert_eq!(told, 1, "{}", gateway.said);
}
