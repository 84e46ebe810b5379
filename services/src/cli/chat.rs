//! `stargazer chat`: lines from standard input go to an instance, its replies to standard output.
//!
//! Ends with 0 at the end of the input and on Ctrl-C; with 1 when the server cannot be reached, or when, without a
//! terminal, a message was not answered: a script should know.

use std::io::BufRead;
use std::process::ExitCode;
use std::thread;

use serde_json::Value;
use tokio::sync::mpsc;

use super::args::ChatArgs;
use super::client::{Answer, Client};
use super::signal::StopSignal;
use super::{Failure, screen};

/// Runs the command.
pub(super) async fn run(options: ChatArgs) -> Result<ExitCode, Failure> {
    let mut stop = StopSignal::listen().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let client = Client::new(&options.url, &options.instance)?;
    tokio::select! {
        result = talk(&client, &options.user, options.channel.as_deref()) => {
            result.map(|unanswered| if unanswered == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        () = stop.next() => {
            if screen::is_terminal() {
                screen::line("");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Talks until the input ends; how many messages were not answered, which a terminal's user has seen.
pub(super) async fn talk(client: &Client, user: &str, channel: Option<&str>) -> Result<usize, Failure> {
    let terminal = screen::is_terminal();
    let ask = || {
        if terminal {
            screen::prompt("> ");
        }
    };
    let mut lines = lines();
    let mut unanswered = 0;
    ask();
    while let Some(line) = lines.recv().await {
        let line = line.map_err(|error| format!("the input cannot be read: {error}"))?;
        if !line.trim().is_empty() {
            match client.say(&line, user, channel).await? {
                Answer::Replies(replies) => replies.iter().for_each(show),
                Answer::Running(replies) => {
                    replies.iter().for_each(show);
                    screen::note("(the answer takes longer; it is not waited for any more)");
                    unanswered += 1;
                }
                Answer::Failed(error) => {
                    screen::error(&error);
                    unanswered += 1;
                }
            }
        }
        ask();
    }
    if terminal {
        screen::line("");
    }
    Ok(if terminal { 0 } else { unanswered })
}

/// Lines of standard input, read by a thread of their own: a read cannot be interrupted, and ends with the process.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Shows a reply.
fn show(reply: &Value) {
    let text = reply["text"].as_str().unwrap_or_default();
    match reply["type"].as_str() {
        Some("file") => {
            let (name, kind) = (reply["filename"].as_str(), reply["mimetype"].as_str());
            let size = reply["size"].as_u64().unwrap_or_default();
            screen::line(&format!("[file {}, {}, {size} bytes]", name.unwrap_or("?"), kind.unwrap_or("?")));
        }
        Some("reaction") => screen::line(reply["emoji"].as_str().unwrap_or_default()),
        _ => screen::line(text),
    }
}
