//! `stargazer dev`: everything in one process.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::http::{get, message, post};
use crate::program::{Program, until};

#[test]
fn dev_is_ready_in_two_seconds_and_says_what_it_is() {
    let started = Instant::now();
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    assert_eq!(get(address, "/readyz").status, 200);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    until("the banner is shown", || dev.has_said("\ntry "));
    for part in [
        concat!("stargazer ", env!("CARGO_PKG_VERSION")),
        "gateway, inference",
        "memory://dev (in memory, lost on exit)",
        "scripted",
        &format!("listens  http://{address}\n"),
        "instance demo",
        &format!("stargazer chat --url http://{address}"),
    ] {
        assert!(dev.said.contains(part), "{part:?} in:\n{}", dev.said);
    }
    let live = get(address, "/livez");
    assert_eq!((live.status, live.body["status"].as_str()), (200, Some("up")));
    assert!(address.ip().is_loopback());
    dev.signal(Signal::INT);
    assert_eq!(dev.code(), Some(0));
}

#[test]
fn the_demonstration_without_a_terminal_checks_its_answers_and_ends() {
    let mut dev = Program::start(&["dev", "--demo", "--port", "0"]);
    assert_eq!(dev.code(), Some(0), "{}", dev.said);
    assert!(dev.said.contains("30 of 30 messages answered rightly"), "{}", dev.said);
    assert!(dev.said.contains("] 30/30"), "{}", dev.said);
}

#[test]
fn the_demonstration_on_a_terminal_stays_as_a_chat() {
    for end in [Some(Signal::INT), None] {
        let mut dev = Program::start_on_terminal(&["dev", "--demo", "--port", "0"]);
        dev.line_with("30 of 30 messages answered rightly");
        dev.line_with("talk to it");
        dev.write("echo still here\n");
        dev.line_with("echo still here");
        // The terminal shows what was typed at once, so the prompt may come after it, before the answer.
        let answer = dev.line_with("still here");
        assert_eq!(answer.trim_start_matches("> ").trim_end(), "still here");
        match end {
            Some(signal) => dev.signal(signal),
            // Control-D: the end of a terminal's input.
            None => dev.write("\u{4}"),
        }
        assert_eq!(dev.code(), Some(0), "{}", dev.said);
    }
}

#[test]
fn the_demonstration_fails_when_an_answer_does() {
    // With two attempts, a message that fails twice is never answered.
    let mut dev = Program::start(&["dev", "--demo", "--port", "0", "--max-attempts", "2", "--retry-base", "1ms"]);
    assert_eq!(dev.code(), Some(1), "{}", dev.said);
    assert!(dev.said.contains("28 of 30 messages answered rightly"), "{}", dev.said);
    assert!(dev.said.contains("the dome is stuck"), "{}", dev.said);
}

#[test]
fn a_usual_port_that_is_taken_moves_on_and_a_named_one_is_an_error() {
    // Whoever holds it, it is taken.
    let _usual = TcpListener::bind("127.0.0.1:8420");
    let mut dev = Program::start(&["dev"]);
    let address = dev.address();
    assert!(address.port() > 8420, "{address}");
    let taken = address.port().to_string();
    let mut other = Program::start(&["dev", "--port", &taken]);
    assert_eq!(other.code(), Some(1));
    assert!(other.said.contains(&taken) && other.said.contains("--port"), "{}", other.said);
}

#[test]
fn the_environment_names_port_and_address_and_flags_count_more() {
    let mut dev =
        Program::start_with(&["dev"], &[("SG_PORT", "0"), ("SG_BIND", "::1"), ("REDIS_URL", "redis://nowhere")]);
    let address = dev.address();
    assert!(address.is_ipv6(), "{address}");
    assert_eq!(post(address, "?wait=true", &message("hello")).status, 200);
    let mut other = Program::start_with(&["dev", "--port", "0", "--bind", "127.0.0.1"], &[("SG_BIND", "nonsense")]);
    assert!(other.address().is_ipv4());
    let mut wrong = Program::start_with(&["dev"], &[("SG_BIND", "nonsense")]);
    assert_eq!(wrong.code(), Some(1));
    assert!(wrong.said.contains("SG_BIND"), "{}", wrong.said);
}

#[test]
fn instances_are_those_that_were_named() {
    let mut dev = Program::start(&["dev", "--port", "0", "--instance", "other"]);
    let address = dev.address();
    assert_eq!(post(address, "", &message("to demo")).status, 404);
}

#[test]
fn logs_are_json_without_a_terminal_at_the_level_asked_for() {
    let mut dev = Program::start(&["dev", "--port", "0", "--log", "warn,stargazer_services=info"]);
    dev.address();
    dev.signal(Signal::TERM);
    assert_eq!(dev.code(), Some(0));
    let logs: Vec<_> = dev.said.lines().filter(|line| line.starts_with('{')).collect();
    assert!(logs.len() >= 2, "{}", dev.said);
    for log in logs {
        let log: serde_json::Value = serde_json::from_str(log).unwrap();
        assert!(log["level"].is_string() && log["message"].is_string() && log["timestamp"].is_string(), "{log}");
    }
    let mut wrong = Program::start(&["dev", "--log", "a=b=c"]);
    assert_eq!(wrong.code(), Some(2));
}

#[test]
fn a_wrong_command_line_is_two_and_help_is_zero() {
    for (arguments, code) in
        [(&["dance"][..], 2), (&["dev", "--drain-timeout", "5"], 2), (&["--help"], 0), (&["--version"], 0)]
    {
        assert_eq!(Program::start(arguments).code(), Some(code), "{arguments:?}");
    }
}
