//! `stargazer dev --demo`: plays a conversation through the HTTP API of this process and checks every answer.

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::{Answer, Client};
use super::conversation::{CHANNELS, LINES, Line};
use super::screen::Progress;
use super::{Failure, chat, screen};

/// Plays the conversation; on a terminal it then stays as a chat.
///
/// # Errors
/// An answer was wrong or missing; the text names each of them.
pub(super) async fn run(client: &Client) -> Result<(), Failure> {
    let started = Instant::now();
    let (sender, mut faults) = mpsc::unbounded_channel();
    let channels = join_all(CHANNELS.map(|channel| play(client, channel, sender.clone())));
    drop(sender);
    let watch = async {
        let mut progress = Progress::new(LINES.len());
        let mut found = Vec::new();
        while let Some(fault) = faults.recv().await {
            progress.step();
            found.extend(fault);
        }
        found
    };
    let ((), found) = tokio::join!(async { drop(channels.await) }, watch);
    let seconds = started.elapsed().as_secs_f64();
    let (right, all) = (LINES.len() - found.len(), LINES.len());
    screen::line(&format!(
        "{right} of {all} messages answered rightly, in {} channels, {seconds:.1} s",
        CHANNELS.len()
    ));
    if !found.is_empty() {
        return Err(found.join("\n"));
    }
    if screen::is_terminal() {
        screen::line("talk to it; Ctrl-C ends   (try: weather in Oslo, long, fail twice, echo hello)");
        chat::talk(client, "you", None).await?;
    }
    Ok(())
}

/// Plays one channel, message by message; tells each one's fault, if it has one.
async fn play(client: &Client, channel: &str, told: mpsc::UnboundedSender<Option<String>>) {
    for line in LINES.iter().filter(|line| line.channel == channel) {
        let fault = check(line, client.post(&line.body()).await);
        // The other end counts to the last of us.
        let _ = told.send(fault.map(|fault| format!("{channel}: {:?}: {fault}", line.text)));
    }
}

fn check(line: &Line, answer: Result<Answer, Failure>) -> Option<String> {
    match answer {
        Ok(Answer::Replies(replies)) => line.fault(&replies),
        Ok(Answer::Running(_)) => Some("no answer in time".into()),
        Ok(Answer::Failed(error)) | Err(error) => Some(error),
    }
}
