//! Peers in other languages: a program each, which measures itself while we measure the server.
//!
//! `PROGRAM URL CASE MESSAGES ENVELOPES` prepares, prints `ready`, waits for a line, runs, and prints one line of JSON with
//! `seconds` and `cpu` (of its process, in seconds), `handled` and `disorder`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use stargazer_tests::root;

use crate::Result;
use crate::cases::Run;
use crate::lab::{Lab, expect};
use crate::load::Spread;

/// A language whose package and rivals are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Python,
    Node,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node",
        }
    }

    /// What the program says about itself and its packages.
    pub(crate) fn versions(self) -> Option<String> {
        let output = self.command().arg("versions").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    fn command(self) -> Command {
        let peers = root().join("benches/peers");
        let mut command = match self {
            Self::Python => {
                // An environment of its own for the rivals; ours comes from where `make python` has built it.
                let mut command = Command::new(root().join(".cache/peers/python/bin/python"));
                command.arg(peers.join("python/peer.py"));
                command.env("PYTHONPATH", root().join("bindings/python/python"));
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(peers.join("node/peer.mjs"));
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs one case; consumers find a filled stream, and a group unless `case` is ours.
    pub(crate) fn sample(self, lab: &Lab, case: &str, messages: usize, spread: Option<Spread>) -> Result<Run> {
        match spread {
            Some(spread) => lab.fill(messages, spread)?,
            None => lab.clear()?,
        }
        let ours = case.ends_with("ours");
        if spread.is_some() && !ours {
            lab.make_group()?;
        }
        let mut command = self.command();
        command.arg(lab.url()).arg(case).arg(messages.to_string()).arg(&lab.envelopes);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Run::Missing(format!("does not start: {error}"))),
        };
        let mut answers = BufReader::new(child.stdout.take().ok_or("a child without output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        if line.trim() != "ready" {
            return Ok(Run::Missing(last_words(child)?));
        }
        let meter = lab.meter()?;
        child.stdin.take().ok_or("a child without input")?.write_all(b"go\n")?;
        line.clear();
        answers.read_line(&mut line)?;
        let Ok(answer) = serde_json::from_str::<Value>(&line) else { return Err(last_words(child)?.into()) };
        let number = |name: &str| answer[name].as_f64().ok_or_else(|| format!("no {name} in {line}"));
        let count = |name: &str| -> Result<usize> {
            Ok(usize::try_from(answer[name].as_u64().ok_or_else(|| format!("no {name} in {line}"))?)?)
        };
        let used = meter.stop_with(number("seconds")?, number("cpu")?)?;
        let disorder = count("disorder")?;
        if !child.wait()?.success() {
            return Err("the peer failed at its end".into());
        }
        expect("messages handled", count("handled")?, messages)?;
        match spread {
            None => expect("entries stored", lab.length()?, messages)?,
            Some(_) => expect("entries pending", lab.pending()?, 0)?,
        }
        if ours && spread.is_some() {
            expect("entries left", lab.length()?, 0)?;
        }
        if matches!(case, "lanes-ours" | "exclusive-ours") {
            expect("messages out of order in lanes", disorder, 0)?;
        }
        Ok(Run::Done(used.over(messages, disorder)))
    }
}

/// Why a child gave up, as far as it said so.
fn last_words(mut child: Child) -> Result<String> {
    drop(child.stdin.take());
    let mut text = String::new();
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_string(&mut text)?;
    }
    let status = child.wait()?;
    Ok(text.lines().map(str::trim).rfind(|line| !line.is_empty()).map_or(status.to_string(), str::to_owned))
}
