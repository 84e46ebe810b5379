//! The chat API of a gateway.

use serde_json::json;

use crate::http::{Answer, get, message, post, send};
use crate::program::{Program, until};

const JSON: &str = "content-type: application/json";
const MESSAGES: &str = "/api/v1/instances/demo/messages";

fn problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["status"], status);
    assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer:?}");
}

#[test]
fn who_waits_gets_the_replies() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    let answer = post(address, "?wait=true", &message("echo  שלום 👩‍👩‍👧"));
    assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("completed")), "{answer:?}");
    let replies = answer.body["replies"].as_array().unwrap();
    assert_eq!((replies.len(), replies[0]["text"].as_str()), (1, Some(" שלום 👩‍👩‍👧")));
    assert_eq!(replies[0]["reply_to"], answer.body["message_id"]);
    assert_eq!(get(address, &answer.headers["location"]).body["replies"], answer.body["replies"]);

    let weather = post(address, "?wait=true", &message("weather in Oslo"));
    assert!(weather.body["replies"][0]["text"].as_str().unwrap().starts_with("Oslo: "), "{weather:?}");
    let long = post(address, "?wait=true", &message("long one"));
    assert!(long.body["replies"][0]["text"].as_str().unwrap().len() > 4096);
    let huge = message(&format!("echo {}", "0123456789".repeat(20_000)));
    assert_eq!(post(address, "?wait=true", &huge).body["replies"][0]["text"].as_str().unwrap().len(), 200_000);
}

#[test]
fn files_come_back_as_they_were() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    let file = json!({"filename": "ä b.bin", "mimetype": "image/png", "data": "AAH+/w=="});
    let body = json!({"text": "", "user": "ann", "channel": "c", "attachments": [file, file]});
    let answer = post(address, "?wait=true", &body);
    let replies = answer.body["replies"].as_array().unwrap();
    assert_eq!(replies.len(), 3, "{answer:?}");
    for reply in &replies[1..] {
        for field in ["filename", "mimetype", "data"] {
            assert_eq!(reply[field], file[field]);
        }
    }
}

#[test]
fn who_does_not_wait_finds_the_turn_at_its_location() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    let answer = post(address, "", &message("hello"));
    assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("queued")), "{answer:?}");
    let location = &answer.headers["location"];
    until("the turn is complete", || get(address, location).body["status"] == "completed");
    assert_eq!(get(address, location).body["replies"].as_array().unwrap().len(), 1);
    problem(&get(address, "/api/v1/turns/nonsense"), 404, "no-such-turn");
}

#[test]
fn a_preference_to_wait_is_taken_and_named() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    let answer = send(address, "POST", MESSAGES, &[JSON, "prefer: wait=20"], &message("hi").to_string()).answer();
    assert_eq!((answer.status, answer.headers["preference-applied"].as_str()), (200, "wait"));
}

#[test]
fn when_the_time_runs_out_the_turn_goes_on() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "300ms"]);
    let address = dev.address();
    let answer = post(address, "?wait=true&timeout=0.05", &message("fail twice"));
    assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("running")), "{answer:?}");
    until("the turn is complete", || get(address, &answer.headers["location"]).body["status"] == "completed");
}

#[test]
fn a_turn_that_failed_is_a_bad_gateway() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "1ms"]);
    let address = dev.address();
    let answer = post(address, "?wait=true", &message("fail always"));
    problem(&answer, 502, "turn-failed");
    let turn = get(address, &format!("/api/v1/turns/{}", answer.body["turn_id"].as_str().unwrap()));
    assert_eq!((turn.status, turn.body["status"].as_str()), (200, Some("failed")));
    // The channel goes on behind it.
    assert_eq!(post(address, "?wait=true", &message("and now?")).status, 200);
}

#[test]
fn what_is_wrong_is_named() {
    let mut dev = Program::start(&["dev", "--port", "0", "--max-body", "2000"]);
    let address = dev.address();
    let send = |headers: &[&str], body: &str| send(address, "POST", MESSAGES, headers, body).answer();

    let missing = send(&[JSON], r#"{"text": "hi"}"#);
    problem(&missing, 422, "invalid-message");
    assert_eq!(missing.body["errors"][0]["pointer"], "/user");
    let wrong = send(&[JSON], r#"{"text": 1, "user": "ann", "chanel": "x"}"#);
    let pointers: Vec<_> = wrong.body["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/text", "/chanel"]);
    problem(&send(&[JSON], "{"), 400, "invalid-json");
    problem(&send(&[JSON], &message(&"x".repeat(3000)).to_string()), 413, "too-large");
    problem(&send(&["content-type: text/plain"], "{}"), 415, "not-json");
    problem(&send(&[JSON, "host: evil.example"], "{}"), 421, "wrong-host");
    problem(&post(address, "?wait=perhaps", &message("x")), 400, "invalid-parameter");

    let other = "/api/v1/instances/other/messages";
    problem(&crate::http::send(address, "POST", other, &[JSON], "{}").answer(), 404, "no-such-instance");
    problem(&get(address, "/api"), 404, "no-such-page");
    problem(&get(address, MESSAGES), 405, "wrong-method");
    problem(&get(address, "/api/v1/turns/%ff"), 400, "bad-request");
}

#[test]
fn a_body_without_a_length_is_limited_too() {
    let mut dev = Program::start(&["dev", "--port", "0", "--max-body", "2000"]);
    let address = dev.address();
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 3000, "x".repeat(3000));
    let head = ["host: localhost", JSON, "connection: close", "transfer-encoding: chunked"].join("\r\n");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, format!("POST {MESSAGES} HTTP/1.1\r\n{head}\r\n\r\n{chunk}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn many_at_once_each_get_their_own() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let address = dev.address();
    let ask = |n: usize| {
        let body = json!({"text": format!("echo {n}"), "user": "ann", "channel": format!("c{}", n % 7)});
        crate::http::send_message(address, "?wait=true", &body)
    };
    let pending: Vec<_> = (0..60).map(ask).collect();
    for (n, pending) in pending.into_iter().enumerate() {
        let answer = pending.answer();
        assert_eq!(answer.body["replies"][0]["text"], n.to_string(), "{answer:?}");
    }
}
