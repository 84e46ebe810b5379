//! Signals: what is under way is finished, then the program ends.

use rustix::process::Signal;

use crate::http::{get, message, post, send_message};
use crate::program::{Program, until};

#[test]
fn a_message_under_way_is_answered_before_the_end() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "300ms"]);
    let address = dev.address();
    let waiting = send_message(address, "?wait=true", &message("fail twice"));
    dev.line_with("is tried again");
    dev.signal(Signal::TERM);
    until("it drains", || get(address, "/readyz").body["status"] == "draining");
    assert_eq!(get(address, "/readyz").status, 503);
    assert_eq!(get(address, "/livez").status, 200);
    let late = post(address, "", &message("too late"));
    assert_eq!((late.status, late.body["code"].as_str()), (503, Some("not-ready")), "{late:?}");
    assert_eq!(waiting.answer().status, 200);
    assert_eq!(dev.code(), Some(0), "{}", dev.said);
}

#[test]
fn what_does_not_end_in_time_is_told_so() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "60s", "--drain-timeout", "300ms"]);
    let address = dev.address();
    let waiting = send_message(address, "?wait=true", &message("fail always"));
    dev.line_with("is tried again");
    dev.signal(Signal::TERM);
    let answer = waiting.answer();
    assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("running")), "{answer:?}");
    assert_eq!(dev.code(), Some(0), "{}", dev.said);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "60s"]);
    let address = dev.address();
    let _waiting = send_message(address, "?wait=true", &message("fail always"));
    dev.line_with("is tried again");
    dev.signal(Signal::INT);
    dev.line_with("draining");
    dev.signal(Signal::INT);
    assert_eq!(dev.code(), Some(130), "{}", dev.said);
}

#[test]
fn a_start_that_waits_can_be_stopped() {
    let mut role =
        Program::start(&["inference", "--redis", "redis://127.0.0.1:1", "--port", "0", "--connect-timeout", "60s"]);
    role.line_with("trying again");
    role.signal(Signal::TERM);
    assert_eq!(role.code(), Some(0), "{}", role.said);
}
