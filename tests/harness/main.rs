//! A server for tests in other languages: `sg-test-server [--password WORD] [--unix-socket] [--appendonly] [-- ARGUMENT…]`.
//!
//! Prints one line of JSON when the server answers, then obeys one word per line of standard input (`kill`, `restart`,
//! `pause`, `continue`) with one line of JSON each, and ends with the server when standard input closes.
//! `sg-test-server --find` only names the server that would run, or fails with what was tried; `--find-both` names a Redis
//! and a Valkey, a line each (name, version, path), as far as they are found.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use stargazer_tests::{Options, Program, Server, find, find_both};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--find"] => name_it(),
        ["--find-both"] => {
            let line = |found: Program| say(&format!("{} {} {}", found.name, found.version, found.path.display()));
            find_both().into_iter().try_for_each(line)
        }
        _ => parse(words).and_then(serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code remains when the error stream is closed.
            let _ = writeln!(io::stderr(), "sg-test-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn name_it() -> io::Result<()> {
    say(&find()?.to_string())
}

fn parse(words: Vec<String>) -> io::Result<Options> {
    let mut options = Options::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--password" => options.password = Some(words.next().ok_or_else(|| usage("--password needs a word"))?),
            "--unix-socket" => options.unix_socket = true,
            "--appendonly" => options.appendonly = true,
            "--" => options.arguments.extend(words.by_ref()),
            other => return Err(usage(&format!("unknown option {other}"))),
        }
    }
    Ok(options)
}

fn usage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn serve(options: Options) -> io::Result<()> {
    let mut server = Server::start_with(options)?;
    say(&describe(&server).to_string())?;
    for line in io::stdin().lock().lines() {
        let done = match line?.as_str() {
            "kill" => server.kill(),
            "restart" => server.restart(),
            "pause" => server.pause(),
            "continue" => server.resume(),
            other => Err(usage(&format!("unknown word {other:?}"))),
        };
        let answer = match done {
            Ok(()) => describe(&server),
            Err(error) => json!({ "error": error.to_string() }),
        };
        say(&answer.to_string())?;
    }
    Ok(())
}

fn describe(server: &Server) -> Value {
    let program = server.program();
    json!({
        "url": server.url(),
        "unix_url": server.unix_url(),
        "port": server.port(),
        "pid": server.pid(),
        "server": program.name,
        "version": program.version,
        "program": program.path,
    })
}

/// One line, at once: the reader waits for it.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
