//! The harness itself: what other suites lean on.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stargazer_tests::{Options, Reply, SERVICE, Sentinels, Server};

/// Waits until `condition` holds, at most ten seconds.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn alive(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

#[test]
fn a_server_starts_answers_and_goes_with_its_owner() {
    let server = Server::start().unwrap();
    assert_eq!(server.command(&["SET", "k", "v"]).unwrap(), Reply::Text(b"OK".to_vec()));
    assert_eq!(server.command(&["GET", "k"]).unwrap().text(), "v");
    let info = server.command(&["INFO", "server"]).unwrap().text();
    assert!(info.contains(&server.program().version), "{} is not in {info}", server.program().version);
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!alive(pid));
}

#[test]
fn a_password_and_a_unix_socket_are_set_up() {
    let options = Options { password: Some("secret".into()), unix_socket: true, ..Options::default() };
    let server = Server::start_with(options).unwrap();
    assert_eq!(server.command(&["PING"]).unwrap().text(), "PONG");
    assert!(server.url().starts_with("redis://:secret@127.0.0.1:"));
    let without = stargazer_tests::command(server.port(), None, &["PING"]).unwrap();
    assert!(matches!(without, Reply::Error(why) if why.starts_with("NOAUTH")));
    let url = server.unix_url().unwrap();
    let path = url.strip_prefix("unix://").and_then(|rest| rest.strip_suffix("?pass=secret")).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(path).is_ok());
}

#[test]
fn sentinels_replace_a_primary_and_the_old_one_comes_back_as_a_replica() {
    let mut rig = Sentinels::start().unwrap();
    assert!(rig.url().starts_with("redis+sentinel://127.0.0.1:") && rig.url().ends_with(&format!("/{SERVICE}")));
    let before = rig.kill_primary().unwrap();
    let after = rig.wait_for_another(before).unwrap();
    assert_ne!(before, after);
    rig.heal().unwrap();
    assert_eq!(rig.primary().unwrap(), after);
    let role = |n: usize| rig.servers()[n].command(&["INFO", "replication"]).unwrap().text();
    assert!(role(before).contains("role:slave"));
    assert!(role(after).contains("connected_slaves:2"));
}

#[test]
fn a_restart_keeps_the_port_and_only_what_was_to_be_kept() {
    for appendonly in [false, true] {
        let mut server = Server::start_with(Options { appendonly, ..Options::default() }).unwrap();
        let (port, pid) = (server.port(), server.pid());
        server.command(&["SET", "k", "v"]).unwrap();
        server.kill().unwrap();
        assert!(server.command(&["PING"]).is_err());
        assert_eq!(server.pid(), None);
        server.restart().unwrap();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        let kept = if appendonly { Reply::Text(b"v".to_vec()) } else { Reply::Nil };
        assert_eq!(server.command(&["GET", "k"]).unwrap(), kept);
    }
}

#[test]
fn a_paused_server_keeps_its_connections_and_is_silent() {
    let server = Server::start().unwrap();
    server.pause().unwrap();
    let silent = std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.command(&["PING"]));
        std::thread::sleep(Duration::from_millis(100));
        let silent = !asked.is_finished();
        server.resume().unwrap();
        assert_eq!(asked.join().unwrap().unwrap().text(), "PONG");
        silent
    });
    assert!(silent);
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let arguments = vec!["--maxmemory".into(), "nonsense".into()];
    let error = Server::start_with(Options { arguments, ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("ended with") && error.contains("nonsense"), "{error}");
}

/// The program, as Python and Node use it.
struct Remote {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Remote {
    fn start(arguments: &[&str]) -> (Self, Value) {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_sg-test-server"));
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut remote = Self { child, answers };
        let hello = remote.answer();
        (remote, hello)
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn tell(&mut self, word: &str) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        self.answer()
    }
}

fn pid(answer: &Value) -> u32 {
    u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn the_program_obeys_words_and_ends_with_its_input() {
    let (mut remote, hello) = Remote::start(&["--appendonly"]);
    assert_eq!(hello["url"], format!("redis://127.0.0.1:{}", hello["port"]));
    assert_eq!(remote.tell("dance")["error"], "unknown word \"dance\"");
    assert_eq!(remote.tell("kill")["pid"], Value::Null);
    assert!(!alive(pid(&hello)));
    let again = remote.tell("restart");
    assert_eq!(again["port"], hello["port"]);
    assert_eq!(remote.tell("pause")["pid"], again["pid"]);
    assert_eq!(remote.tell("continue")["pid"], again["pid"]);
    drop(remote.child.stdin.take());
    assert!(remote.child.wait().unwrap().success());
    assert!(!alive(pid(&again)));
}

#[test]
fn a_server_does_not_outlive_a_killed_owner() {
    let (mut remote, hello) = Remote::start(&[]);
    remote.child.kill().unwrap();
    remote.child.wait().unwrap();
    // By its port: where nobody collects orphans, the process id stays taken.
    let port = u16::try_from(hello["port"].as_u64().unwrap()).unwrap();
    eventually("the watch-dog ends the server", || TcpStream::connect(("127.0.0.1", port)).is_err());
}
