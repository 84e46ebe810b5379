//! `stargazer dead-letters` on a server: what a person sees, what a script gets, and how it ends.

use std::process::{Command, Output};

use serde_json::Value;
use stargazer_tests::Server;

const LETTERS: &str = "sg:stream:dlq";

fn run(server: &Server, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stargazer"))
        .arg("dead-letters")
        .args(arguments)
        .env_clear()
        .env("REDIS_URL", server.url())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A letter as the original writes it; its id.
fn letter(server: &Server, error: &str, data: &str) -> String {
    let from = ["XADD", LETTERS, "*", "original_stream", "sg:stream:orders", "original_msg_id", "7-0", "error", error];
    let rest = ["attempt", "3", "data", data, "ts", "1.5", "trace_id", "t"];
    server.command(&[&from[..], &rest[..]].concat()).unwrap().text()
}

#[test]
fn letters_are_shown_put_back_and_thrown_away() {
    let server = Server::start().unwrap();
    assert!(said(&run(&server, &["count"])).contains("0 letters"));
    let (one, two) = (letter(&server, "boom", "\u{7}"), letter(&server, "bang", "\u{7}"));
    server.command(&["XADD", LETTERS, "*", "what", "x"]).unwrap();

    let list = said(&run(&server, &["list", "--oldest-first"]));
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].starts_with(&one) && lines[0].contains("boom") && lines[0].contains("sg:stream:orders"), "{list}");
    assert!(lines[2].contains("cannot be put back"), "{list}");
    let json: Value =
        serde_json::from_slice(&run(&server, &["list", "--text", "BANG", "--output", "json"]).stdout).unwrap();
    assert_eq!((json["letters"][0]["id"].as_str(), json["letters"][0]["body"].as_i64()), (Some(&*two), Some(7)));
    assert!(said(&run(&server, &["show", &one])).contains("error: boom"));

    let dry = run(&server, &["replay", "--text", "boom", "--dry-run"]);
    assert!(dry.status.success() && said(&dry).contains("would go back to sg:stream:orders"));
    let back = run(&server, &["replay", &one]);
    assert!(back.status.success() && said(&back).contains("back in sg:stream:orders as "));
    assert_eq!(server.command(&["XLEN", "sg:stream:orders"]).unwrap(), stargazer_tests::Reply::Int(1));

    let wrong = run(&server, &["discard", "--text", "bang", "--count", "2"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("conflict"));
    assert!(run(&server, &["discard", "--text", "bang", "--count", "1"]).status.success());
    let rest = run(&server, &["replay", "--all"]);
    assert_eq!(rest.status.code(), Some(1), "one that is no letter cannot be put back");
    assert_eq!(run(&server, &["discard", "1-1"]).status.code(), Some(1));
    assert_eq!(run(&server, &["replay"]).status.code(), Some(1), "nothing says which");
    assert_eq!(run(&server, &["list", "--limit", "x"]).status.code(), Some(2));
}
