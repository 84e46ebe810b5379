//! `stargazer chat`: the terminal's way to a gateway.

use rustix::process::Signal;

use crate::program::Program;

#[test]
fn chat_reads_a_pipe_and_ends_with_it() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let url = format!("http://{}", dev.address());
    let mut chat = Program::start(&["chat", "--url", &url]);
    chat.write("echo one\n\necho zwei 🌟\n");
    assert_eq!(chat.line_with("one"), "one");
    assert_eq!(chat.line_with("zwei"), "zwei 🌟");
    chat.close_input();
    assert_eq!(chat.code(), Some(0), "{}", chat.said);
}

#[test]
fn chat_ends_with_zero_on_an_interrupt() {
    let mut dev = Program::start(&["dev", "--port", "0"]);
    let url = format!("http://{}", dev.address());
    let mut chat = Program::start(&["chat", "--url", &url]);
    chat.write("echo here\n");
    chat.line_with("here");
    chat.signal(Signal::INT);
    assert_eq!(chat.code(), Some(0), "{}", chat.said);
}

#[test]
fn chat_tells_what_is_wrong() {
    let mut dev = Program::start(&["dev", "--port", "0", "--retry-base", "1ms"]);
    let url = format!("http://{}", dev.address());
    for (arguments, input, part) in [
        (vec!["chat", "--url", "http://127.0.0.1:1"], "hello\n", "cannot be reached"),
        (vec!["chat", "--url", "https://127.0.0.1:1"], "hello\n", "not an address like http://"),
        (vec!["chat", "--url", &url, "--instance", "other"], "hello\n", "no instance"),
        (vec!["chat", "--url", &url], "fail always\n", "as the script says"),
    ] {
        let mut chat = Program::start(&arguments);
        if part != "not an address like http://" {
            chat.write(input);
        }
        chat.close_input();
        assert_eq!(chat.code(), Some(1), "{}", chat.said);
        assert!(chat.said.contains(part), "{part:?} in {}", chat.said);
    }
}
